"""A sweep: the error that it chooses by over the field that it chooses, one line a combination of the others."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.averages import mean_and_error
from glorotlab.errors import InvalidValueError
from glorotlab.plotting.curves import is_share
from glorotlab.plotting.style import OKABE_ITO, finish, handle
from glorotlab.spec.sweep_axes import SEED
from glorotlab.training.error_curves import CURVES
from glorotlab.training.sweeps.results import SweepResults

USUAL = "validation_error"
"""Variable that is drawn by default."""

MOST = 8
"""Largest number of lines of a picture, one for each color."""


def draw_sweep(ax: Axes, objects: Sequence[SweepResults | xr.Dataset], variable: str | None) -> list[Artist]:
    """Draw final errors, mean over seeds with standard error; the least is ringed, a value that is missing left out."""
    (one,) = objects
    final = one.final() if isinstance(one, SweepResults) else one
    name = variable or USUAL
    if name not in final.data_vars or final[name].dtype.kind not in "if":
        numbers = [str(key) for key, values in final.data_vars.items() if values.dtype.kind in "if"]
        raise InvalidValueError(f"variable {name!r}: allowed are {', '.join(numbers)}")
    share = is_share(final[name])
    values = final[name] * (100 if share else 1)
    along, lines = axes_of(final)
    combinations = list(itertools.product(*(values[dim].values.tolist() for dim in lines)))
    if len(combinations) > MOST:
        raise InvalidValueError(
            f"{len(combinations)} combinations of {', '.join(lines)}: allowed are {MOST} lines; "
            "select some of gl.load_sweep(folder).final() with .sel() or .isel()"
        )
    labels = values[along].values if along else np.array([""])
    at, numeric = _places(labels)
    handles: list[Artist] = []
    for color, combination in zip(OKABE_ITO, combinations, strict=False):
        rows = values.sel(dict(zip(lines, combination, strict=True)))
        rows = rows.expand_dims([dim for dim in (SEED, along) if dim and dim not in rows.dims])
        mean, error = mean_and_error(rows.transpose(SEED, ...).values.reshape(rows.sizes[SEED], -1))
        style: dict[str, Any] = {"color": color, "marker": "o", "markersize": 4, "linewidth": 1.2, "capsize": 2.5}
        ax.errorbar(at, mean, yerr=error, **style)
        if np.isfinite(mean).any():
            least = int(np.nanargmin(mean))
            ax.plot(at[least], mean[least], marker="o", markersize=11, markerfacecolor="none", color=color)
        words = ", ".join(f"{dim} {_text(value)}" for dim, value in zip(lines, combination, strict=True))
        handles.append(handle(words or "mean over seeds", color, marker="o", markersize=4, linewidth=1.2))
    _x_axis(ax, at, labels, numeric=numeric)
    finish(ax, "Sweep", along.replace("_", " "), f"{name.replace('_', ' ')}{' (%)' if share else ''}")
    return [*handles, handle("least", linestyle="none", marker="o", markersize=9, markerfacecolor="none")]


def axes_of(final: xr.Dataset) -> tuple[str, list[str]]:
    """Return the dimension of the x axis, and those of whose combinations each is a line.

    The first that is chosen lies along the axis, else the longest; a sweep of seeds alone has that one.
    """
    sizes = {str(dim): size for dim, size in final.sizes.items() if dim != SEED}
    chosen = json.loads(final.attrs.get("sweep", "{}")).get("choose", ())
    along = next((dim for dim in chosen if dim in sizes), max(sizes, key=lambda dim: sizes[dim], default=""))
    return along, [dim for dim in sizes if dim != along]


def _places(labels: Any) -> tuple[Any, bool]:
    """Return where values stand on the x axis, and whether they are numbers of their own."""
    numeric = labels.dtype.kind in "if" and bool(np.isfinite(labels).all())
    return (labels.astype(float), True) if numeric else (np.arange(len(labels), dtype=float), False)


def _x_axis(ax: Axes, at: Any, labels: Any, *, numeric: bool) -> None:
    """Mark the values; a logarithmic axis where they span more than a decade."""
    if not numeric:
        ax.set_xticks(at, [_text(value) for value in labels.tolist()], rotation=30, ha="right")
        ax.margins(x=0.1)
    elif at.min() > 0 and at.max() > 10 * at.min():
        ax.set_xscale("log")


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def is_sweep(obj: Any) -> bool:
    """Whether an object is a sweep's results, or a dataset that they give."""
    return isinstance(obj, SweepResults) or (
        isinstance(obj, xr.Dataset) and not {"step", "layer"} & set(obj.dims) and bool(set(CURVES) & set(obj.data_vars))
    )
