"""Kernels of a network: layers forward and backward, costs, and whole steps on mini-batches."""
