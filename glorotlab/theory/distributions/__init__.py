"""Distributions of activations and gradients, not only their moments."""
