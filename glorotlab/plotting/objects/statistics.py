"""LayerStatistics per layer: predictions are lines with bands, measurements points, any number in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.arrays import Array
from glorotlab.errors import InvalidValueError
from glorotlab.measurement.compare import SECOND_MOMENTS
from glorotlab.plotting import layers
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, PREDICTION, finish, handle, layer_ticks
from glorotlab.schema import VARIABLES

SHORT = {
    "preactivation": "pre-activation s",
    "activation": "activation z",
    "backprop_gradient": "dC/ds of one example",
    "example_weight_gradient": "dC/dW of one example",
    "batch_weight_gradient": "dC/dW of the batch mean",
}
"""Tensors whose second moments are drawn, as a legend names them."""

LINES, MARKERS = ("-", "--", ":", "-."), ("o", "s", "^", "D")
"""Lines of several predictions and markers of several measurements."""

PERCENTILE = 0.98
"""Quantile that is drawn if a variable has several."""


def is_measured(statistics: xr.Dataset) -> bool:
    """Whether statistics are of real networks: drawn as points."""
    return "seed" in statistics.dims or statistics.attrs.get("kind") in ("measurement", "training")


def one_of_each(dataset: xr.Dataset, name: str, *dims: str) -> xr.DataArray:
    """Return a variable with the given dimensions (those it lacks left out): pooled, and its 98th percentile.

    Raises
    ------
    InvalidValueError
        Where the dataset has no such variable, or it has further dimensions.
    """
    drawable = [str(key) for key in dataset if str(key) in VARIABLES and not str(key).endswith(("_count", "_edge"))]
    if name not in drawable:
        raise InvalidValueError(f"variable {name!r}: allowed are {', '.join(drawable) or 'none of these statistics'}")
    values = dataset[name]
    if "estimator" in values.dims:
        values = values.sel(estimator="pooled")
    if "quantile" in values.dims:
        values = values.sel(quantile=PERCENTILE)
    rest = [str(dim) for dim in values.dims if dim not in dims]
    if rest:
        chosen = ", ".join(f"{dim}=0" for dim in rest)
        raise InvalidValueError(f"{name} over {', '.join(rest)}: allowed is one element of each, as in .isel({chosen})")
    return values.transpose(*(dim for dim in dims if dim in values.dims))


def draw_layers(ax: Axes, objects: Sequence[xr.Dataset], variable: str | None) -> list[Artist]:
    """Draw second moments, or one variable, of predictions and measurements over the layers."""
    names = [variable] if variable else [name for name in SECOND_MOMENTS if any(name in one for one in objects)]
    if not names:
        raise InvalidValueError(f"cannot plot statistics without any of {', '.join(SECOND_MOMENTS)}")
    lines, markers, marks, everything = cycle(LINES), cycle(MARKERS), [], []
    for one in objects:
        measured = is_measured(one)
        style = {"marker": next(markers)} if measured else {"linestyle": next(lines)}
        for name, color in zip(names, OKABE_ITO, strict=False):
            if name in one or variable:
                everything.append(_draw(ax, one, name, measured=measured, color=color, **style))
        marks += _marks(one, names, style, named=len(objects) > 2 or not _differ_in_kind(objects))
    if all((values[np.isfinite(values)] > 0).all() for values in everything):
        ax.set_yscale("log")
    layer_ticks(ax, max(one.sizes["layer"] for one in objects))
    title = " and ".join(dict.fromkeys(_kind(one) for one in objects)).capitalize()
    unit = "" if variable and VARIABLES[variable].units != "1" else " (dimensionless)"
    finish(ax, title, "layer", (VARIABLES[variable].long_name if variable else "second moment") + unit)
    tensors = [] if variable else [handle(label(name), color, linewidth=4) for name, color in _colors(names)]
    return [*tensors, *marks]


def label(variable: str) -> str:
    """Return the name of a second moment's tensor, short enough for a legend inside axes."""
    return SHORT[variable.removesuffix("_second_moment")]


def _colors(names: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(names, OKABE_ITO, strict=False))


def _draw(ax: Axes, one: xr.Dataset, name: str, *, measured: bool, color: str, **style: str) -> Array:
    """Draw one variable of one dataset; return its values."""
    values = one_of_each(one, name, "seed", "layer")
    if measured:
        rows = values.values if "seed" in values.dims else values.values[np.newaxis]
        layers.draw_measurement(ax, rows, color=color, **style)
        return np.asarray(rows)
    band = [one.get(f"{name}_{end}") for end in ("low", "high")]
    low, high = (None if end is None else one_of_band(end) for end in band)
    layers.draw_prediction(ax, values.values, color=color, low=low, high=high, **style)
    return np.asarray(values.values)


def one_of_band(end: xr.DataArray) -> Array:
    """Return an end of a band per layer, that of the pooled variance where there are several."""
    return np.asarray((end.sel(estimator="pooled") if "estimator" in end.dims else end).values)


def _kind(one: xr.Dataset) -> str:
    return "measurement" if is_measured(one) else str(one.attrs.get("kind", "statistics"))


def _differ_in_kind(objects: Sequence[xr.Dataset]) -> bool:
    return len({_kind(one) for one in objects}) == len(objects)


def _marks(one: xr.Dataset, names: Sequence[str], style: dict[str, str], *, named: bool) -> list[Artist]:
    """Return the legend's entries of one dataset, with its network if several are of one kind."""
    what = f": {describe(one)}" if named else ""
    if is_measured(one):
        points = {key: MEASUREMENT[key] for key in ("linestyle", "marker", "markersize")} | style
        seeds = ", with standard error" if one.sizes.get("seed", 1) > 1 else ""
        return [handle(f"measured{what or seeds}", **points)]
    banded = any(f"{name}_low" in one for name in names)
    networks = {1: "one network"}.get(one.attrs.get("networks", 0), f"the mean of {one.attrs.get('networks')}")
    band = f", band of {networks} ({one.attrs.get('level', 0):.0%})" if banded else ""
    return [handle(f"predicted{what}{band}", **PREDICTION | style)]


def describe(one: xr.Dataset) -> str:
    """Return the network of LayerStatistics in a few words."""
    from glorotlab.documents import parse_json
    from glorotlab.spec.network import NetworkSpec

    if "spec" not in one.attrs:
        return "statistics"
    spec = NetworkSpec(**parse_json(one.attrs["spec"]))
    return f"{spec.layers} {spec.activation}, {spec.initializer}"
