"""Statistics of real networks, and their comparison with predictions."""
