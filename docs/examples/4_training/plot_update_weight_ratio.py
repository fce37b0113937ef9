"""
Updates over weights
====================

A rule of thumb wants an update to change weights by about a thousandth of their size (dashed). Which layer has how much
of it depends on the initialization, and changes while a network trains. Here plain descent is stopped every 200 updates
to look at one of them.
"""

import matplotlib.pyplot as plt
import numpy as np

import glorotlab as gl
from glorotlab.plotting.style import finish, layer_colors

RATE, EVERY, STOPS = 0.1, 200, 15
x, y = gl.shapeset(10 * EVERY * STOPS, seed=0)

figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True, layout="constrained")
for ax, initializer in zip(axes, ("standard", "glorot_uniform"), strict=True):
    net = gl.Network(gl.NetworkSpec.parse("1024,60x4,9", activation="tanh", initializer=initializer), seed=0)
    ratios = []
    for part in np.array_split(np.arange(len(x)), STOPS):
        before = [weights.copy() for weights in net.weights]
        net.train_step(x[part[:10]], y[part[:10]], RATE)
        pairs = zip(net.weights, before, strict=True)
        ratios.append([np.linalg.norm(after - weights) / np.linalg.norm(weights) for after, weights in pairs])
        net.train_steps(x[part[10:]], y[part[10:]], RATE, batch_size=10)
    for layer, color in enumerate(layer_colors(5)):
        ax.semilogy(EVERY * np.arange(STOPS), np.array(ratios)[:, layer], color=color, label=f"layer {layer + 1}")
    ax.axhline(1e-3, color="0.5", linestyle="--", linewidth=1)
    finish(ax, initializer, "updates", "size of an update over that of the weights")
axes[0].legend(fontsize=8)
