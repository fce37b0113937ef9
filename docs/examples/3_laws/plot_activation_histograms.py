"""
Figure 6: activations at initialization
=======================================

Just after the standard initialization the peak of the activations at 0 grows with every layer; after the
normalized one all layers are alike. Points are histograms of networks that were drawn, lines are predicted
densities.
"""

import matplotlib.pyplot as plt

import glorotlab as gl

x, y = gl.shapeset(60, seed=0)

figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
for ax, name in zip(axes, ("standard", "glorot_uniform"), strict=True):
    spec = gl.NetworkSpec.parse("1024,400x4,9", activation="tanh", initializer=name)
    ax.set_title(name, loc="left")
    laws, draws = gl.predict_distributions(spec, x, y), gl.measure(spec, x, y, seeds=4, bins=80)
    gl.plot(laws, draws, ax=ax, variable="activation")
