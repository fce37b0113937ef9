"""Multi-layer perceptrons: forward, backward, step."""
