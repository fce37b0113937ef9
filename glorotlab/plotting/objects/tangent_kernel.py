"""The tangent kernel of one output: its diagonal over the examples of a batch, or over the layers that make it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.errors import InvalidValueError
from glorotlab.plotting.style import OKABE_ITO, finish, handle, layer_ticks
from glorotlab.theory.finite_width.tangent_kernel import TangentKernel, TangentStatistics

VARIABLES = ("diagonal", "layers")

PLACE: dict[str, Any] = {"linestyle": "none", "marker": "_", "markersize": 9, "markeredgewidth": 1.6}
"""A prediction of a single place, where a line would join what has no order: a short one."""


def draw_tangent_kernel(ax: Axes, objects: Sequence[TangentKernel], variable: str | None) -> list[Artist]:
    """Draw Theta_aa of every example, or what each layer gives it; limit, and mean with a band at this width."""
    (kernel,) = objects
    if variable not in (None, *VARIABLES):
        raise InvalidValueError(f"variable {variable!r:.60}: allowed are {', '.join(VARIABLES)}")
    if variable == "layers":
        examples = kernel.layers.value.shape[1]
        for place in range(examples):
            own = [part[:, place] for part in (kernel.layers.value, kernel.layers.shift, kernel.layers.std)]
            _draw(ax, TangentStatistics(*own), 0.7 * ((place + 1) / (examples + 1) - 0.5))
        layer_ticks(ax, len(kernel.layers.value))
        what, along = "What each layer gives the tangent kernel's diagonal, examples side by side", "layer"
    else:
        _draw(ax, kernel.diagonal, 0.0)
        what, along = "The tangent kernel's diagonal", "example"
    finish(ax, what, along, "Θ(x, x) of one output")
    return [
        handle("limit of wide layers", OKABE_ITO[1], **PLACE),
        handle("mean at this width, band of 95 %", OKABE_ITO[0], **PLACE),
    ]


def _draw(ax: Axes, statistics: TangentStatistics, offset: float) -> None:
    """Draw one sequence of elements from place 1 on, moved by ``offset``."""
    places, mean = np.arange(1, len(statistics.value) + 1) + offset, statistics.value + statistics.shift
    low, high = statistics.band(0.95)
    ax.vlines(places, low, high, color=OKABE_ITO[0], alpha=0.2, linewidth=PLACE["markersize"])
    ax.plot(places, mean, color=OKABE_ITO[0], **PLACE)
    ax.plot(places, statistics.value, color=OKABE_ITO[1], **PLACE)
