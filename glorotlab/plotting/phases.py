"""Phase diagrams: ln chi_1 as color, the critical line, and initializers as numbered markers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.patches import Patch

from glorotlab.plotting.style import OKABE_ITO, finish, handle

LARGEST = 1.5
"""Largest |ln chi_1| that has a color of its own."""

MARKERS = "osD^vP*X<>hp"
"""Markers of the initializers."""


def draw_phase_diagram(ax: Axes, objects: Sequence[xr.Dataset], variable: str | None = None) -> list[Artist]:
    """Draw a phase diagram; markers beyond the grid stand at its edge, and the legend gives their place."""
    (diagram,) = objects
    w, b = diagram["weight_variance"].values, diagram["bias_variance"].values
    with np.errstate(divide="ignore"):
        logarithm = np.log(diagram["chi_1"].values)
    mesh = ax.pcolormesh(
        w,
        b,
        np.clip(logarithm, -LARGEST, LARGEST).T,
        cmap="PuOr",
        norm=TwoSlopeNorm(0.0, -LARGEST, LARGEST),
        shading="nearest",
        rasterized=True,
    )
    ax.figure.colorbar(mesh, ax=ax, extend="both", label="ln χ₁   (below 0: gradients vanish; above: explode)")
    xlim, ylim = ax.get_xlim(), ax.get_ylim()
    handles = _draw_unbounded(ax, diagram) + _draw_line(ax, diagram) + _draw_initializers(ax, diagram, xlim, ylim)
    ax.set_xlim(xlim)
    ax.set_ylim(ylim)
    sizes = f"{diagram.attrs['fan_in']} × {diagram.attrs['fan_out']}"
    finish(
        ax,
        f"{diagram.attrs['activation']}: phases, and initializers of a {sizes} layer",
        "weight variance σ_w² = fan_in Var[W]",
        "bias variance σ_b²",
    )
    return handles


def _draw_unbounded(ax: Axes, diagram: xr.Dataset) -> list[Artist]:
    """Hatch where signals grow without bound."""
    unbounded = np.isinf(diagram["q"].values).T
    if not unbounded.any() or min(unbounded.shape) < 2:
        return []
    w, b = diagram["weight_variance"].values, diagram["bias_variance"].values
    ax.contourf(w, b, unbounded, levels=[0.5, 1.5], colors="none", hatches=["///"])
    return [Patch(facecolor="none", edgecolor="0.25", hatch="///", label="no finite fixed point: signals grow")]


def _draw_line(ax: Axes, diagram: xr.Dataset) -> list[Artist]:
    """Draw the critical line, dashed where its fixed point is unstable; one point where the line is no more."""
    w, b = diagram["critical_weight_variance"].values, diagram["critical_bias_variance"].values
    known = np.isfinite(w)
    if not known.any():
        return []
    if np.ptp(w[known]) <= 1e-9 * w[known].max() and np.ptp(b[known]) == 0:
        style: dict[str, Any] = {
            "linestyle": "none",
            "marker": "o",
            "markersize": 13,
            "markerfacecolor": "none",
            "markeredgewidth": 2,
        }
        ax.plot(w[known][:1], b[known][:1], color="black", clip_on=False, **style)
        return [handle("critical point, χ₁ = 1", "black", **style)]
    stable = diagram["critical_slope"].values <= 1
    handles: list[Artist] = []
    for where, linestyle, label in ((stable, "-", "critical line, χ₁ = 1"), (~stable, "--", "χ₁ = 1, but q unstable")):
        # a node of the other kind on each side joins the two parts
        wide = where | np.roll(where, 1) | np.roll(where, -1)
        if (where & known).any():
            ax.plot(np.where(wide, w, np.nan), b, color="black", linestyle=linestyle, linewidth=1.8)
            handles.append(handle(label, "black", linestyle=linestyle, linewidth=1.8))
    return handles


def _draw_initializers(
    ax: Axes, diagram: xr.Dataset, xlim: tuple[float, float], ylim: tuple[float, float]
) -> list[Artist]:
    """Draw one marker for all initializers of a point; name them in the legend, with the point."""
    groups: dict[tuple[float, float], list[str]] = defaultdict(list)
    for name, x, y in zip(
        diagram["initializer"].values.tolist(),
        diagram["initializer_weight_variance"].values.tolist(),
        diagram["initializer_bias_variance"].values.tolist(),
        strict=True,
    ):
        groups[round(x, 12), round(y, 12)].append(name)
    handles: list[Artist] = []
    for index, ((x, y), names) in enumerate(sorted(groups.items())):
        style: dict[str, Any] = {
            "linestyle": "none",
            "marker": MARKERS[index % len(MARKERS)],
            "markersize": 8,
            "markeredgecolor": "black",
            "markeredgewidth": 0.9,
        }
        color = OKABE_ITO[index % len(OKABE_ITO)]
        at = float(np.clip(x, *xlim)), float(np.clip(y, *ylim))
        ax.plot(*at, color=color, clip_on=False, zorder=5, **style)
        beyond = ", beyond the axes" if (x, y) != at else ""
        handles.append(handle(f"({x:.4g}, {y:.4g}){beyond}: {', '.join(names)}", color, **style))
    return handles
