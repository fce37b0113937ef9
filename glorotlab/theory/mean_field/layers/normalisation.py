"""Normalisation over units: Y_ab = gain^2 (H_ab - m_a m_b) / sqrt(v_a v_b) + bias^2, and the way back.

LayerNorm has m_a, the mean of h_a over units, and v_a = H_aa - m_a^2 + epsilon (Ba et al. 2016); RMSNorm (Zhang &
Sennrich 2019) has no m. The result's own second moment is exact, as one network's own variance divides. Back,

    dC/dh = gain / sqrt(v) (g - mean g - y mean(g y)),

which takes away what is in proportion to y, so that nothing of the gradient is aligned below. Of n Gaussian units with
correlation rho between two examples, tr of both projections is n - 3 + rho^2 (RMSNorm: n - 2 + rho^2), and
E 1 / sqrt(v_a v_b) is 1 + (5 + rho^2) / 2n (RMSNorm: 1 + (3 + rho^2) / 2n) times its value at the mean: in both cases
D_h = gain^2 D_y / sqrt(v_a v_b) (1 + (3 rho^2 - 1) / 2n).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.graph import Node
from glorotlab.spec.layers.normalisation import BatchNorm, LayerNorm, Normalisation
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.mean_field.layers.base import Block, Gradient, Kernels, Signal, Walk, at, ends, outer


class Scale(NamedTuple):
    """What a normalisation leaves for its way back.

    Parameters
    ----------
    scale : (examples, *positions)
        1 / sqrt(v).
    """

    scale: Array


def needs(node: Node, blocks: frozenset[Block]) -> frozenset[Block]:
    """Return what the input must carry: the same."""
    return blocks


def forward(node: Node, walk: Walk) -> Signal:
    """Return the signal of what is normalised."""
    below, layer = walk.input_of(node.name), node.layer
    assert isinstance(layer, Normalisation)  # noqa: S101
    if isinstance(layer, BatchNorm):
        raise AssumptionError(
            "batch normalisation: one unit's values over the batch are divided by their own size, which does not "
            "settle as layers get wide"
        )
    m = below.mean if isinstance(layer, LayerNorm) else np.zeros_like(below.mean)
    variance = np.maximum(below.q - m**2, 0) + layer.epsilon
    scale = 1 / np.sqrt(variance)
    walk.memory[node.name] = Scale(scale)
    gain, bias = layer.gain_second_moment, layer.bias_second_moment
    kernels = {
        block: gain * (below.kernels[block] - outer(m, block)) * outer(scale, block) + bias * _inside(below, block)
        for block in walk.blocks[node.name]
    }
    mean = layer.gain_mean * (below.mean - m) * scale + layer.bias_mean
    gap = None if below.gap is None else _gap(below, scale, m, gain, bias, kernels)
    # units with gains and biases of their own are Gaussian each, but not with one variance; at the start they are alike
    gaussian = below.gaussian and not bias and layer.gain_mean**2 == gain
    return Signal(node.units, kernels, mean, gaussian, below.sources, gap, below.error)


def _inside(below: Signal, block: Block) -> Array:
    return outer(np.ones_like(below.mean), block)


def _gap(below: Signal, scale: Array, m: Array, gain: float, bias: float, kernels: Kernels) -> Array:
    """Return E (y_a -+ y_b)^2, from the gap of h where both are alike: differences lose the digits."""
    if m.any() or bias or np.ptp(scale) > 0.5 * scale.max():
        return Covariance.of(kernels[below.across]).gap
    unlike = below.covariance.unlike
    q = kernels[below.here]
    root = np.sqrt(q)
    radial = np.subtract.outer(root, root) ** 2
    gap = 2 * np.outer(root, root) * unlike + radial
    gap[below.covariance.same] = 0
    return np.asarray(gap)


def backward(node: Node, walk: Walk, gradient: Gradient) -> list[Gradient]:
    """Return the gradient of h."""
    below, layer = walk.input_of(node.name), node.layer
    assert isinstance(layer, Normalisation)  # noqa: S101
    y, scale = walk.signals[node.name], walk.memory[node.name].scale
    apart = {}
    for block, d in gradient.apart.items():
        first, second = ends(y.q, block)
        size = np.sqrt(first * second)
        rho2 = np.divide(at(y.kernels, block), size, out=np.zeros_like(d), where=size > 0) ** 2
        finite = 1 + (1.5 * rho2 - 0.5) / below.units
        apart[block] = layer.gain_second_moment * d * outer(scale, block) * finite
    nothing = np.zeros_like(below.mean)
    return [Gradient(apart, nothing, nothing, gradient.sources)]
