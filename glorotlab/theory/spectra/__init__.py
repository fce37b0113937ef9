"""Singular values of layer Jacobians and of their products."""
