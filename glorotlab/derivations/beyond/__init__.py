"""Derivations beyond the paper: gains, biases, finite width and outputs."""
