"""Labeled results of a checkpoint: LayerStatistics over steps, histograms and error curves, as xarray Datasets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from glorotlab.schema import SATURATION_THRESHOLD, coordinate, layer_statistics
from glorotlab.training.error_curves import COST_BEFORE_THE_WINDOW, CURVES, describe_curves
from glorotlab.training.runs.checkpoint import Checkpoint
from glorotlab.training.state import without_prefix

if TYPE_CHECKING:
    import xarray as xr


def statistics(checkpoint: Checkpoint) -> xr.Dataset:
    """Return LayerStatistics with dimension ``step``."""
    return _dataset(checkpoint, without_prefix("statistics", checkpoint.arrays), checkpoint.arrays["steps"])


def histograms(checkpoint: Checkpoint) -> xr.Dataset:
    """Return the histograms of the first and the last record, dimension ``step`` of length 2."""
    first, last = (without_prefix(name, checkpoint.arrays) for name in ("first", "last"))
    both = {name: np.array([first[name], last[name]]) for name in first}
    return _dataset(checkpoint, both, checkpoint.arrays["steps"][[0, -1]])


def curves(checkpoint: Checkpoint) -> xr.Dataset:
    """Return ``training_cost``, ``validation_error`` and ``test_error`` over ``step``.

    Errors are fractions; squared distances where the data have targets, and of an autoencoder.
    """
    import xarray as xr

    table = checkpoint.arrays["curves"]
    spec = checkpoint.spec
    descriptions = describe_curves(autoencoder=spec.network.autoencoder, regression=spec.regression)
    if "recent_costs" not in checkpoint.arrays:
        descriptions["training_cost"] = COST_BEFORE_THE_WINDOW
    data = {
        name: ("step", table[:, column], {"long_name": text, "units": "1"})
        for column, (name, text) in enumerate(descriptions.items(), start=1)
    }
    return xr.Dataset(data, coords={"step": coordinate("step", table[:, 0])})


def last_errors(checkpoint: Checkpoint) -> dict[str, float | None]:
    """Return the last point of the curves by name, with None for NaN."""
    point = checkpoint.arrays["curves"][-1:, 1:].ravel()
    return {name: float(value) if np.isfinite(value) else None for name, value in zip(CURVES, point, strict=False)}


def _dataset(
    checkpoint: Checkpoint, values: Mapping[str, npt.NDArray[Any]], steps: npt.NDArray[np.float64]
) -> xr.Dataset:
    spec = checkpoint.spec
    fans = np.array(spec.network.fans, dtype=np.float64)
    return layer_statistics(
        dict(values) | {"fan_in": fans[:, 0], "fan_out": fans[:, 1]},
        leading=("step",),
        coords={"step": steps},
        attributes={
            "kind": "training",
            "spec": spec.network.model_dump(mode="json"),
            "run_spec": spec.model_dump(mode="json"),
            "dtype": spec.dtype,
            "saturation_threshold": SATURATION_THRESHOLD,
        }
        | checkpoint.examples,
    )
