"""Statistics of a user's own model, step by step: second moments of every result and of its gradient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.arrays import Array
from glorotlab.errors import InvalidValueError
from glorotlab.plotting import layers
from glorotlab.plotting.objects.statistics import is_measured, one_of_band, one_of_each
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, PREDICTION, finish, handle
from glorotlab.schema import VARIABLES

RESULT = "result of the step"
"""Pre-activations of layers with weights and activations of all other steps: each step has one of the two."""

SERIES = {
    RESULT: ("preactivation_second_moment", "activation_second_moment"),
    "dC/d(result) of one example": ("backprop_gradient_second_moment",),
    "dC/dW of one example": ("example_weight_gradient_second_moment",),
}
"""Variables of each line; they share one because no module has two of them."""

MOST_NAMES = 48
"""Largest number of names below the axis; of more modules every second, third, ... is named."""


def draw_modules(ax: Axes, objects: Sequence[xr.Dataset], variable: str | None) -> list[Artist]:
    """Draw second moments, or one variable, of predictions and measurements over the steps of one model."""
    names = [str(name) for name in objects[0]["module"].values]
    for one in objects[1:]:
        if [str(name) for name in one["module"].values] != names:
            raise InvalidValueError("cannot plot statistics of two models in one picture: allowed are those of one")
    series = {variable: (variable,)} if variable else SERIES
    marks: list[Artist] = []
    for (label, variables), color in zip(series.items(), OKABE_ITO, strict=False):
        shown = [_draw(ax, one, [name for name in variables if name in one], color) for one in objects]
        if any(shown):
            marks.append(handle(VARIABLES[label].long_name if variable else label, color, linewidth=4))
    if not variable or variable.endswith(("_moment", "_variance")):
        ax.set_yscale("log")
    step = -(-len(names) // MOST_NAMES)
    ax.set_xticks(range(1, len(names) + 1, step), names[::step], rotation=90, fontsize=7)
    ax.set_xlim(0.4, len(names) + 0.6)
    unit = "" if variable and VARIABLES[variable].units != "1" else " (dimensionless)"
    finish(ax, "Module by module", "", (VARIABLES[variable].long_name if variable else "second moment") + unit)
    return [*marks, *_kinds(objects)]


def _draw(ax: Axes, one: xr.Dataset, variables: Sequence[str], color: str) -> bool:
    """Draw the variables as one series; return whether it has any value."""
    if not variables:
        return False
    rows = _merged([_rows(one, name) for name in variables])
    if not np.isfinite(rows).any():
        return False
    if is_measured(one):
        layers.draw_measurement(ax, rows, color=color)
        return True
    low, high = (_merged([_end(one, f"{name}_{end}") for name in variables])[0] for end in ("low", "high"))
    places = np.flatnonzero(np.isfinite(rows[0]))  # layers without weights have no weight gradient: the line goes on
    ax.plot(places + 1, rows[0][places], color=color, **PREDICTION | {"marker": ".", "markersize": 3})
    banded = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    ax.fill_between(banded + 1, low[banded], high[banded], color=color, alpha=0.2, linewidth=0)
    return True


def _rows(one: xr.Dataset, name: str) -> Array:
    values = one_of_each(one, name, "seed", "layer")
    return np.asarray(values.values if "seed" in values.dims else values.values[np.newaxis])


def _end(one: xr.Dataset, name: str) -> Array:
    return one_of_band(one[name])[np.newaxis] if name in one else np.full((1, one.sizes["layer"]), np.nan)


def _merged(parts: Sequence[Array]) -> Array:
    """Return the first value that is not missing in each place."""
    merged = parts[0]
    for part in parts[1:]:
        merged = np.where(np.isnan(merged), part, merged)
    return merged


def _kinds(objects: Sequence[xr.Dataset]) -> list[Artist]:
    marks: list[Artist] = []
    for measured in (False, True):
        for one in [one for one in objects if is_measured(one) is measured][:1]:
            level = one.attrs.get("level")
            networks = one.attrs.get("networks", 1)
            whose = "one network" if networks == 1 else f"the mean of {networks}"
            band = f", band of {whose} ({level:.0%})" if level else ""
            seeds = one.sizes.get("seed", 1)
            drawn = f"measured, {seeds} draws with standard error" if seeds > 1 else "measured, one network"
            points = {key: MEASUREMENT[key] for key in ("linestyle", "marker", "markersize")}
            marks.append(handle(drawn, **points) if measured else handle(f"predicted{band}", **PREDICTION))
    return marks
