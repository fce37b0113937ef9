"""
The phase diagram, with initializers on it
==========================================

Two numbers place an initializer: the variance of its weights times fan_in, and that of its biases. Left of the
critical line :math:`\\chi_1 = 1` gradients vanish with depth and all inputs become alike; right of it gradients
explode and neighbors part. Trainable depth is large near the line.
"""

import glorotlab as gl

figure = gl.plot(gl.phase_diagram("tanh", fan_in=784, fan_out=1000))

# %%
# For ReLU the line is one point, He's.

relu = gl.plot(gl.phase_diagram("relu", fan_in=784, fan_out=784))
