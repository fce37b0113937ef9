"""
Nielsen's learning-speed bars
=============================

Right after initialization of [784, 30, 30, 10], one bar a hidden neuron, as long as its dC/db. Nielsen's
chapter 5 shows them for MNIST: the second hidden layer is the faster one. The pictures here are of
Shapeset-3x2, which needs no download.
"""

import matplotlib.pyplot as plt
import numpy as np

import glorotlab as gl
from glorotlab.plotting.style import OKABE_ITO, finish

spec = gl.NetworkSpec.parse(
    "1024,30,30,9", activation="sigmoid", initializer="nielsen_default", output="sigmoid", cost="cross_entropy"
)
x, y = gl.shapeset(1000, seed=0)
gradients = gl.Network(spec, seed=0).gradients(x, y).biases[:2]

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for layer, (speeds, color) in enumerate(zip(gradients, OKABE_ITO, strict=False), start=1):
    ax.bar(np.arange(30) + 31 * (layer - 1), np.abs(speeds), color=color, label=f"hidden layer {layer}")
finish(ax, "Learning speed of every hidden neuron", "neuron", "|dC/db| of the batch mean")
ax.set_xticks([])
ax.legend()
print(*(f"layer {place}: length {np.linalg.norm(speeds):.4f}" for place, speeds in enumerate(gradients, 1)), sep="\n")
