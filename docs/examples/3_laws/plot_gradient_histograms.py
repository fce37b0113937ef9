"""
Figures 7 and 8: gradients at initialization
============================================

Back-propagated gradients fade towards the input after the standard initialization, yet the gradients of the
weights are of one size in every layer: what the signal gains downwards, the gradient loses (equation 14).
"""

import matplotlib.pyplot as plt

import glorotlab as gl

x, y = gl.shapeset(60, seed=0)
spec = gl.NetworkSpec.parse("1024,400x4,9", activation="tanh", initializer="standard")
laws, draws = gl.predict_distributions(spec, x, y), gl.measure(spec, x, y, seeds=4, bins=80)

figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
for ax, tensor in zip(axes, ("backprop_gradient", "batch_weight_gradient"), strict=True):
    gl.plot(laws, draws, ax=ax, variable=tensor)
