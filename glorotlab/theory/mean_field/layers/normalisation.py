"""Normalization over units, or over the batch: kernels and the way back.

Over units Y_ab = gain^2 (H_ab - m_a m_b) / sqrt(v_a v_b) + bias^2. LayerNorm has m_a, the mean of h_a over units, and
v_a = H_aa - m_a^2 + epsilon (Ba et al. 2016); RMSNorm (Zhang & Sennrich 2019) has no m. The result's own second moment
is exact, as one network's own variance divides. Back,

    dC/dh = gain / sqrt(v) (g - mean g - y mean(g y)),

which takes away what is in proportion to y, so that nothing of the gradient is aligned below. Of n Gaussian units with
correlation rho between two examples, tr of both projections is n - 3 + rho^2 (RMSNorm: n - 2 + rho^2), and
E 1 / sqrt(v_a v_b) is 1 + (5 + rho^2) / 2n (RMSNorm: 1 + (3 + rho^2) / 2n) times its value at the mean: in both cases
D_h = gain^2 D_y / sqrt(v_a v_b) (1 + (3 rho^2 - 1) / 2n).

Over the batch (BatchNorm in training mode) one unit's values s ~ N(0, Q) are divided by their own deviation, which
does not settle as layers get wide: y = (s - mean) / sqrt(variance + epsilon) and, going back, the formula above over
examples, are averages over drawn units (Yang et al. 2019). What is behind an activation is drawn with it, g = f'(y) h.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.graph import Node
from glorotlab.spec.layers.normalisation import BatchNorm, LayerNorm, Normalisation
from glorotlab.streams import Purpose, generator
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.gaussian.sampling import covariance_root
from glorotlab.theory.mean_field.layers import batch_of_maps
from glorotlab.theory.mean_field.layers.base import (
    Block,
    Gradient,
    Kernels,
    Signal,
    Walk,
    at,
    ends,
    outer,
    vector_kernels,
)

LEAST, MOST, NUMBERS = 2**12, 2**16, 2**22
"""Least and largest number of units drawn for batch normalization, and the number of values they have together."""


MIN_EXAMPLES = 4
"""Least number of examples of batch normalization; with two every unit is 1 and -1 and its gradient is 0."""


class Scale(NamedTuple):
    """State of a normalization's forward pass for its backward pass.

    Parameters
    ----------
    scale : (examples, *positions)
        1 / sqrt(v).
    """

    scale: Array


class Deviations(NamedTuple):
    """State of a batch normalization's forward pass for its backward pass.

    Parameters
    ----------
    y : (examples, draws)
        Drawn units without gain and bias.
    scale : (draws,)
        1 / sqrt(variance + epsilon).
    """

    y: Array
    scale: Array


def needs(node: Node, blocks: frozenset[Block]) -> frozenset[Block]:
    """Return the blocks that the input must have: the same, but no pairs of maps that are normalized over the batch."""
    return frozenset() if isinstance(node.layer, BatchNorm) and node.positions else blocks


def forward(node: Node, walk: Walk) -> Signal:
    """Return the signal after normalization."""
    below, layer = walk.input_of(node.name), node.layer
    assert isinstance(layer, Normalisation)  # noqa: S101
    if isinstance(layer, BatchNorm):
        return _over_batch(node, walk, below, layer)
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
    if isinstance(layer, BatchNorm) and node.positions:
        raise AssumptionError(batch_of_maps.BACK)
    if isinstance(layer, BatchNorm):
        return [_back_over_batch(node, walk, gradient, layer)]
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


def _over_batch(node: Node, walk: Walk, s: Signal, layer: BatchNorm) -> Signal:
    if s.positions:
        return batch_of_maps.forward(node, walk, s, layer)
    if not s.gaussian or s.gap is None:
        raise AssumptionError("batch normalization of values that are not Gaussian of mean 0 over the batch")
    if len(s.q) < MIN_EXAMPLES:
        raise AssumptionError(f"batch normalization of {len(s.q)} examples: allowed are {MIN_EXAMPLES} or more")
    units = covariance_root(s.kernels[s.across]) @ _normal(node, walk, len(s.q), 0)
    units -= units.mean(axis=0)
    scale = 1 / np.sqrt((units**2).mean(axis=0) + layer.epsilon)
    y = units * scale
    walk.memory[node.name] = Deviations(y, scale)
    kernel = layer.gain_second_moment * (y @ y.T) / y.shape[1] + layer.bias_second_moment
    covariance, mean = Covariance.of(kernel), np.full(len(s.q), layer.bias_mean)
    draws = y if layer.gain_second_moment == 1 and not layer.bias_second_moment else None
    error = max(s.error, _standard_error(y[0] ** 2))
    kernels = vector_kernels(covariance)
    return Signal(node.units, kernels, mean, False, s.sources, covariance.gap, error, draws)


def _normal(node: Node, walk: Walk, examples: int, way: int) -> Array:
    """Return standard normal numbers (examples, draws), followed by their negatives."""
    place = next(index for index, own in enumerate(walk.graph) if own.name == node.name)
    draws = min(max(NUMBERS // examples, LEAST), MOST)
    half = generator(0, Purpose.BATCH_NORMALISATION, 2 * place + way).normal(size=(examples, draws // 2))
    return np.concatenate([half, -half], axis=1)


def _standard_error(values: Array) -> float:
    mean = values.mean()
    return float(values.std() / mean / np.sqrt(len(values))) if mean > 0 else 0.0


def _back_over_batch(node: Node, walk: Walk, gradient: Gradient, layer: BatchNorm) -> Gradient:
    below, (y, scale) = walk.input_of(node.name), walk.memory[node.name]
    total = gradient.total(walk.signals[node.name])[Block(True, ())]
    if (g := gradient.draws) is None:
        aligned = gradient.aligned[:, np.newaxis] * y
        g = covariance_root(gradient.apart[Block(True, ())]) @ drawn_noise(node, walk, len(y)) + aligned
    drawn = float((g**2).mean())
    back = (g - g.mean(axis=0) - y * (g * y).mean(axis=0)) * scale
    # the mean square of what was drawn is known
    size = layer.gain_second_moment * float(np.diagonal(total).mean()) / drawn if drawn > 0 else 0.0
    kernel = back @ back.T * (size / y.shape[1])
    nothing = np.zeros(len(y))
    error = max(gradient.error, _standard_error((back**2).mean(axis=0)))
    kernels = {block: kernel if block.pairs else np.diagonal(kernel) for block in below.kernels}
    return Gradient(kernels, nothing, nothing, gradient.sources, error=error)


def drawn_noise(node: Node, walk: Walk, examples: int) -> Array:
    """Return standard normal numbers (examples, draws) for gradients of the units of a node, independent of its own.

    Half of the units have mirror images, whose gradients must not be so too.
    """
    normal = _normal(node, walk, examples, 1)
    return np.concatenate([normal[:, ::2], normal[:, 1::2]], axis=1)
