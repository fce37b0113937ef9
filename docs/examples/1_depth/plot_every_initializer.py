"""
Every initializer over twenty layers
====================================

How large are activations and back-propagated gradients after twenty tanh layers of 1,000 units? Equation 5 of
Glorot & Bengio (2010) multiplies the variance of the signal by :math:`n_{in} \\operatorname{Var}[W]` in every
layer, and equation 6 that of the gradient by :math:`n_{out} \\operatorname{Var}[W]`. tanh bends, so that the
exact mean-field values, drawn here, lie below these products.
"""

import matplotlib.pyplot as plt

import glorotlab as gl
from glorotlab.plotting.style import OKABE_ITO, finish, layer_ticks

INITIALIZERS = ("standard", "glorot_uniform", "he_normal", "orthogonal", "normal(std=0.01)", "normal(std=0.06)")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 6.4), sharex=True, layout="constrained")
for name, color in zip(INITIALIZERS, OKABE_ITO, strict=False):
    spec = gl.NetworkSpec.parse("1000,1000x20,10", activation="tanh", initializer=name)
    prediction = gl.predict(spec, input_second_moment=1.0)
    layer = prediction["layer"]
    above.semilogy(layer, prediction["activation_second_moment"], color=color, label=name)
    below.semilogy(layer, prediction["backprop_gradient_second_moment"], color=color)

# %%
# Only weights of a variance near :math:`1/n` keep both in sight. Those of the paper's standard
# initialization, which PyTorch's ``nn.Linear`` still has, lose a factor of three in every layer; the gradient
# loses it on its way back.

finish(above, "Activations, tanh", "", "second moment of z")
finish(below, "Back-propagated gradients", "layer", "second moment of dC/ds")
layer_ticks(below, 21)
above.set_ylim(1e-12, 3)
below.set_ylim(1e-14, 1e4)
above.legend(fontsize=8, ncols=2, loc="lower left")
