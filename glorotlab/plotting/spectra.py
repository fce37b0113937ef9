"""Densities of singular values."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from glorotlab.plotting.style import OKABE_ITO, PREDICTION, finish
from glorotlab.theory.spectra.jacobian_spectrum import JacobianSpectrum

POINTS = 300
"""Points of the curve."""


def draw_spectrum(ax: Axes, spectrum: JacobianSpectrum) -> None:
    """Draw the density of ln sigma over sigma on a logarithmic axis, and the mean as a dashed line."""
    sigma = np.geomspace(*spectrum.support, POINTS)
    ax.plot(sigma, sigma * spectrum.density(sigma), color=OKABE_ITO[0], label="density", **PREDICTION)
    ax.axvline(spectrum.mean, color="0.25", linestyle="--", linewidth=1.2, label=f"mean {spectrum.mean:.3g}")
    ax.set_xscale("log")
    ax.set_ylim(bottom=0)
    first, last = spectrum.layers
    what = f"layer {first}" if first == last else f"layers {first} to {last}"
    atom = f", {spectrum.atom_at_zero:.1%} at 0" if spectrum.atom_at_zero else ""
    finish(ax, f"Jacobian of {what}{atom}", "singular value (dimensionless)", "density of its logarithm")
