"""Values per layer: the prediction as a line with its band, the measurement as points, the paper as hollow markers."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.typing import ColorType

from glorotlab.arrays import Array
from glorotlab.averages import mean_and_error
from glorotlab.plotting.style import MEASUREMENT, PAPER, PREDICTION


def draw_prediction(
    ax: Axes,
    values: Array,
    *,
    color: ColorType,
    label: str | None = None,
    low: Array | None = None,
    high: Array | None = None,
    linestyle: str = "-",
) -> None:
    """Draw one value per layer, shape (layer,), as a line, with a band from ``low`` to ``high`` if there is one."""
    layer = np.arange(1, len(values) + 1)
    ax.plot(layer, values, color=color, label=label, **PREDICTION | {"linestyle": linestyle})
    if low is not None and high is not None:
        ax.fill_between(layer, low, high, color=color, alpha=0.2, linewidth=0)


def draw_measurement(ax: Axes, values: Array, *, color: ColorType, label: str | None = None, marker: str = "o") -> None:
    """Draw the mean over networks of ``values``, shape (seed, layer), with its standard error."""
    mean, error = mean_and_error(values)
    layer = np.arange(1, len(mean) + 1)
    ax.errorbar(layer, mean, yerr=error, color=color, label=label, **MEASUREMENT | {"marker": marker})


def draw_paper(ax: Axes, layer: Array, values: Array, *, color: ColorType, label: str | None = None) -> None:
    """Draw what the paper reports as hollow markers."""
    ax.plot(layer, values, color=color, label=label, **PAPER)
