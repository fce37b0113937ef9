"""Row-major matrix products over raw pointers: for Cython alone, nothing of it is visible from Python."""
