"""Estimators of a user's own model: LayerStatistics with a row for every step of its graph, from one pass of a batch.

A layer with weights has pre-activations, weight and bias gradients; every other step has activations; each has the
gradient of its result. What does not exist is NaN. Moments are over examples, positions and units together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import FloatArray
from glorotlab.measurement.example_gradients import by_position, weight_gradients
from glorotlab.measurement.tensor_moments import activation_moments, mean_square, tensor_moments, underflow_shares
from glorotlab.schema import QUANTILES
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.graph import Node

MOMENTS = ("mean", "second_moment", "variance")
"""Statistics of every tensor of the schema."""


@dataclass(frozen=True)
class NodeTensors:
    """The tensors of one batch in one module of a model.

    Parameters
    ----------
    node : Node
    below : ndarray, shape (examples, ...)
        What enters it; of an embedding whole numbers.
    value : ndarray, shape (examples, ...)
        Its result.
    backprop : ndarray or None
        dC/d(result) of each example's own cost, shaped as ``value``; None without a cost, or where none depends on it.
    weight : ndarray or None
        Of a layer with weights, in the model's own layout.
    """

    node: Node
    below: npt.NDArray[np.generic]
    value: FloatArray
    backprop: FloatArray | None
    weight: FloatArray | None = None


def node_values(tensors: Sequence[NodeTensors]) -> dict[str, Any]:
    """Return the schema's variables, an array with a row for every step each; see the head of this file."""
    rows = [_row(own) for own in tensors]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, _missing(name)) for row in rows]) for name in names}


def _missing(name: str) -> Any:
    return np.full(len(QUANTILES), np.nan) if name == "activation_quantile" else np.nan


def _row(own: NodeTensors) -> dict[str, Any]:
    layer = own.node.layer
    value = _matrix(own.value)
    if isinstance(layer, WeightedLayer):
        row = _pooled("preactivation", value) | {"fan_in": float(layer.fan_in), "fan_out": float(layer.fan_out)}
        if own.weight is not None:
            row["weight_variance"] = float(tensor_moments("", _matrix(own.weight))["_variance"][0])
    elif isinstance(layer, Elementwise):
        row = activation_moments(value, layer.record)
        row["activation_variance"] = row["activation_variance"][0]
    else:
        row = _pooled("activation", value)
    if own.backprop is None:
        return row
    gradient = _matrix(own.backprop)
    row |= _pooled("backprop_gradient", gradient) | underflow_shares("backprop_gradient", gradient)
    return row | (_weight_gradient(own, own.backprop) if isinstance(layer, WeightedLayer) else {})


def _matrix(values: FloatArray) -> FloatArray:
    return np.ascontiguousarray(values).reshape(len(values), -1)


def _pooled(name: str, values: FloatArray) -> dict[str, Any]:
    row = tensor_moments(name, values)
    return row | {f"{name}_variance": row[f"{name}_variance"][0]}


def _weight_gradient(own: NodeTensors, backprop: FloatArray) -> dict[str, Any]:
    """Return the statistics of weight and bias gradients, of single examples and of the batch's mean cost."""
    examples, d = len(backprop), backprop.astype(np.float64)
    mean = second_moment = 0.0
    total: Any = 0.0
    for gradient in weight_gradients(own.node, own.below, d):
        mean += float(gradient.mean()) / examples
        second_moment += mean_square(gradient) / examples
        total = total + gradient
    row: dict[str, Any] = {
        "example_weight_gradient_mean": mean,
        "example_weight_gradient_second_moment": second_moment,
        "example_weight_gradient_variance": second_moment - mean * mean,
    }
    row |= _pooled("batch_weight_gradient", total.reshape(len(total), -1) / examples)
    if len(own.node.parameters) > 1:  # with biases
        bias = sum(by_position(own.node, one).sum(axis=0) for one in d) / examples
        row |= _pooled("batch_bias_gradient", np.asarray(bias)[np.newaxis])
        row["learning_speed"] = float(np.linalg.norm(bias))
    return row
