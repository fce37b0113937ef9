"""
A gain is a function of the signal
==================================

Tables of gains have one number for an activation. For ReLU that is right, since it is scale invariant. For
every other the gain that keeps a signal depends on how large the signal is: forward :math:`\\sqrt{q / E
f(s)^2}`, backward :math:`1 / \\sqrt{E f'(s)^2}`, with :math:`s \\sim N(0, q)`.
"""

import matplotlib.pyplot as plt
import numpy as np

import glorotlab as gl
from glorotlab.plotting.style import OKABE_ITO, finish, handle

q = np.geomspace(1e-2, 1e2, 60)
figure, ax = plt.subplots(figsize=(7.4, 5), layout="constrained")
for name, color in zip(("relu", "tanh", "softsign", "gelu", "selu", "sigmoid"), OKABE_ITO, strict=False):
    moments = gl.moments(name, q)
    ax.loglog(q, np.sqrt(q / moments.second_moment), color=color, label=name)
    ax.loglog(q, 1 / np.sqrt(moments.derivative_second_moment), color=color, linestyle="--")

# %%
# Hollow diamonds are the constants of ``torch.nn.init.calculate_gain``, at q = 1: tanh's 5/3 keeps neither
# way there, and SELU's 3/4 is small enough to make signals fade.

for name, gain in {"relu": 2**0.5, "tanh": 5 / 3, "selu": 3 / 4, "sigmoid": 1.0}.items():
    color = dict(zip(("relu", "tanh", "softsign", "gelu", "selu", "sigmoid"), OKABE_ITO, strict=False))[name]
    ax.plot([1], [gain], "D", color=color, markersize=8, markerfacecolor="none", markeredgewidth=1.4)
finish(ax, "Gains that keep signal (lines) and gradient (dashed)", "second moment q of the pre-activations", "gain")
ax.set_ylim(0.4, 20)
handles = ax.get_legend_handles_labels()[0]
ax.legend(handles=[*handles, handle("PyTorch's constants", linestyle="none", marker="D", markerfacecolor="none")])
