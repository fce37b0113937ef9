"""Fixed points: the variance map with the line on which a signal stays, and every point where the two meet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab import activations
from glorotlab.plotting.style import OKABE_ITO, PREDICTION, finish, handle
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST, moments
from glorotlab.theory.phases.fixed_points import FixedPoint, FixedPoints

POINTS = 120
"""Number of points of the curve."""

BESIDE = 100.0
"""Factor by which the picture extends beyond the least and the largest fixed point."""


def draw_fixed_points(ax: Axes, objects: Sequence[FixedPoints], variable: str | None) -> list[Artist]:
    """Draw V(q) over q on logarithmic axes; filled points are stable, hollow ones are not."""
    (found,) = objects
    inside = [point.q for point in found.points if 0 < point.q < math.inf] or [1.0]
    q = np.geomspace(max(SMALLEST, min(inside) / BESIDE), min(LARGEST, max(inside) * BESIDE), POINTS)
    second = moments(activations.get(found.activation), q).second_moment
    ax.plot(q, found.weight_variance * second + found.bias_variance, color=OKABE_ITO[0], **PREDICTION)
    ax.plot(q, q, color="0.4", linestyle="--", linewidth=1)
    handles: list[Artist] = [
        handle("V(q) = σ_w² E f² + σ_b²", OKABE_ITO[0], **PREDICTION),
        handle("V(q) = q", "0.4", linestyle="--", linewidth=1),
    ]
    for point in found.points:
        style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 8}
        if point.stability != "stable":
            style["markerfacecolor"] = "white"
        if 0 < point.q < math.inf:
            ax.plot([point.q], [point.q], color=OKABE_ITO[1], zorder=5, **style)
        handles.append(handle(_words(point), OKABE_ITO[1], **style))
    ax.set_xscale("log")
    ax.set_yscale("log")
    title = f"{found.activation}, σ_w² = {found.weight_variance:g}, σ_b² = {found.bias_variance:g}"
    finish(ax, title, "q, second moment of a pre-activation", "q of the next layer")
    return handles


def _words(point: FixedPoint) -> str:
    return f"q = {point.q:.4g}: {point.stability}, {point.phase}, χ₁ = {point.chi_1:.4g}"
