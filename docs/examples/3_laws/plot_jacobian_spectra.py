"""
Jacobian spectra
================

The singular values of :math:`\\partial z_L / \\partial x` say how a network stretches its inputs'
neighborhood. Gaussian weights spread them over decades as depth grows; orthogonal ones keep them together
where the activation lets them.
"""

import matplotlib.pyplot as plt

import glorotlab as gl

figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for ax, depth in zip(axes, (2, 10), strict=True):
    spectra = [
        gl.jacobian_spectrum(
            gl.NetworkSpec.parse(f"500,500x{depth},10", activation="tanh", initializer=name), input_second_moment=0.05
        )
        for name in ("lecun_normal", "orthogonal")
    ]
    ax.set_title(f"tanh, {depth} hidden layers", loc="left")
    gl.plot(*spectra, ax=ax)
    ax.set_xlim(1e-3, 5)
    ax.set_ylim(1e-2, 30)
    ax.set_yscale("log")
