"""Densities of singular values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.arrays import Array
from glorotlab.plotting.style import OKABE_ITO, PREDICTION, finish, handle
from glorotlab.theory.spectra.jacobian_spectrum import JacobianSpectrum

POINTS = 60
"""Number of points with which a curve begins."""

SMOOTH = 0.004
"""Largest deviation of a straight line from the curve, over its height, without more points."""

ROUNDS = 6
"""Largest number of times that the distance of two points is halved."""

FOOT = 0.002
"""Share of its height at which a curve ends, unless ``FARTHEST`` ends it before."""

FARTHEST = 1.3
"""Factor beyond ``JacobianSpectrum.support`` at which a curve ends at the latest."""


def draw_spectra(ax: Axes, objects: Sequence[JacobianSpectrum], variable: str | None) -> list[Artist]:
    """Draw the density of ln sigma over sigma on a logarithmic axis, and its mean as a dashed line."""
    handles: list[Artist] = []
    for spectrum, color in zip(objects, cycle(OKABE_ITO)):
        ax.plot(*curve(spectrum), color=color, **PREDICTION)
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


def curve(spectrum: JacobianSpectrum) -> tuple[Array, Array]:
    """Return sigma and the density of ln sigma, with points close where the curve bends.

    The spectrum of one example ends in a square root at its largest singular value, that of several in one corner for
    each: points at equal distances round them off and stop above 0.
    """
    low, high = spectrum.support
    ln_sigma = np.linspace(np.log(low / FARTHEST), np.log(high * FARTHEST), POINTS)
    density = _log_density(spectrum, ln_sigma)
    for _ in range(ROUNDS):
        wanted = np.flatnonzero(_bends(ln_sigma, density))
        middles = (ln_sigma[wanted] + ln_sigma[wanted + 1]) / 2
        ln_sigma = np.insert(ln_sigma, wanted + 1, middles)
        density = np.insert(density, wanted + 1, _log_density(spectrum, middles))
    seen = np.flatnonzero(density > FOOT * density.max())
    part = slice(max(seen[0] - 1, 0), seen[-1] + 2)
    return np.exp(ln_sigma[part]), density[part]


def _log_density(spectrum: JacobianSpectrum, ln_sigma: Array) -> Array:
    sigma = np.exp(ln_sigma)
    return sigma * spectrum.density(sigma)


def _bends(at: Array, values: Array) -> npt.NDArray[np.bool_]:
    """Return of each interval whether a line through its ends or those beside it misses the curve."""
    between = values[:-2] + (values[2:] - values[:-2]) * (at[1:-1] - at[:-2]) / (at[2:] - at[:-2])
    missed = np.abs(values[1:-1] - between) > SMOOTH * values.max()
    return np.asarray(np.append(missed, False) | np.append(False, missed))


def _layers(spectrum: JacobianSpectrum) -> str:
    first, last = spectrum.layers
    what = f"layer {first}" if first == last else f"layers {first} to {last}"
    return what + (f", {spectrum.atom_at_zero:.1%} at 0" if spectrum.atom_at_zero else "")
