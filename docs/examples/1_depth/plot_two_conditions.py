"""
Two conditions and their compromise
===================================

Forward, the variance is kept if :math:`n_{in} \\operatorname{Var}[W] = 1` (equation 10); backward, if
:math:`n_{out} \\operatorname{Var}[W] = 1` (equation 11). Where layers grow or shrink no weight can have both,
and equation 12 takes :math:`2 / (n_{in} + n_{out})`. Here it is, on layers that shrink from 1,000 units to 100,
with linear units so that nothing but the conditions shows.
"""

import matplotlib.pyplot as plt

import glorotlab as gl
from glorotlab.plotting.style import OKABE_ITO, finish, layer_ticks

WIDTHS = [1000, 800, 600, 400, 200, 100, 10]
MODES = {"forward condition, fan_in": "fan_in", "backward condition, fan_out": "fan_out", "compromise": "fan_avg"}

figure, (signal, gradient) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for (label, mode), color in zip(MODES.items(), OKABE_ITO, strict=False):
    spec = gl.NetworkSpec.parse(WIDTHS, activation="linear", initializer=f"variance_scaling(scale=1, mode={mode})")
    prediction = gl.predict(spec, input_second_moment=1.0).isel(layer=slice(0, -1))
    back = prediction["backprop_gradient_second_moment"]
    signal.semilogy(prediction["layer"], prediction["activation_second_moment"], color=color, marker="o", label=label)
    gradient.semilogy(prediction["layer"], back / back[-1], color=color, marker="o")

# %%
# The compromise keeps neither, and errs by the square root of what the other choice would cost: it treats
# both ways alike.

finish(signal, "Signal", "layer", "second moment of z over that of the inputs")
finish(gradient, "Gradient", "layer", "second moment of dC/ds over that of layer 5")
for ax in (signal, gradient):
    layer_ticks(ax, len(WIDTHS) - 2)
signal.legend(fontsize=8)
