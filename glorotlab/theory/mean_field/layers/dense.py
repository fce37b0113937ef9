"""Dense layers, at every position alike: Q = n v M + v_b forward, D = n_out v D back.

Poole et al. 2016; Schoenholz et al. 2017. What comes back is W g, of which n_out v E[dg/ds] z is in proportion to z,
by Stein's identity (``gradient_independence``).
"""

from __future__ import annotations

import numpy as np

from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.graph import Node
from glorotlab.theory.mean_field.layers.base import Block, Gradient, Signal, Walk, ends, vector_kernels


def needs(node: Node, blocks: frozenset[Block]) -> frozenset[Block]:
    """Return the blocks that the input must have: the same."""
    return blocks


def forward(node: Node, walk: Walk) -> Signal:
    """Return the signal of s = z W + b."""
    below, layer = walk.input_of(node.name), node.layer
    assert isinstance(layer, WeightedLayer)  # noqa: S101
    gain, bias = layer.fan_in * layer.weight_variance, layer.bias_variance
    sources, mean = frozenset({node.name}), np.zeros_like(below.mean)
    if below.gap is not None:
        s = below.covariance.passed_on(gain, bias)
        return Signal(node.units, vector_kernels(s), mean, True, sources, s.gap, below.error)
    kernels = {}
    for block in walk.blocks[node.name]:
        inside = np.multiply(*ends(np.ones_like(below.mean), block))
        kernels[block] = gain * below.kernels[block] + bias * inside
    return Signal(node.units, kernels, mean, True, sources, error=below.error)


def backward(node: Node, walk: Walk, gradient: Gradient) -> list[Gradient]:
    """Return the gradient of z."""
    below, layer = walk.input_of(node.name), node.layer
    assert isinstance(layer, WeightedLayer)  # noqa: S101
    gain = node.units * layer.weight_variance
    apart = {block: gain * d for block, d in gradient.total(walk.signals[node.name]).items()}
    aligned = gain * gradient.aligned
    return [Gradient(apart, aligned, aligned * below.mean, frozenset({node.name}))]
