"""Estimators: LayerStatistics of one network from one pass of a batch through it, accumulated in float64.

Means and second moments are over units and examples together; variances are so too (pooled), over the examples within a
unit, or over the units within an example (``schema.ESTIMATORS``). Monitors during training are these on a schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.activations import Activation
from glorotlab.arrays import FloatArray
from glorotlab.kernels import statistics
from glorotlab.network.mlp import Network
from glorotlab.network.passes import BackwardPass, ForwardPass
from glorotlab.schema import ESTIMATORS, QUANTILES, SATURATION_THRESHOLD
from glorotlab.threads import num_threads, single_threaded_blas

Values = dict[str, npt.NDArray[np.float64]]

HISTOGRAM_TENSORS = ("activation", "backprop_gradient", "batch_weight_gradient")
"""Tensors of the paper's figures 4 and 6, 7, 8."""


def layer_values(network: Network, passed: BackwardPass) -> Values:
    """Return every schema variable of one pass, each an array with leading axis ``layer``."""
    rows = [_layer(network, passed, layer) for layer in range(len(network.weights))]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _layer(network: Network, passed: BackwardPass, layer: int) -> dict[str, Any]:
    record = network.spec.layer_activation(layer)
    below, d = passed.below(layer), passed.backprop[layer]
    bias_gradient = passed.bias_gradient(layer)
    row: dict[str, Any] = {"weight_variance": float(_moments("", network.weights[layer])["_variance"][0])}
    row |= _moments("preactivation", passed.preactivations[layer], examples=True)
    row |= _activation(passed.activations[layer], record)
    row |= _moments("backprop_gradient", d, examples=True)
    batch = _moments("batch_weight_gradient", passed.weight_gradient(layer))
    row |= _example_weight_gradient(below, d, batch["batch_weight_gradient_second_moment"]) | batch
    row |= _moments("batch_bias_gradient", bias_gradient)
    row["learning_speed"] = float(np.linalg.norm(bias_gradient.astype(np.float64)))
    return row


def _moments(name: str, values: FloatArray, *, examples: bool = False) -> dict[str, Any]:
    """Moments of all elements; variances within units and examples where the first axis is one of ``examples``."""
    found = statistics.moments(values, num_threads())
    # a float's ** raises where * is infinite
    mean_squares = [found.mean * found.mean, np.nan, np.nan]
    if examples:
        with np.errstate(invalid="ignore"):
            means = [values.mean(axis=axis, dtype=np.float64) for axis in (0, 1)]
        mean_squares[1:] = map(_mean_square, means)
    return {
        f"{name}_mean": found.mean,
        f"{name}_second_moment": found.second_moment,
        f"{name}_variance": found.second_moment - np.array(mean_squares),
    }


def _mean_square(values: FloatArray) -> float:
    with np.errstate(over="ignore", invalid="ignore"):  # of a run that diverges
        return float((values * values).mean())


def _activation(z: FloatArray, record: Activation | None) -> dict[str, Any]:
    """Moments, quantiles and saturation; NaN where the output is no activation."""
    if record is None:
        row: dict[str, Any] = {f"activation_{name}": np.nan for name in ("mean", "second_moment", "saturation")}
        row["activation_variance"] = np.full(len(ESTIMATORS), np.nan)
        return row | {"activation_quantile": np.full(len(QUANTILES), np.nan)}
    row = dict(_moments("activation", z, examples=True))
    row["activation_quantile"] = statistics.quantiles(z, np.array(QUANTILES))
    row["activation_saturation"] = (
        np.nan if record.bound is None else statistics.saturation(z, SATURATION_THRESHOLD * record.bound, num_threads())
    )
    return row


def _example_weight_gradient(below: FloatArray, d: FloatArray, batch_second_moment: float) -> dict[str, Any]:
    """Moments over examples and weights of z_i d_j (eq. 3), which factor within an example: no matrix is formed.

    The mean over examples within a weight is its gradient of the batch-mean cost.
    """
    z, g = below.astype(np.float64), d.astype(np.float64)
    means = z.mean(axis=1) * g.mean(axis=1)
    mean = float(means.mean())
    second = float(((z**2).mean(axis=1) * (g**2).mean(axis=1)).mean())
    mean_squares = np.array([mean * mean, batch_second_moment, _mean_square(means)])
    return {
        "example_weight_gradient_mean": mean,
        "example_weight_gradient_second_moment": second,
        "example_weight_gradient_variance": second - mean_squares,
    }


def _tensors(passed: BackwardPass, layer: int) -> dict[str, FloatArray]:
    """Return the tensors a histogram is made of."""
    values = (passed.activations[layer], passed.backprop[layer], passed.weight_gradient(layer))
    return dict(zip(HISTOGRAM_TENSORS, values, strict=True))


def histogram_edges(network: Network, passed: BackwardPass, bins: int) -> Values:
    """Return edges for each tensor of ``HISTOGRAM_TENSORS``: symmetric, [-bound, bound] for a bounded activation,
    else 1.25 times the largest magnitude of this pass.
    """  # noqa: D205
    edges: dict[str, list[npt.NDArray[np.float64]]] = {f"{name}_edge": [] for name in HISTOGRAM_TENSORS}
    for layer in range(len(network.weights)):
        record = network.spec.layer_activation(layer)
        for name, values in _tensors(passed, layer).items():
            found = statistics.moments(values, num_threads())
            reach = 1.25 * max(abs(found.minimum), abs(found.maximum)) or 1.0
            if name == "activation" and record is not None and record.bound is not None:
                reach = record.bound
            edges[f"{name}_edge"].append(np.linspace(-reach, reach, bins + 1))
    return {name: np.array(rows) for name, rows in edges.items()}


def histogram_counts(network: Network, passed: BackwardPass, edges: Mapping[str, FloatArray]) -> Values:
    """Return the counts for given edges; the outermost bins also hold what lies beyond them, so none is lost."""
    counts: dict[str, list[npt.NDArray[np.float64]]] = {f"{name}_count": [] for name in HISTOGRAM_TENSORS}
    for layer in range(len(network.weights)):
        for name, values in _tensors(passed, layer).items():
            found = statistics.histogram(values, edges[f"{name}_edge"][layer], num_threads())
            row = found.counts.astype(np.float64)
            row[0] += found.below
            row[-1] += found.above
            counts[f"{name}_count"].append(row)
    return {name: np.array(rows) for name, rows in counts.items()}


def jacobian_singular_value_mean(network: Network, passed: ForwardPass) -> npt.NDArray[np.float64]:
    """Return the mean singular value of J = diag(f'(s)) W' over the examples of a pass, shape (layer,).

    NaN where the output is no activation. Costs one singular value decomposition a layer and example.
    """
    found = np.full(len(network.weights), np.nan)
    for layer, weight in enumerate(network.weights):
        record = network.spec.layer_activation(layer)
        if record is None:
            continue
        slopes = record.derivative(passed.preactivations[layer])
        with single_threaded_blas():
            found[layer] = np.mean([np.linalg.svd(weight * slope, compute_uv=False).mean() for slope in slopes])
    return found
