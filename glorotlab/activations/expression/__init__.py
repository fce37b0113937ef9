"""Activations from a user's expression: parsed by a whitelist, analysed, turned into a record."""
