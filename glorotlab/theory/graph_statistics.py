"""Rows of LayerStatistics of a graph: the statistics of a node's tensors from its kernels.

Moments are over examples, positions and units together. A variance subtracts the expected square of one network's own
mean; it is NaN of maps, where that takes pairs of all positions.
"""

from __future__ import annotations

from math import nan

import numpy as np

from glorotlab.arrays import Array
from glorotlab.schema import QUANTILES
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.graph import Node
from glorotlab.theory.distributions.pushforward import quantiles_and_saturation
from glorotlab.theory.gaussian.covariance import RESOLUTION
from glorotlab.theory.mean_field.graph_walk import Followed
from glorotlab.theory.mean_field.kernels import mean_over_pairs
from glorotlab.theory.mean_field.layers import batch_of_maps, convolution, embedding
from glorotlab.theory.mean_field.layers.base import Block, Gradient, Kernels, Signal

STAND_INS = 64
"""Number of second moments that represent those of all points in quantiles."""

Row = dict[str, float | Array]


def signal_row(node: Node, found: Followed) -> Row:
    """Return the statistics of a node's value."""
    signal = found.walk.signals[node.name]
    name = "preactivation" if isinstance(node.layer, WeightedLayer) else "activation"
    row: Row = moments(name, signal.kernels, signal.mean, signal.units)
    if isinstance(node.layer, WeightedLayer):
        row |= {
            "fan_in": float(node.layer.fan_in),
            "fan_out": float(node.layer.fan_out),
            "weight_variance": node.layer.weight_variance,
        }
    if isinstance(node.layer, Elementwise):
        s = found.walk.signals[node.inputs[0]]
        if s.gaussian and not batch_of_maps.has_unknown_law(found.walk, node.inputs[0]):
            quantiles, saturation = quantiles_and_saturation(node.layer.record, _stand_ins(s.q)[np.newaxis])
            row |= {"activation_quantile": quantiles[0], "activation_saturation": float(saturation[0])}
    return row


def _stand_ins(q: Array) -> Array:
    """Return a few second moments that represent those of a map, without zeros, or all those of a vector."""
    if q.ndim == 1:
        return q
    ordered = np.sort(q[q > 0])
    if len(ordered) <= STAND_INS:
        return ordered
    return np.array([part.mean() for part in np.array_split(ordered, STAND_INS)])


def moments(name: str, kernels: Kernels, mean: Array, units: float, top: Array | None = None) -> Row:
    """Return the pooled moments of one tensor; ``top`` are products of examples' means over few units."""
    here = next(kernel for block, kernel in kernels.items() if not block.pairs and block.still)
    second, average = float(here.mean()), float(mean.mean())
    across = kernels.get(Block(True, ()))
    variance = nan
    if top is not None:
        variance = second - float(mean_over_pairs(top))
    elif across is not None and mean.ndim == 1:
        variance = second - (average**2 + (float(mean_over_pairs(across)) - average**2) / units)
    if abs(variance) <= RESOLUTION * second:
        variance = 0.0
    return {f"{name}_mean": average, f"{name}_second_moment": second, f"{name}_variance": variance}


def gradient_row(node: Node, found: Followed, top: Array | None) -> Row:
    """Return the statistics of a node's gradient, and of those of its weights.

    Parameters
    ----------
    node : Node
    found : Followed
    top : (examples, examples), optional
        Of the output node: expected products of two examples' means over its units.
    """
    signal, gradient = found.walk.signals[node.name], found.gradients[node.name]
    total = gradient.total(signal)
    row = moments("backprop_gradient", total, gradient.mean, signal.units, top)
    if not isinstance(node.layer, WeightedLayer):
        return row
    terms = _weight_products(node, found, total)
    row["example_weight_gradient_second_moment"] = float(_summed(terms, pairs=False).mean())
    pairs = any(block.pairs for block in total) or len(signal.mean) == 1
    if pairs:
        row["batch_weight_gradient_second_moment"] = _batch(terms, signal)
    if node.layer.bias_variance or len(node.parameters) > 1:
        row |= {"batch_bias_gradient_second_moment": _batch(total, signal) if pairs else nan}
    return row | _weight_means(node, found, gradient, total, top)


def _batch(terms: Kernels, signal: Signal) -> float:
    """Return the mean over pairs of examples of the sums over pairs of positions."""
    size = len(signal.mean)
    summed = _summed(terms, pairs=size > 1)
    return float(np.maximum(mean_over_pairs(summed.reshape(size, size) if summed.ndim else np.zeros((1, 1))), 0))


def _summed(terms: Kernels, *, pairs: bool) -> Array:
    """Return sums over pairs of positions of every example, or of every pair of examples."""
    total: Array = np.zeros(())
    for block, values in terms.items():
        if block.pairs == pairs:
            own = values.sum(axis=tuple(range(2 if pairs else 1, values.ndim)))
            total = total + own
            if not block.still:
                total = total + (own.T if pairs else own)
    return total


def _weight_products(node: Node, found: Followed, total: Kernels) -> Kernels:
    """Return the terms whose sum over pairs of positions is the second moment of dC/dW."""
    walk = found.walk
    if node.layer.kind == "embedding":
        products = embedding.weight_products(node, walk, total)
        return {block: values / walk.graph[node.name].layer.fan_in for block, values in products.items()}  # type: ignore[attr-defined]
    if node.layer.kind == "convolution":
        return {block: convolution.weight_products(node, walk, block, d) for block, d in total.items()}
    below = walk.input_of(node.name)
    return {block: d * below.kernels[block] for block, d in total.items()}


def _weight_means(node: Node, found: Followed, gradient: Gradient, total: Kernels, top: Array | None) -> Row:
    """Return means and variances of the gradients of a vector's weights and biases."""
    across = Block(True, ())
    if across not in total or node.layer.kind != "dense":
        return {}
    signal, below = found.walk.signals[node.name], found.walk.input_of(node.name)
    weight, bias = float((below.mean * gradient.mean).mean()), float(gradient.mean.mean())
    units = np.inf if found.walk.graph[node.inputs[0]].layer.kind == "input" else below.units
    d_products = _mean_products(total[across], gradient.mean, signal.units) if top is None else top
    products = _mean_products(below.kernels[across], below.mean, units) * d_products
    square = float(mean_over_pairs(products))
    bias_square = float(mean_over_pairs(d_products))
    if top is None:
        bias_square = bias**2 + (float(mean_over_pairs(total[across])) - bias**2) / signal.units
    return {
        "example_weight_gradient_mean": weight,
        "batch_weight_gradient_mean": weight,
        "batch_bias_gradient_mean": bias,
        "example_weight_gradient_variance": -square,  # added to the second moment
        "batch_weight_gradient_variance": -square,
        "batch_bias_gradient_variance": -bias_square,
    }


def _mean_products(kernel: Array, mean: Array, units: float) -> Array:
    """Return E of the product of two examples' means over finitely many independent units."""
    expected = np.outer(mean, mean)
    return np.asarray(expected + (kernel - expected) / units)


def unknown_row() -> Row:
    """Return the NaN rows, with more dimensions than a number, of a node that is not predicted."""
    return {"activation_quantile": np.full(len(QUANTILES), nan)}
