"""Convolutions: Q(p) = c_in v sum_k M(stride p + k), with M = 0 beyond the borders, and back D(r) = c_out v sum D(p).

The weights of different offsets k are independent, so that pairs of positions displaced by delta come from pairs below
displaced by stride times delta, and send their gradients there (Xiao et al. 2018; Novak et al. 2019). The second moment
of dC/dw_k is the sum over pairs of positions of D(p, p') M(stride p + k, stride p' + k).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import prod

import numpy as np

from glorotlab.arrays import Array
from glorotlab.spec.layers.convolution import Convolution
from glorotlab.spec.layers.graph import Node
from glorotlab.theory.mean_field.layers.base import Block, Gradient, Places, Signal, Walk, at, outer, places


def needs(node: Node, blocks: frozenset[Block]) -> frozenset[Block]:
    """Return the blocks that the input must have: displacements times the stride."""
    return frozenset(_below(_layer(node), block) for block in blocks)


def forward(node: Node, walk: Walk) -> Signal:
    """Return the signal of s."""
    below, layer = walk.input_of(node.name), _layer(node)
    gain, kernels = channel_gain(layer), {}
    inside = np.ones((len(below.mean), *node.positions))
    for block in walk.blocks[node.name]:
        kernel = at(below.kernels, _below(layer, block))
        kernels[block] = (gain * gathered(layer, kernel, node.positions) + layer.bias_variance) * outer(inside, block)
    many = layer.groups == 1  # else a unit sums over few channels, whose own kernels it has
    sources = frozenset({node.name}) | (frozenset() if many else below.sources)
    return Signal(node.units, kernels, np.zeros_like(inside), many, sources, error=below.error)


def backward(node: Node, walk: Walk, gradient: Gradient) -> list[Gradient]:
    """Return the gradient of z."""
    below, layer = walk.input_of(node.name), _layer(node)
    gain = layer.fan_out / prod(layer.kernel_size) * layer.weight_variance
    apart = {
        _below(layer, block): gain * scattered(layer, d, below.positions)
        for block, d in gradient.total(walk.signals[node.name]).items()
    }
    aligned = gain * scattered(layer, gradient.aligned, below.positions)
    return [Gradient(apart, aligned, aligned * below.mean, frozenset({node.name}))]


def channel_gain(layer: Convolution) -> float:
    """Return c_in v, what one offset adds."""
    return layer.fan_in / prod(layer.kernel_size) * layer.weight_variance


def weight_products(node: Node, walk: Walk, block: Block, d: Array) -> Array:
    """Return the mean over offsets of D(p) M(stride p + k), whose sum is the second moment of dC/dw."""
    below, layer = walk.input_of(node.name), _layer(node)
    kernel = at(below.kernels, _below(layer, block))
    return np.asarray(d * gathered(layer, kernel, node.positions) / prod(layer.kernel_size))


def gathered(layer: Convolution, values: Array, positions: tuple[int, ...]) -> Array:
    """Return the sums over offsets k of values (..., *positions below) at stride p + k, (..., *positions)."""
    leading = values.ndim - len(positions)
    padded = np.pad(values, [(0, 0)] * leading + list(layer.padding))
    total = np.zeros((*values.shape[:leading], *positions))
    for where in _places(layer, positions):
        total += padded[where]
    return total


def scattered(layer: Convolution, values: Array, positions: tuple[int, ...]) -> Array:
    """Return the sums over offsets of values (..., *positions above) at the positions that they came from."""
    leading = values.ndim - len(positions)
    sizes = [size + before + after for size, (before, after) in zip(positions, layer.padding, strict=True)]
    padded = np.zeros((*values.shape[:leading], *sizes))
    for where in _places(layer, values.shape[leading:]):
        padded[where] += values
    inner = (slice(before, before + size) for (before, _), size in zip(layer.padding, positions, strict=True))
    return np.asarray(padded[places(inner)])


def _places(layer: Convolution, positions: tuple[int, ...]) -> Iterator[Places]:
    """Yield the slices of the padded input that meet each offset."""
    for offset in itertools.product(*map(range, layer.kernel_size)):
        yield places(
            slice(dilation * k, dilation * k + stride * (size - 1) + 1, stride)
            for k, dilation, stride, size in zip(offset, layer.dilation, layer.stride, positions, strict=True)
        )


def _below(layer: Convolution, block: Block) -> Block:
    return Block(block.pairs, tuple(s * d for s, d in zip(layer.stride, block.displacement, strict=True)))


def _layer(node: Node) -> Convolution:
    assert isinstance(node.layer, Convolution)  # noqa: S101
    return node.layer
