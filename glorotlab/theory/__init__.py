"""Numeric theory of networks at initialization."""
