"""Activations from a user's expression: parsed by a whitelist, analyzed, turned into a record."""
