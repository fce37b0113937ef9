"""A comparison: measured over predicted second moments, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.errors import InvalidValueError
from glorotlab.measurement.compare import SECOND_MOMENTS, Comparison
from glorotlab.plotting.objects.statistics import label
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, finish, handle, layer_ticks
from glorotlab.schema import VARIABLES


def draw_comparison(ax: Axes, objects: Sequence[Comparison], variable: str | None) -> list[Artist]:
    """Draw ratios with standard errors about 1, the variables a little apart."""
    (comparison,) = objects
    names = [name for name in ([variable] if variable else SECOND_MOMENTS) if comparison.select(name)]
    if not names:
        there = ", ".join(dict.fromkeys(entry.variable for entry in comparison.entries)) or "none"
        raise InvalidValueError(f"cannot plot {variable or 'second moments'} of a comparison: allowed are {there}")
    offsets = np.linspace(-0.2, 0.2, len(names)) if len(names) > 1 else [0.0]
    for name, color, offset in zip(names, OKABE_ITO, offsets, strict=False):
        entries = [entry for entry in comparison.select(name) if entry.ratio is not None]
        ax.errorbar(
            [entry.layer + offset for entry in entries],
            [entry.ratio or math.nan for entry in entries],
            yerr=[entry.ratio_error or 0.0 for entry in entries],
            color=color,
            label=VARIABLES[name].long_name if variable else label(name),
            **MEASUREMENT,
        )
    ax.axhline(1.0, color="0.25", linewidth=1.2)
    layer_ticks(ax, max(entry.layer for entry in comparison.entries))
    finish(
        ax,
        "Measured over predicted" if variable else "Measured second moments over predicted ones",
        "layer",
        "measured / predicted",
    )
    return [*ax.get_legend_handles_labels()[0], handle("prediction", linewidth=1.2)]
