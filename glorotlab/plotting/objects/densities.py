"""Histograms that were measured and distributions that are predicted, per layer, as densities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.measurement.estimators import HISTOGRAM_TENSORS
from glorotlab.plotting import histograms
from glorotlab.plotting.style import MEASUREMENT, PREDICTION, finish, handle, layer_colors, layer_handles
from glorotlab.schema import TENSORS
from glorotlab.theory.distributions.location_scale import LocationScale
from glorotlab.theory.distributions.predict_distributions import Distributions
from glorotlab.theory.distributions.pushforward import Pushforward

BINS = 160
"""Number of bins of a distribution without a histogram that defines the edges."""

TAIL = 1e-4
"""Share of a distribution beyond either end of those bins."""


def tensor_of(variable: str | None) -> str:
    """Return the tensor of a variable, with or without ``_count``; ``activation`` by default."""
    tensor = (variable or "activation").removesuffix("_count")
    if tensor not in HISTOGRAM_TENSORS:
        raise InvalidValueError(f"variable {variable!r:.60}: allowed of histograms are {', '.join(HISTOGRAM_TENSORS)}")
    return tensor


def draw_densities(ax: Axes, objects: Sequence[xr.Dataset | Distributions], variable: str | None) -> list[Artist]:
    """Draw densities of one tensor in every hidden layer, those predicted over the bins that were measured."""
    tensor = tensor_of(variable)
    measured = [_last(one) for one in objects if isinstance(one, xr.Dataset)]
    count = _hidden(objects)
    colors, shown = layer_colors(count), list(range(count))
    for layer in shown:
        edges: Array | None = None
        for dataset in measured:
            counts, edges = _histogram(dataset, tensor, layer)
            histograms.draw_histogram(ax, counts, edges, color=colors[layer])
        for one in objects:
            if isinstance(one, Distributions):
                draw_law(ax, _law(one, tensor, layer + 1), color=colors[layer], edges=edges)
    histograms.crop(ax)
    finish(ax, _title(measured), f"{TENSORS[tensor][0]} (dimensionless)", "probability density")
    handles = layer_handles(count, shown)
    if measured:
        mark = {key: MEASUREMENT[key] for key in ("linestyle", "marker", "markersize")}
        handles.append(handle("measured", **mark))
    if len(measured) < len(objects):
        handles.append(handle("predicted (mean field)", **PREDICTION))
    return handles


def draw_single_law(ax: Axes, objects: Sequence[Pushforward | LocationScale], variable: str | None) -> list[Artist]:
    """Draw the density of the law of one layer."""
    colors = layer_colors(len(objects))
    for one, color in zip(objects, colors, strict=True):
        draw_law(ax, one, color=color)
    histograms.crop(ax)
    finish(ax, "Predicted distribution", "value (dimensionless)", "probability density")
    return []


def draw_law(ax: Axes, law: Any, *, color: Any, edges: Array | None = None) -> None:
    """Draw the share of a distribution between edges as a density, in which a frequent single value shows as a peak."""
    if edges is None:
        low, high = (float(end) for end in law.quantile(np.array([TAIL, 1 - TAIL])))
        margin = 0.02 * (high - low) or 0.5
        edges = np.linspace(low - margin, high + margin, BINS + 1)
    width = np.diff(edges)[[0, -1]]
    around = np.concatenate([[edges[0] - width[0]], edges, [edges[-1] + width[1]]])
    density = histograms.densities(law.mass(around)[1:-1], edges)  # the outermost shares hold all that lies beyond
    kept = density > 0
    histograms.draw_density(ax, ((edges[:-1] + edges[1:]) / 2)[kept], density[kept], color=color)


def _law(distributions: Distributions, tensor: str, layer: int) -> Any:
    try:
        return getattr(distributions, tensor)(layer)
    except AssumptionError as error:
        raise InvalidValueError(f"cannot plot the {tensor} of {error}") from None


def _last(dataset: xr.Dataset) -> xr.Dataset:
    """Return the histograms of the last record."""
    return dataset.isel(step=-1) if "step" in dataset.dims else dataset


def _hidden(objects: Sequence[xr.Dataset | Distributions]) -> int:
    """Return the number of hidden layers."""
    one = objects[0]
    layers = one.propagation.signal.layers if isinstance(one, Distributions) else one.sizes["layer"]
    return max(1, layers - 1)


def _histogram(dataset: xr.Dataset, tensor: str, layer: int) -> tuple[Array, Array]:
    """Return counts (seed, bin) and edges (edge,) of a layer.

    The outermost bins of a tensor without bounds also hold what lies beyond: they are left out.
    """
    if f"{tensor}_count" not in dataset:
        raise InvalidValueError(f"no histograms of {tensor} here: gl.measure(..., bins=100) takes them")
    here = dataset.isel(layer=layer)
    counts, edges = here[f"{tensor}_count"], here[f"{tensor}_edge"]
    rows = counts.transpose("seed", "bin").values if "seed" in counts.dims else counts.values[np.newaxis]
    ends = (edges.isel(seed=0) if "seed" in edges.dims else edges).values
    return (rows, ends) if tensor == "activation" else (rows[:, 1:-1], ends[1:-1])


def _title(measured: Sequence[xr.Dataset]) -> str:
    if measured and "step" in measured[0].coords:
        return f"After {int(measured[0]['step']):,} updates"
    return "At initialization"
