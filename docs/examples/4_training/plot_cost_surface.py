"""
Figure 5: two cost surfaces
===========================

The mean cost of ten random examples over two weights of a small tanh network, one of each layer. The quadratic
cost has plateaus where the log-likelihood still slopes, since its gradient vanishes with the softmax that
saturates.
"""

import matplotlib.pyplot as plt
import numpy as np

from glorotlab.experiments.glorot_bengio.figure_5 import draw_sample, normalized, surface
from glorotlab.plotting.style import finish

weights = np.linspace(-10, 10, 81)
sample = draw_sample(seed=0)

figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True, layout="constrained")
for ax, cost in zip(axes, ("log_likelihood", "quadratic"), strict=True):
    height, slope = normalized(*surface(sample, "softmax", cost, weights))
    filled = ax.contourf(weights, weights, height, levels=20, cmap="cividis")
    ax.contourf(weights, weights, slope < 0.25, levels=[0.5, 1.5], colors="none", hatches=["///"])
    finish(ax, f"{cost}: flat (hatched) on {(slope < 0.25).mean():.0%}", "weight of the output layer", "")
    ax.grid(False)
axes[0].set_ylabel("weight of the hidden layer")
figure.colorbar(filled, ax=axes, label="cost, from its least to its largest")
