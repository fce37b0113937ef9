"""
The tangent kernel of a finite network
======================================

Gradient descent with small steps follows the neural tangent kernel :math:`\\Theta`. In the limit of wide layers
it is the same in every network; at a finite width it scatters. The band holds 95 % of networks.
"""

import matplotlib.pyplot as plt
import numpy as np

import glorotlab as gl
from glorotlab.plotting.style import OKABE_ITO, finish

WIDTHS = (50, 100, 200, 400, 800, 1600)
kernels = [
    gl.tangent_kernel(
        gl.NetworkSpec.parse(f"100,{width}x4,1", activation="tanh", initializer="lecun_normal", output="linear"),
        input_second_moment=1.0,
    )
    for width in WIDTHS
]
limit = np.array([kernel.diagonal.value.item() for kernel in kernels])
low, high = np.array([[float(end.item()) for end in kernel.diagonal.band(0.95)] for kernel in kernels]).T

figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
ax.semilogx(WIDTHS, np.ones(len(WIDTHS)), color=OKABE_ITO[0], label="limit of wide layers")
ax.fill_between(WIDTHS, low / limit, high / limit, color=OKABE_ITO[0], alpha=0.2, linewidth=0, label="95 % of networks")
finish(ax, "Θ of one example, four tanh layers", "units of each hidden layer", "Θ over its limit")
ax.set_xticks(WIDTHS, WIDTHS)
ax.legend()
