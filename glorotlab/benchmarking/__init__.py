"""Timing of the training step against every peer that is installed, and against the machine's roofline."""

ROUNDS = 11
"""Default number of rounds of a benchmark."""
