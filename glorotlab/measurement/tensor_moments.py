"""Statistics of one tensor of one layer by the schema's names, accumulated in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import FloatArray
from glorotlab.kernels import statistics
from glorotlab.schema import ESTIMATORS, QUANTILES, SATURATION_THRESHOLD
from glorotlab.threads import num_threads


def tensor_moments(name: str, values: FloatArray, *, examples: bool = False) -> dict[str, Any]:
    """Return ``name_mean``, ``name_second_moment`` and ``name_variance`` of all elements of a matrix.

    With ``examples`` as its first axis there are variances within units and within examples too; else they are NaN.
    """
    moments = statistics.moments(values, num_threads())
    # a float's ** raises where * is infinite
    mean_squares = [moments.mean * moments.mean, np.nan, np.nan]
    if examples:
        with np.errstate(invalid="ignore"):
            means = [values.mean(axis=axis, dtype=np.float64) for axis in (0, 1)]
        mean_squares[1:] = map(mean_square, means)
    return {
        f"{name}_mean": moments.mean,
        f"{name}_second_moment": moments.second_moment,
        f"{name}_variance": moments.second_moment - np.array(mean_squares),
    }


def underflow_shares(name: str, values: FloatArray) -> dict[str, float]:
    """Return the shares of exact zeros and of subnormal numbers."""
    zero, subnormal = statistics.underflow(values, num_threads())
    return {f"{name}_zero": zero, f"{name}_subnormal": subnormal}


def mean_square(values: FloatArray) -> float:
    """Return the mean of squares, infinite where they overflow."""
    with np.errstate(over="ignore", invalid="ignore"):  # of a run that diverges
        return float((values * values).mean())


def activation_moments(z: FloatArray, record: Activation | None) -> dict[str, Any]:
    """Return moments, quantiles and saturation; NaN where the output is no activation."""
    if record is None:
        row: dict[str, Any] = {f"activation_{name}": np.nan for name in ("mean", "second_moment", "saturation")}
        row["activation_variance"] = np.full(len(ESTIMATORS), np.nan)
        return row | {"activation_quantile": np.full(len(QUANTILES), np.nan)}
    row = dict(tensor_moments("activation", z, examples=True))
    row["activation_quantile"] = statistics.quantiles(z, np.array(QUANTILES))
    row["activation_saturation"] = (
        np.nan if record.bound is None else statistics.saturation(z, SATURATION_THRESHOLD * record.bound, num_threads())
    )
    return row
