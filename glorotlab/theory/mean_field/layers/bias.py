"""Biases that are added by hand: H + v for points that share their b, and H for others; gradients pass.

Examples share b, and so do positions along an axis on which b has one value.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glorotlab.spec.layers.bias import Bias
from glorotlab.spec.layers.graph import Node
from glorotlab.theory.mean_field.layers.base import Block, Gradient, Signal, Walk, outer, vector_kernels


def needs(node: Node, blocks: frozenset[Block]) -> frozenset[Block]:
    """Return the blocks that the input must have: the same."""
    return blocks


def forward(node: Node, walk: Walk) -> Signal:
    """Return the signal of h + b."""
    below, layer = walk.input_of(node.name), _layer(node)
    sources = below.sources | {node.name}
    if below.gap is not None:
        s = below.covariance.passed_on(1.0, layer.variance)
        return replace(below, kernels=vector_kernels(s), gap=s.gap, sources=sources, draws=None)
    inside, kernels = np.ones_like(below.mean), {}
    for block in walk.blocks[node.name]:
        shared = not any(own and step for own, step in zip(layer.own, block.displacement, strict=True))
        kernels[block] = below.kernels[block] + shared * layer.variance * outer(inside, block)
    return replace(below, kernels=kernels, sources=sources, draws=None)


def backward(node: Node, walk: Walk, gradient: Gradient) -> list[Gradient]:
    """Return the gradient of h."""
    total = gradient.total(walk.signals[node.name])
    below = walk.input_of(node.name)
    return [Gradient.of_total(total, below, gradient.aligned, gradient.mean, gradient.sources)]


def _layer(node: Node) -> Bias:
    assert isinstance(node.layer, Bias)  # noqa: S101
    return node.layer
