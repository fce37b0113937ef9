"""Timing of the kernels against NumPy, interleaved in one run."""
