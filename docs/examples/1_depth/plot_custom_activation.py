"""
An activation of your own
=========================

Any expression in ``x`` is an activation. Its derivative, kinks and symmetry are worked out symbolically, its
Gaussian moments by quadrature with an error estimate, so that theory is there before the first network is
trained.
"""

import numpy as np

import glorotlab as gl

EXPRESSION = "x*exp(-x**2/4) + 0.1*x"

moments = gl.moments(EXPRESSION, q=1.0)
gain = (1 / moments.second_moment) ** 0.5
print(f"E f² = {moments.second_moment:.6f} (error below {moments.error:.0e}), gain {gain:.4f}")

# %%
# That gain keeps a signal of second moment 1. Ten networks agree with the prediction, forward and backward:

spec = gl.NetworkSpec.parse(
    "200,300x10,10", activation=EXPRESSION, initializer=f"variance_scaling(scale={gain**2:.6f}, distribution=normal)"
)
random = np.random.default_rng(1)
x, labels = random.standard_normal((20, 200)), random.integers(10, size=20)

figure = gl.plot(gl.predict(spec, inputs=x, labels=labels), gl.measure(spec, inputs=x, labels=labels, seeds=10))
figure.axes[0].set_title(f"f(x) = {EXPRESSION}", loc="left", fontsize=10.5)
