"""Gaussian moments of an activation over the second moment of the pre-activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.errors import InvalidValueError
from glorotlab.plotting.style import OKABE_ITO, finish, handle
from glorotlab.theory.gaussian.moments import NAMES, Moments

WORDS = {
    "mean": "E f",
    "second_moment": "E f²",
    "derivative_mean": "E f'",
    "derivative_second_moment": "E f'²",
    "fourth_moment": "E f⁴",
    "derivative_fourth_moment": "E f'⁴",
    "product_second_moment": "E f² f'²",
}
"""Formula of each moment."""


def draw_moments(ax: Axes, objects: Sequence[Moments], variable: str | None) -> list[Artist]:
    """Draw all moments, or one, over q: lines, with a point for each value."""
    (moments,) = objects
    if variable not in (None, *NAMES):
        raise InvalidValueError(f"variable {variable!r:.60}: allowed are {', '.join(NAMES)}")
    q = np.ravel(moments.q)
    order = np.argsort(q)
    style: dict[str, Any] = {"marker": "o", "markersize": 4 if q.size <= 30 else 0, "linewidth": 1.4}
    handles: list[Artist] = []
    for name, color in zip(NAMES, OKABE_ITO, strict=False):
        if variable in (None, name):
            ax.plot(q[order], np.ravel(getattr(moments, name))[order], color=color, **style)
            handles.append(handle(WORDS[name], color, **style))
    ax.set_xscale("log")
    finish(ax, "Gaussian moments", "q, second moment of the pre-activation s ~ N(0, q)", "moment")
    return handles
