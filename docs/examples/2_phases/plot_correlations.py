"""
How two inputs become one
=========================

Two inputs of correlation .6 pass through the same network. In the ordered phase their correlation goes to 1,
and the network cannot tell them apart; in chaos it goes to a value below 1, and it cannot tell that they were
alike. How fast, says the correlation depth :math:`\\xi_c`.
"""

import matplotlib.pyplot as plt
import numpy as np

import glorotlab as gl
from glorotlab.plotting.style import OKABE_ITO, finish

LAYERS = 40
figure, ax = plt.subplots(figsize=(7, 5), layout="constrained")
for weight_variance, color in zip((1.2, 1.5, 1.76095, 2.2, 3.0), OKABE_ITO, strict=False):
    point = gl.fixed_points("tanh", weight_variance, bias_variance=0.05).reached(1.0)
    correlations = [0.6]
    for _ in range(LAYERS):
        pair = gl.pair_moments("tanh", point.q, point.q, correlations[-1])
        correlations.append(float(weight_variance * pair.second_moment + 0.05) / point.q)
    label = f"σ_w² = {weight_variance:.3g}, {point.phase}, ξ_c = {point.correlation_depth:.3g}"
    ax.plot(np.arange(LAYERS + 1), correlations, color=color, label=label)

finish(ax, "tanh, σ_b² = 0.05, at the fixed point of q", "layer", "correlation of the two pre-activations")
figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
