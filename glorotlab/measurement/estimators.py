"""Estimators: LayerStatistics of one network from one pass of a batch through it, accumulated in float64.

They see LayerTensors alone, so they measure any model that yields them. Means and second moments are over units and
examples together; variances are so too (pooled), over the examples within a unit, or over the units within an example
(``schema.ESTIMATORS``). Monitors during training are these on a schedule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array, FloatArray
from glorotlab.kernels import statistics
from glorotlab.measurement.tensor_moments import activation_moments, mean_square, tensor_moments, underflow_shares
from glorotlab.network.passes import LayerTensors
from glorotlab.schema import UNDERFLOWING
from glorotlab.threads import num_threads

Values = dict[str, Array]
"""Schema variables of one network by name, each an array with leading axis ``layer``."""

HISTOGRAM_TENSORS = ("activation", "backprop_gradient", "batch_weight_gradient")
"""Tensors of the paper's histograms (figures 4 and 6 to 8)."""

EDGE_MARGIN = 1.25
"""Range of a histogram over the largest magnitude in the pass that defines its edges."""


def layer_values(layers: Sequence[LayerTensors]) -> Values:
    """Return every schema variable of one pass except histograms and Jacobians.

    Parameters
    ----------
    layers : sequence of LayerTensors
        With ``backprop``.

    Returns
    -------
    dict of str to ndarray of float64, shape (layer,) or (layer, estimator or quantile)
        NaN where a variable does not exist, as the activation of a softmax output.
    """
    rows = [_layer_row(layer) for layer in layers]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def finite_layers(row: Values) -> npt.NDArray[np.bool_]:
    """Return whether each layer's statistics, with pooled variances, are finite.

    Those of the activations follow, and are NaN where the output is none.
    """
    own = [
        np.isfinite(values[..., 0] if values.ndim > 1 else values)
        for name, values in row.items()
        if not name.startswith("activation")
    ]
    return np.asarray(np.all(own, axis=0))


def _layer_row(layer: LayerTensors) -> dict[str, Any]:
    bias_gradient = layer.bias_gradient()
    row: dict[str, Any] = {"weight_variance": float(tensor_moments("", layer.weight)["_variance"][0])}
    row |= tensor_moments("preactivation", layer.preactivation, examples=True)
    row |= activation_moments(layer.activation, layer.record)
    row |= tensor_moments("backprop_gradient", layer.gradient, examples=True)
    weight_gradient = layer.weight_gradient()
    batch = tensor_moments("batch_weight_gradient", weight_gradient)
    for name, gradient in zip(UNDERFLOWING, (layer.gradient, weight_gradient), strict=True):
        row |= underflow_shares(name, gradient)
    row |= _example_weight_gradient(layer.below, layer.gradient, batch["batch_weight_gradient_second_moment"]) | batch
    row |= tensor_moments("batch_bias_gradient", bias_gradient)
    row["learning_speed"] = float(np.linalg.norm(bias_gradient.astype(np.float64)))
    return row


def _example_weight_gradient(below: FloatArray, d: FloatArray, batch_second_moment: float) -> dict[str, Any]:
    """Return moments over examples and weights of z_i d_j (eq. 3), which factor within an example: no matrix is formed.

    The mean over examples within a weight is its gradient of the batch-mean cost.
    """
    z, g = below.astype(np.float64), d.astype(np.float64)
    means = z.mean(axis=1) * g.mean(axis=1)
    mean = float(means.mean())
    second_moment = float(((z**2).mean(axis=1) * (g**2).mean(axis=1)).mean())
    mean_squares = np.array([mean * mean, batch_second_moment, mean_square(means)])
    return {
        "example_weight_gradient_mean": mean,
        "example_weight_gradient_second_moment": second_moment,
        "example_weight_gradient_variance": second_moment - mean_squares,
    }


def _histogram_tensors(layer: LayerTensors) -> dict[str, FloatArray]:
    """Return the tensors a histogram is made of, by name."""
    tensors = (layer.activation, layer.gradient, layer.weight_gradient())
    return dict(zip(HISTOGRAM_TENSORS, tensors, strict=True))


def histogram_edges(layers: Sequence[LayerTensors], bins: int) -> Values:
    """Return edges of each tensor's bins, symmetric about 0.

    Parameters
    ----------
    layers : sequence of LayerTensors
        With ``backprop``.
    bins : int

    Returns
    -------
    dict of str to ndarray of float64, shape (layer, bins + 1)
        ``activation_edge`` and so on for ``HISTOGRAM_TENSORS``, from -bound to bound for a bounded activation, else to
        ``EDGE_MARGIN`` times the largest magnitude of this pass.
    """
    edges: dict[str, list[Array]] = {f"{name}_edge": [] for name in HISTOGRAM_TENSORS}
    for layer in layers:
        for name, values in _histogram_tensors(layer).items():
            moments = statistics.moments(values, num_threads())
            reach = EDGE_MARGIN * max(abs(moments.minimum), abs(moments.maximum)) or 1.0
            if name == "activation" and layer.record is not None and layer.record.bound is not None:
                reach = layer.record.bound
            edges[f"{name}_edge"].append(np.linspace(-reach, reach, bins + 1))
    return {name: np.array(rows) for name, rows in edges.items()}


def histogram_counts(layers: Sequence[LayerTensors], edges: Mapping[str, npt.NDArray[Any]]) -> Values:
    """Return ``activation_count`` and so on for given edges, each of shape (layer, bins).

    The outermost bins also hold what lies beyond them, so none is lost.
    """
    counts: dict[str, list[Array]] = {f"{name}_count": [] for name in HISTOGRAM_TENSORS}
    for index, layer in enumerate(layers):
        for name, values in _histogram_tensors(layer).items():
            histogram = statistics.histogram(values, edges[f"{name}_edge"][index], num_threads())
            row = histogram.counts.astype(np.float64)
            row[0] += histogram.below
            row[-1] += histogram.above
            counts[f"{name}_count"].append(row)
    return {name: np.array(rows) for name, rows in counts.items()}
