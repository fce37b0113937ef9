"""
The coordinate check
====================

Does a learning rate that was found on a narrow network serve a wide one? Under the maximal update parametrization each
layer's first change is of one size at every width; with one variance and one rate for all it is not. Theory says which
curve is expected at these widths, and judges each layer.
"""

import matplotlib.pyplot as plt

import glorotlab as gl

x, y = gl.shapeset(20, seed=0)

figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), sharey=True, layout="constrained")
for ax, parametrization in zip(axes, ("standard", "mup"), strict=True):
    check = gl.coordinate_check(
        "1024,48x2,9",
        x,
        y,
        widths=(48, 96, 192, 384),
        steps=1,
        seeds=8,
        parametrization=parametrization,
        learning_rate=0.02,
    )
    ax.set_title(parametrization, loc="left")
    gl.plot(check, ax=ax)
    print(check.summary)
