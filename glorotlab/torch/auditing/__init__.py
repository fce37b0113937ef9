"""Distributions of a network's weights: statistics of arrays, from which ``gl.torch.audit`` makes its verdicts."""
