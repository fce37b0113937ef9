"""Numeric theory of networks at initialisation."""
