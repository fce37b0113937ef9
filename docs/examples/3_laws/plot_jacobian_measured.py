"""
A random-matrix law over one network
====================================

The spectrum of one layer's Jacobian, :math:`\\operatorname{diag}(f'(s)) W^T`, is predicted by free probability
in the limit of wide layers. The singular values of a single network of 600 units follow it already.
"""

import matplotlib.pyplot as plt
import numpy as np

import glorotlab as gl
from glorotlab.measurement.jacobian import jacobian_singular_values
from glorotlab.plotting.style import OKABE_ITO, finish

spec = gl.NetworkSpec.parse("600,600x3,10", activation="tanh", initializer="glorot_normal")
x = np.random.default_rng(0).standard_normal((1, 600))
singular = jacobian_singular_values(gl.Network(spec, seed=0, dtype="float64"), x).ravel()
law = gl.jacobian_spectrum(spec, inputs=x)

figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
sigma = np.linspace(1e-3, law.support[1] * 1.02, 300)
ax.hist(singular, bins=40, density=True, color=OKABE_ITO[4], label="600 singular values of one network")
ax.plot(sigma, law.density(sigma), color=OKABE_ITO[0], label="predicted")
ax.set_ylim(0, 1.2 * law.density(sigma[20:]).max())
finish(ax, "Jacobian of three tanh layers, 600 inputs", "singular value", "density")
ax.legend()
