"""
Saturation, predicted and measured
==================================

A tanh unit beyond ±.99 passes hardly any gradient. How many are there, layer by layer, before any training? The
larger the weights, the more; at :math:`n \\operatorname{Var}[W] = 16` nearly every other unit of the deeper
layers is caught.
"""

import matplotlib.pyplot as plt

import glorotlab as gl
from glorotlab.plotting.layers import draw_measurement, draw_prediction
from glorotlab.plotting.style import OKABE_ITO, finish, layer_ticks

x, y = gl.shapeset(60, seed=0)

figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
for scale, color in zip((1, 4, 16, 64), OKABE_ITO, strict=False):
    spec = gl.NetworkSpec.parse("1024,300x6,9", activation="tanh", initializer=f"variance_scaling(scale={scale})")
    predicted = gl.predict(spec, inputs=x, labels=y)["activation_saturation"].values[:6]
    measured = gl.measure(spec, inputs=x, labels=y, seeds=5)["activation_saturation"].values[:, :6]
    draw_prediction(ax, 100 * predicted, color=color, label=f"n Var[W] = {scale}")
    draw_measurement(ax, 100 * measured, color=color)

finish(ax, "Saturated tanh units: lines predicted, points measured", "layer", "share of |z| > .99 (%)")
layer_ticks(ax, 6)
ax.legend(fontsize=8)
