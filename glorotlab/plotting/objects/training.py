"""LayerStatistics over training, one color a layer; a prediction stands before the first update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.arrays import Array
from glorotlab.averages import mean_and_error
from glorotlab.errors import InvalidValueError
from glorotlab.plotting import steps
from glorotlab.plotting.objects.statistics import describe, one_of_each
from glorotlab.plotting.style import finish, handle, layer_colors, layer_handles
from glorotlab.schema import VARIABLES

PERCENTILE_AND_STD = ("activation_quantile", "activation_variance")
"""Variables of the usual picture, that of Glorot & Bengio (2010), figures 3 and 10."""


def draw_training(ax: Axes, objects: Sequence[xr.Dataset], variable: str | None) -> list[Artist]:
    """Draw percentile and standard deviation of the activations, or one variable, over updates."""
    over_steps = [one for one in objects if "step" in one.dims]
    if len(over_steps) > 1:
        raise InvalidValueError(f"{len(over_steps)} statistics over training: allowed is one a picture")
    (statistics,), predictions = over_steps, [one for one in objects if "step" not in one.dims]
    updates = np.asarray(statistics["step"].values, dtype=np.float64)
    before = -0.5 * updates[-1] / max(len(updates) - 1, 1)
    if variable is None and all(name in statistics for name in PERCENTILE_AND_STD):
        handles = _draw_percentile_and_std(ax, statistics, updates)
        starts = [start for one in predictions for start in _percentile_and_std(one)]
        ylabel = "activation z"
    else:
        name = variable or _first(statistics)
        rows = _over_steps(statistics, name)
        colors = layer_colors(rows.shape[-1])
        mean, error = mean_and_error(rows)
        for layer in _known(rows):
            steps.draw_with_bars(
                ax, updates, mean[:, layer], error[:, layer], color=colors[layer], markersize=3, linewidth=1.2
            )
        if (rows[np.isfinite(rows)] > 0).all():
            ax.set_yscale("log")
        handles = layer_handles(rows.shape[-1], _known(rows))
        starts = [one_of_each(one, name, "layer").values for one in predictions]
        ylabel = VARIABLES[name].long_name
    for start in starts:
        for value, color in zip(start, layer_colors(len(start)), strict=True):
            steps.draw_start(ax, before, float(value), color=color)
    if starts:
        cross: dict[str, Any] = {"marker": "x", "linestyle": "none", "markersize": 8, "markeredgewidth": 2}
        handles.append(handle("predicted before training", **cross))
    steps.update_ticks(ax)
    finish(ax, describe(statistics), "mini-batch updates", ylabel)
    return handles


def _first(statistics: xr.Dataset) -> str:
    """Return the variable that is drawn where there are no activations."""
    return next((str(name) for name in statistics if "step" in statistics[name].dims), "activation_quantile")


def _over_steps(statistics: xr.Dataset, name: str) -> Array:
    """Return a variable, shape (seed, step, layer)."""
    values = one_of_each(statistics, name, "seed", "step", "layer")
    if "step" not in values.dims:
        raise InvalidValueError(f"variable {name!r} is the same at every update: allowed are those that change")
    return np.asarray(values.values if "seed" in values.dims else values.values[np.newaxis])


def _known(rows: Array) -> list[int]:
    """Return the layers that have numbers: outputs that are no activations have none."""
    return [int(layer) for layer in np.flatnonzero(np.isfinite(rows).any(axis=(0, 1)))]


def _draw_percentile_and_std(ax: Axes, statistics: xr.Dataset, updates: Array) -> list[Artist]:
    percentile, variance = (_over_steps(statistics, name) for name in PERCENTILE_AND_STD)
    colors = layer_colors(percentile.shape[-1])
    for layer in _known(percentile):
        std = np.sqrt(variance[..., layer]).mean(axis=0)
        steps.draw_percentile_and_std(ax, updates, percentile[..., layer].mean(axis=0), std, color=colors[layer])
    return [
        *layer_handles(percentile.shape[-1], _known(percentile)),
        handle("98th percentile", marker="o", linestyle="none", markersize=4),
        handle("standard deviation", linewidth=1.4),
    ]


def _percentile_and_std(prediction: xr.Dataset) -> list[Array]:
    percentile, variance = (one_of_each(prediction, name, "layer").values for name in PERCENTILE_AND_STD)
    return [percentile, np.sqrt(variance)]
