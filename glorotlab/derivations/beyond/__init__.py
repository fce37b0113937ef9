"""Derivations of what the paper leaves out: gains, biases, finite width and outputs."""
