"""What law the weights of a network follow: statistics of arrays, from which ``gl.torch.audit`` makes its verdicts."""
