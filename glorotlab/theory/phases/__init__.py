"""Fixed points of the variance and correlation maps, and the phases they separate."""
