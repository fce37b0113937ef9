"""Corrections of order 1/width: shifts of means, fluctuations between networks, and bands."""
