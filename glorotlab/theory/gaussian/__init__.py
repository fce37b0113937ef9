"""Moments of activations of Gaussian pre-activations: closed forms, quadrature and series."""
