"""Verdicts on whether a network will train, and recommendations of an initializer."""
