"""Advice: what each initializer leaves of signal and gradient over the depth, and which should train."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.plotting.style import OKABE_ITO, finish, handle
from glorotlab.theory.advice.advice import Advice, InitializerAdvice
from glorotlab.theory.advice.trainability import MAX_GRADIENT, MIN_RATIO

RATIOS = {"signal": ("o", OKABE_ITO[0], -0.14), "gradient": ("s", OKABE_ITO[1], 0.14)}
"""Marker, color and shift of each ratio."""

LONGEST = 28
"""Longest name beside the axes, in characters."""

TITLE = 64
"""Longest line of the title, in characters."""

REACH = 1e-12, 1e12
"""Range of the ratios; ratios beyond are drawn at its ends."""


def draw_advice(ax: Axes, objects: Sequence[Advice], variable: str | None) -> list[Artist]:
    """Draw both ratios of every initializer, filled if it should train; the range that trains is white."""
    (advice,) = objects
    rows = list(reversed(advice.initializers))
    ax.axvline(1.0, color="0.25", linewidth=1)
    for place, row in enumerate(rows):
        for name in RATIOS:
            _draw_ratio(ax, row, name, place)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    low, high = min(low, MIN_RATIO / 10), max(high, MAX_GRADIENT * 10)
    for start, end in ((low, MIN_RATIO), (MAX_GRADIENT, high)):
        ax.axvspan(start, end, color="0.93", zorder=-1)
    ax.set_xlim(low, high)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    recommended = advice.recommendation
    ax.set_yticks(range(len(rows)), [row.name if len(row.name) <= LONGEST else "your own" for row in rows])
    finish(ax, "", "ratio over the depth (dimensionless)", "")
    words = textwrap.fill(f"recommended: {recommended.initializer}, biases {recommended.bias}", TITLE)
    ax.set_title(f"{advice.spec.layers} {advice.spec.activation}\n{words}", loc="left", fontsize=8.5)
    ratios = {
        "signal": "E z², last / first hidden layer",
        "gradient": "E (dC/ds)², first / last hidden layer",
    }
    handles: list[Artist] = [
        handle(ratios[name], color, linestyle="none", marker=marker) for name, (marker, color, _) in RATIOS.items()
    ]
    hollow = handle("hollow: should fail", linestyle="none", marker="o", markerfacecolor="none")
    return [*handles, hollow, handle("gray: out of reach of training", "0.9", linewidth=6)]


def _draw_ratio(ax: Axes, row: InitializerAdvice, name: str, place: int) -> None:
    marker, color, shift = RATIOS[name]
    ratio, band = getattr(row.verdict, f"{name}_ratio"), getattr(row, f"{name}_band")
    if ratio is None or math.isnan(ratio):
        return
    if band is not None and all(map(math.isfinite, band)):
        ax.plot(np.clip(band, *REACH), [place + shift] * 2, color=color, linewidth=1.2)
    style: dict[str, Any] = {} if row.verdict.trains else {"markerfacecolor": "white"}
    ax.plot([np.clip(ratio, *REACH)], [place + shift], color=color, marker=marker, markersize=5.5, **style)
