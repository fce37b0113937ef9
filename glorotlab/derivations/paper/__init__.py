"""Derivations of the equations of Glorot & Bengio (2010)."""
