"""A coordinate check: sizes over the width, one update a panel's worth of lines, with the curve or slope expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from glorotlab.errors import InvalidValueError
from glorotlab.plotting.style import PREDICTION, finish, handle, layer_colors, log_ticks
from glorotlab.scaling.result import CoordinateCheck
from glorotlab.scaling.verdicts import LayerVerdict

UPDATES = {"coordinate": 0, "change": 1}
"""Variables that can be drawn, with their update."""

LABELS = {"coordinate": "pre-activations, root mean square", "change": "change by the first update, root mean square"}


def draw_coordinate_check(ax: Axes, objects: Sequence[CoordinateCheck], variable: str | None) -> list[Artist]:
    """Draw the changes by the first update, or ``coordinate``, of each layer: measured as points, expected as bands.

    A band has the slopes within which a healthy layer lies, about the expected curve where there is one, else about the
    middle of the points. Layers outside are drawn as crosses.
    """
    (check,) = objects
    name = variable or "change"
    if name not in UPDATES:
        raise InvalidValueError(f"variable {name!r:.60} of a CoordinateCheck: allowed are {', '.join(UPDATES)}")
    verdicts = check.select(UPDATES[name])
    widths = np.array(check.widths, dtype=np.float64)
    handles: list[Artist] = []
    for verdict, color in zip(verdicts, layer_colors(len(verdicts)), strict=True):
        if verdict.own or not verdict.sizes.all():
            continue
        marker = "x" if verdict.inside is False else "o"
        ax.plot(widths, verdict.sizes, linestyle="none", marker=marker, markersize=5, color=color)
        _draw_expected(ax, widths, verdict, color)
        words = "nothing expected" if verdict.inside is None else "inside" if verdict.inside else "outside"
        label = f"{verdict.name}: n^{verdict.exponent:.2f}, {words}"
        handles.append(handle(label, color, marker=marker, markersize=4, linewidth=1.3))
    ax.set_xscale("log", base=2)
    log_ticks(ax)
    ax.set_xticks(widths, [f"{width:g}" for width in widths])
    ax.xaxis.set_minor_formatter(NullFormatter())
    finish(ax, f"Coordinate check, {check.parametrization}", "width (units)", LABELS[name])
    return handles


def _draw_expected(ax: Axes, widths: np.ndarray, verdict: LayerVerdict, color: object) -> None:
    """Draw the expected curve, and the band of slopes about it."""
    logs = np.log(widths)
    logs -= logs.mean()
    slope = sum(verdict.expected) / 2
    if not np.isfinite(slope + sum(verdict.band)):
        return
    curve = verdict.curve
    if curve is None:
        curve = np.exp(np.log(verdict.sizes).mean() + slope * logs)
    ends = [curve * np.exp((end - slope) * logs) for end in verdict.band]
    ax.plot(widths, curve, color=color, **PREDICTION)
    ax.fill_between(widths, np.minimum(*ends), np.maximum(*ends), color=color, alpha=0.15, linewidth=0)
