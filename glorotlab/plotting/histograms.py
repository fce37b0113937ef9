"""Histograms per layer: the measured density as points, the predicted one as a line."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType

from glorotlab.arrays import Array
from glorotlab.averages import mean_and_error
from glorotlab.plotting.style import PREDICTION

DECADES = 4
"""Decades of density in a picture; bins below them have a handful of samples."""


def densities(counts: Array, edges: Array) -> Array:
    """Return counts (..., bin) over edges (..., edge) as densities that integrate to 1."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.asarray(counts / total / np.diff(edges, axis=-1))


def draw_histogram(ax: Axes, counts: Array, edges: Array, *, color: ColorType, label: str | None = None) -> None:
    """Draw the density of counts (seed, bin) over edges (edge,): mean over networks, standard error as bars.

    Empty bins are left out.
    """
    mean, error = mean_and_error(densities(counts, edges))
    middle, keep = (edges[:-1] + edges[1:]) / 2, mean > 0
    ax.errorbar(
        middle[keep],
        mean[keep],
        yerr=error[keep],
        color=color,
        label=label,
        linestyle="none",
        marker="o",
        markersize=2.6,
        elinewidth=0.8,
    )


def draw_density(ax: Axes, points: Array, density: Array, *, color: ColorType, label: str | None = None) -> None:
    """Draw a predicted density along its points as a line."""
    ax.plot(points, density, color=color, label=label, **(PREDICTION | {"linewidth": 1.2}))


def crop(ax: Axes) -> None:
    """Limit the axes to the upper ``DECADES`` of the drawn densities and to the values that reach them."""
    points = np.concatenate([line.get_xydata() for line in ax.lines])
    top = 2 * points[:, 1].max()
    shown = points[points[:, 1] > top / 10**DECADES, 0]
    low, high = shown.min(), shown.max()
    margin = 0.05 * max(abs(low), abs(high))
    ax.set_yscale("log")
    ax.set_ylim(top / 10**DECADES, top)
    ax.set_xlim(low - margin, high + margin)
    ax.xaxis.set_major_locator(MaxNLocator(6))
