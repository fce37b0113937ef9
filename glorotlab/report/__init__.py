"""Saved results to one self-contained HTML page."""
