"""
Bands against two hundred networks
==================================

Theory gives the limit of wide layers; a network of finite width scatters around it, and the scatter grows with
depth. With ``level=0.95`` a prediction has the band in which one network drawn once lies with that probability.
Two hundred networks of 100 units are drawn here: about five in a hundred should leave the band of a layer.
"""

import numpy as np

import glorotlab as gl

spec = gl.NetworkSpec.parse("64,100x8,10", activation="tanh", initializer="lecun_normal")
x = np.random.default_rng(0).standard_normal((1, 64))
labels = np.array([3])

prediction = gl.predict(spec, inputs=x, labels=labels, level=0.95)
measurement = gl.measure(spec, inputs=x, labels=labels, seeds=200)

# %%
# Each gray line is one network.

figure = gl.plot(prediction, variable="activation_second_moment")
ax = figure.axes[0]
draws = measurement["activation_second_moment"]
ax.plot(draws["layer"], draws.T, color="0.4", linewidth=0.5, alpha=0.35, zorder=0)
ax.set_title("Two hundred networks of 100 tanh units, and the band of one", loc="left", fontsize=10.5)

# %%
# The share of networks inside, layer by layer:

low, high = prediction["activation_second_moment_low"], prediction["activation_second_moment_high"]
inside = ((draws >= low) & (draws <= high)).mean("seed").values[:8]
print(*(f"layer {place}: {share:.1%}" for place, share in enumerate(inside, start=1)), sep="\n")
