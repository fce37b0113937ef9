"""JSON of the command line: numbers are finite or null, never NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glorotlab.averages import mean_and_error
from glorotlab.cli.terminal import say
from glorotlab.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import xarray as xr

    from glorotlab.spec.base import Spec

Layers = list[dict[str, Any]]


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document after the schema's version."""
    text = json.dumps(_finite({"schema_version": SCHEMA_VERSION} | dict(document)), indent=2, allow_nan=False)
    say(text)


def print_layers(spec: Spec, assumptions: Sequence[str], layers: Layers, **more: Any) -> None:
    """Print the document of numbers per layer."""
    print_json({"spec": spec.model_dump(mode="json"), "assumptions": list(assumptions), "layers": layers} | more)


def layer_records(statistics: xr.Dataset) -> Layers:
    """Return one record per layer: every variable by its schema name, pooled, as a mean over seeds with its spread.

    Where there are seeds, ``V_std`` is the standard deviation between them and ``V_sem`` that of the mean.
    """
    fans = (statistics[name].values.astype(int).tolist() for name in ("fan_in", "fan_out"))
    places = zip(statistics["layer"].values.tolist(), *fans, strict=True)
    records: Layers = [{"layer": layer, "fan_in": fan_in, "fan_out": fan_out} for layer, fan_in, fan_out in places]
    for name in map(str, statistics.data_vars):
        values = pooled(statistics[name])
        if name in records[0] or not set(values.dims) <= {"seed", "layer", "quantile"}:
            continue  # histograms
        for key, column in _columns(name, values).items():
            for record, value in zip(records, column, strict=True):
                record[key] = value
    return records


def _columns(name: str, values: xr.DataArray) -> dict[str, list[Any]]:
    """Return the entries of a variable, each with one value per layer."""
    if "quantile" in values.dims:
        rows = (values.mean("seed") if "seed" in values.dims else values).transpose("layer", "quantile")
        points = [f"{point:g}" for point in values["quantile"].values]
        return {name: [dict(zip(points, row, strict=True)) for row in rows.values.tolist()]}
    if "seed" not in values.dims:
        return {name: values.values.tolist()}
    seeds = values.transpose("seed", "layer").values
    mean, error = mean_and_error(seeds)
    spread = error * math.sqrt(len(seeds))
    return {name: mean.tolist(), f"{name}_std": spread.tolist(), f"{name}_sem": error.tolist()}


def pooled(values: xr.DataArray) -> xr.DataArray:
    """Return the pooled estimator if there are several."""
    return values.sel(estimator="pooled", drop=True) if "estimator" in values.dims else values


def _finite(value: Any) -> Any:
    """Return plain JSON values, with None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
