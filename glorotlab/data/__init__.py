"""Datasets, streams of examples, and how they are fetched."""
