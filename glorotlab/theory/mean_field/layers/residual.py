"""Residual connections: kernels of a weighted sum of nodes, and how they depend on each other.

H = sum_ij c_i c_j E[h_i h_j], where E[h_i h_j] of different nodes follows from the later of the two: it is 0 of a layer
with weights of its own, whose weights have mean 0; of an activation f(s) and Gaussian h it is E[h s] E f' by Stein's
identity; of units that depend on different weights, the product of the means. Branches that share their input are not
taken as independent draws. Going back, each node gets c_i g. He et al. 2016; Yang & Schoenholz 2017.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.bias import Bias
from glorotlab.spec.layers.concatenation import Concatenation
from glorotlab.spec.layers.dropout import Dropout
from glorotlab.spec.layers.graph import Node
from glorotlab.spec.layers.normalisation import LayerNorm, RMSNorm
from glorotlab.spec.layers.pooling import Flatten
from glorotlab.spec.layers.residual import Sum
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.mean_field.layers.base import Block, Gradient, Signal, Walk, ends


def needs(node: Node, blocks: frozenset[Block]) -> frozenset[Block]:
    """Return the blocks that the inputs must have: the same."""
    return blocks


def forward(node: Node, walk: Walk) -> Signal:
    """Return the signal of the sum."""
    layer, parts = node.layer, [walk.signals[name] for name in node.inputs]
    assert isinstance(layer, Sum)  # noqa: S101
    shape = parts[0].mean.shape
    if any(part.mean.shape != shape or part.units != node.units for part in parts):
        raise AssumptionError("a sum of different shapes, one of which is repeated along an axis")
    if len(parts) == 1:
        return _scaled(parts[0], layer.factors[0])
    terms = list(zip(layer.factors, node.inputs, strict=True))
    kernels = {}
    for block in walk.blocks[node.name]:
        kernels[block] = sum(
            (a * b * cross(walk, left, right, block) for a, left in terms for b, right in terms),
            start=np.zeros(next(part.kernels[block].shape for part in parts)),
        )
    mean = sum((a * walk.signals[name].mean for a, name in terms), start=np.zeros(shape))
    gap = None
    if (across := Block(True, ())) in kernels:
        gap = _gap(terms, walk, kernels[across])
    sources = frozenset[str]().union(*(part.sources for part in parts))
    gaussian = all(part.gaussian for part in parts)
    return Signal(node.units, kernels, mean, gaussian, sources, gap, max(part.error for part in parts))


def _scaled(signal: Signal, factor: float) -> Signal:
    kernels = {block: factor**2 * kernel for block, kernel in signal.kernels.items()}
    gap = None if signal.gap is None else factor**2 * signal.gap
    return Signal(signal.units, kernels, factor * signal.mean, signal.gaussian, signal.sources, gap, signal.error)


def _gap(terms: list[tuple[float, str]], walk: Walk, kernel: Array) -> Array:
    """Return the gaps of the sum: the sum of the parts' where these are independent and alike, else differences."""
    parts = [walk.signals[name] for _, name in terms]
    gap = Covariance.of(kernel).gap
    if all((part.kernels[part.across] >= 0).all() for part in parts) and all(
        not (one.sources & other.sources) for i, one in enumerate(parts) for other in parts[:i]
    ):
        factors = [a for a, _ in terms]
        means = sum((a * part.mean for a, part in zip(factors, parts, strict=True)), start=np.zeros(len(kernel)))
        # E (sum d_i)^2 = sum E d_i^2 + (sum E d_i)^2 - sum (E d_i)^2 of independent differences d_i
        gap = np.subtract.outer(means, means) ** 2
        for a, part in zip(factors, parts, strict=True):
            gap += a**2 * (part.covariance.gap - np.subtract.outer(part.mean, part.mean) ** 2)
        gap = np.maximum(gap, 0)
    return np.asarray(gap)


def cross(walk: Walk, left: str, right: str, block: Block) -> Array:
    """Return E[h_left h_right] over the pairs of a block, the second point being that of ``right``."""
    one, other = walk.signals[left], walk.signals[right]
    if left == right:
        return one.kernels[block]
    if not one.sources & other.sources:
        if one.mean.any() and other.mean.any() and _has_unlike_units(walk, left) and _has_unlike_units(walk, right):
            raise AssumptionError(f"a sum of {left!r} and {right!r}, whose units have means of their own, side by side")
        return np.asarray(ends(one.mean, block)[0] * ends(other.mean, block)[1])
    order = {node.name: place for place, node in enumerate(walk.graph)}
    later = max(left, right, key=order.__getitem__)
    earlier, first = (left, False) if later == right else (right, True)  # whether the later is the first point
    return _from_later(walk, later, earlier, block, first)


def _has_unlike_units(walk: Walk, name: str) -> bool:
    """Return whether units have means of their own, as those of a concatenation or of all positions, side by side."""
    node = walk.graph[name]
    if isinstance(node.layer, Concatenation | Flatten):
        return True
    return not isinstance(node.layer, WeightedLayer) and any(_has_unlike_units(walk, below) for below in node.inputs)


def _from_later(walk: Walk, later: str, earlier: str, block: Block, first: bool) -> Array:
    node, place = walk.graph[later], 0 if first else 1

    def pair(name: str) -> Array:
        return cross(walk, name, earlier, block) if first else cross(walk, earlier, name, block)

    if isinstance(node.layer, Sum):
        terms = zip(node.layer.factors, node.inputs, strict=True)
        return sum((factor * pair(name) for factor, name in terms), start=np.zeros(1))
    if isinstance(node.layer, WeightedLayer):  # its weights are of mean 0 and fresh
        return np.zeros(1)
    if isinstance(node.layer, Dropout | Bias):
        return pair(node.inputs[0])
    both = walk.signals[earlier].gaussian and walk.signals[node.inputs[0]].gaussian
    if isinstance(node.layer, Elementwise) and both:
        return np.asarray(pair(node.inputs[0]) * ends(walk.memory[later].slope_mean, block)[place])
    if isinstance(node.layer, LayerNorm | RMSNorm):
        scale = ends(walk.memory[later].scale, block)[place] * node.layer.gain_mean
        below = walk.signals[node.inputs[0]]
        means = ends(walk.signals[earlier].mean, block)[1 - place] * ends(below.mean, block)[place]
        centred = means if isinstance(node.layer, LayerNorm) else 0.0
        shift = ends(walk.signals[earlier].mean, block)[1 - place] * node.layer.bias_mean
        return np.asarray((pair(node.inputs[0]) - centred) * scale + shift)
    raise AssumptionError(
        f"a sum of {earlier!r} and {later!r}, whose units depend on the same weights in a way that is not predicted"
    )


def backward(node: Node, walk: Walk, gradient: Gradient) -> list[Gradient]:
    """Return the gradients of the nodes that are summed."""
    layer, total = node.layer, gradient.total(walk.signals[node.name])
    assert isinstance(layer, Sum)  # noqa: S101
    found = []
    for factor, name in zip(layer.factors, node.inputs, strict=True):
        own = {block: factor**2 * d for block, d in total.items()}
        aligned = factor**2 * gradient.aligned
        signal = walk.signals[name]
        part = Gradient.of_total(own, signal, aligned, factor * gradient.mean, gradient.sources)
        found.append(part if signal.gaussian else replace(part, arrivals=gradient.arrivals))
    return found
