"""
Gaussian moments of an activation
=================================

Every prediction is made of a few integrals over a normal variable: :math:`E f`, :math:`E f^2`, :math:`E f'^2`
and their like. ``gl.moments`` has them for any q at once, with an estimate of the error of each.
"""

import numpy as np

import glorotlab as gl

moments = gl.moments("tanh", np.geomspace(1e-3, 1e3, 80))
figure = gl.plot(moments)

# %%
# The worst error of any of them:

print(f"{np.max(moments.error):.1e}")
