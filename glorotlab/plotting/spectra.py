"""Densities of singular values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.plotting.style import OKABE_ITO, PREDICTION, finish, handle
from glorotlab.theory.spectra.jacobian_spectrum import JacobianSpectrum

POINTS = 300
"""Points of the curve."""


def draw_spectra(ax: Axes, objects: Sequence[JacobianSpectrum], variable: str | None) -> list[Artist]:
    """Draw the density of ln sigma over sigma on a logarithmic axis, and its mean as a dashed line."""
    handles: list[Artist] = []
    for spectrum, color in zip(objects, cycle(OKABE_ITO)):
        sigma = np.geomspace(*spectrum.support, POINTS)
        ax.plot(sigma, sigma * spectrum.density(sigma), color=color, **PREDICTION)
        mean_color = "0.25" if len(objects) == 1 else color
        ax.axvline(spectrum.mean, color=mean_color, linestyle="--", linewidth=1.2)
        what = "density" if len(objects) == 1 else f"{_layers(spectrum)} of {spectrum.spec.initializer}"
        handles.append(handle(what, color, **PREDICTION))
        handles.append(handle(f"mean {spectrum.mean:.3g}", mean_color, linestyle="--", linewidth=1.2))
    ax.set_xscale("log")
    ax.set_ylim(bottom=0)
    title = f"Jacobian of {_layers(objects[0])}" if len(objects) == 1 else "Jacobians"
    finish(ax, title, "singular value (dimensionless)", "density of its logarithm")
    return handles


def _layers(spectrum: JacobianSpectrum) -> str:
    first, last = spectrum.layers
    what = f"layer {first}" if first == last else f"layers {first} to {last}"
    return what + (f", {spectrum.atom_at_zero:.1%} at 0" if spectrum.atom_at_zero else "")
