"""Kernels of infinitely wide layers, carried forward and backward over the examples of a batch."""
