"""
Where equation 5 stops being true
=================================

Equation 5 holds in the linear regime, where tanh is its own argument. The larger the signal, the sooner it
fails; theory beyond it iterates :math:`q \\mapsto n \\operatorname{Var}[W] \\, E[\\tanh(s)^2]` with :math:`s
\\sim N(0, q)`. With :math:`n \\operatorname{Var}[W] = 1` the linear regime says that nothing changes.
"""

import matplotlib.pyplot as plt

import glorotlab as gl
from glorotlab.plotting.style import OKABE_ITO, finish, handle

spec = gl.NetworkSpec.parse("1000,1000x30,10", activation="tanh", initializer="lecun_normal")

figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
for q, color in zip((0.001, 0.01, 0.1, 1.0), OKABE_ITO, strict=False):
    prediction = gl.predict(spec, input_second_moment=q)
    ax.loglog(prediction["layer"], prediction["activation_second_moment"], color=color, label=f"inputs of {q:g}")
    ax.axhline(q, color=color, linestyle=":", linewidth=1)

# %%
# All inputs are forgotten alike: at depth :math:`l` the second moment is near :math:`1 / (2 l)`, whatever
# came in. This slow loss is why "normalized" is not the end of the story for tanh.

finish(ax, "tanh of gain 1: prediction, and equation 5 (dotted)", "layer", "second moment of the activations")
ax.plot(range(3, 31), [1 / (2 * layer) for layer in range(3, 31)], color="black", linestyle="--", linewidth=1)
handles = ax.get_legend_handles_labels()[0]
ax.legend(handles=[*handles, handle("1 / (2 layer)", "black", linestyle="--")], fontsize=8)
