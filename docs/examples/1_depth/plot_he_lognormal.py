"""
Why He's initialization "fails" in half of the seeds
====================================================

He's initialization keeps the *mean* of the second moment over networks. One network is something else: each
ReLU layer of n units multiplies by a random factor of relative variance 5/n, so that the logarithm wanders like
a random walk that drifts downwards. After 30 layers of 50 units most networks are far below the mean, and a few
are far above it.
"""

import matplotlib.pyplot as plt
import numpy as np

import glorotlab as gl
from glorotlab.plotting.style import OKABE_ITO, finish, layer_ticks

WIDTH, DEPTH = 50, 30
spec = gl.NetworkSpec.parse(f"{WIDTH}x{DEPTH + 1},2", activation="relu", initializer="he_normal")
x = np.random.default_rng(0).standard_normal((1, WIDTH))
x *= np.sqrt(WIDTH) / np.linalg.norm(x)  # second moment 1
networks = (gl.Network(spec, seed=seed) for seed in range(300))
draws = np.array([[np.mean(s**2) for s in net.forward(x).preactivations[:DEPTH]] for net in networks]) / 2

# %%
# Median and mean part company. The dashed line is the log-normal law's median, :math:`(1 + 5/n)^{-l/2}` after
# l further layers, the dotted one the mean that He's initialization keeps.

layer = np.arange(1, DEPTH + 1)
figure, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
ax.semilogy(layer, draws.T, color=OKABE_ITO[4], linewidth=0.4, alpha=0.4)
ax.semilogy(layer, np.median(draws, axis=0), "o", color=OKABE_ITO[0], markersize=4, label="median of 300 networks")
ax.semilogy(layer, draws.mean(axis=0), "s", color=OKABE_ITO[1], markersize=4, label="mean of 300 networks")
law = (1 + 5 / WIDTH) ** (-(layer - 1) / 2)
ax.semilogy(layer, law, "--", color=OKABE_ITO[0], label="median of the log-normal law")
ax.axhline(1, color=OKABE_ITO[1], linestyle=":", label="mean, kept by He's initialization")
finish(ax, f"{DEPTH} ReLU layers of {WIDTH} units", "layer", "second moment of s over that of the first, 2 E x²")
layer_ticks(ax, DEPTH)
ax.legend(fontsize=8, loc="lower left")

# %%
# How many networks have lost more than half of their signal at the last layer?

print(f"{(draws[:, -1] < 0.5).mean():.0%} of 300 networks")
