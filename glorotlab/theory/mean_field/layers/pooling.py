"""Pooling: averages and maxima over windows, and all positions' units as one vector.

An average's kernel is that of the pairs of positions in both windows, so that it needs them at displacements within a
window; a gradient goes to all of them alike, and what of it is in proportion to the average is so to each position's
own value as far as that tells of the others. A vector of all positions has the mean over positions of the kernel of
pairs at one position, and its gradients at different positions are independent. A maximum has no closed form:
``gaussian.window_maximum`` draws the windows, and with them which element the gradient goes to.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import NamedTuple, TypeAlias

import numpy as np

from glorotlab import activations
from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.graph import Input, Node
from glorotlab.spec.layers.pooling import AveragePooling, Flatten, MaxPooling, Window
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.gaussian.window_maximum import Maxima, maxima
from glorotlab.theory.mean_field.layers.base import (
    Block,
    Gradient,
    Kernels,
    Places,
    Signal,
    Walk,
    at,
    outer,
    places,
    shifted,
    vector_kernels,
)

Offset: TypeAlias = tuple[int, ...]

DRAWS, PAIR_DRAWS = 1024, 256
"""Number of draws of one window, and of two windows of different examples or positions."""

ERROR = 0.005
"""Relative sampling error of second moments pooled over 200 positions; .0043 is the largest seen, for derivatives."""


SOME = np.linspace(-8, 8, 65)
"""Where a function is asked whether it is negative; where it is not and f(0) = 0, a border of zeros wins no maximum."""


def needs(node: Node, blocks: frozenset[Block]) -> frozenset[Block]:
    """Return the blocks that the input must have: displacements within windows and between them."""
    layer = node.layer
    if isinstance(layer, Flatten):
        return frozenset(Block(block.pairs, ()) for block in blocks)
    assert isinstance(layer, Window)  # noqa: S101
    own = {Block(False, (0,) * len(layer.stride))} if isinstance(layer, MaxPooling) else set[Block]()
    return frozenset(below for block in own | blocks for _, _, below in _pairs(layer, block))


def forward(node: Node, walk: Walk) -> Signal:
    """Return the signal of the pooled units."""
    if isinstance(node.layer, Flatten):
        return _flattened(node, walk)
    if isinstance(node.layer, MaxPooling):
        return _largest(node, walk)
    below, layer = walk.input_of(node.name), node.layer
    assert isinstance(layer, AveragePooling)  # noqa: S101
    size, kernels = prod(layer.kernel_size), {}
    for block in walk.blocks[node.name]:
        total = np.zeros((*below.mean.shape[:1] * (2 if block.pairs else 1), *node.positions))
        for i, _, other in _pairs(layer, block):
            total += _taken(layer, at(below.kernels, other), i, node.positions)
        kernels[block] = total / size**2 * outer(np.ones((len(below.mean), *node.positions)), block)
    mean = sum((_taken(layer, below.mean, i, node.positions) for i in _numbered(layer)), start=np.zeros(1)) / size
    return Signal(node.units, kernels, mean, below.gaussian, below.sources, error=below.error)


def backward(node: Node, walk: Walk, gradient: Gradient) -> list[Gradient]:
    """Return the gradient of the input."""
    if isinstance(node.layer, Flatten):
        return [_spread(node, walk, gradient)]
    if isinstance(node.layer, MaxPooling):
        return [_to_largest(node, walk, gradient)]
    below, layer = walk.input_of(node.name), node.layer
    assert isinstance(layer, AveragePooling)  # noqa: S101
    size, total = prod(layer.kernel_size), gradient.total(walk.signals[node.name])
    found = Kernels()
    for block, d in _both_ways(total):
        for i, _, other in _pairs(layer, block):
            if other.canonical == other:
                _add(layer, found, other, i, d / size**2, below.positions)
    aligned, mean = np.zeros_like(below.mean), np.zeros_like(below.mean)
    for i in _numbered(layer):
        mean += _put(layer, gradient.mean, i, below.positions) / size
    if gradient.aligned.any():
        for i, _, other in _pairs(layer, Block(False, (0,) * len(node.positions))):
            own = _taken(layer, below.q, i, node.positions)
            share = _taken(layer, at(below.kernels, other), i, node.positions)
            share = np.divide(share, own, out=np.zeros_like(own), where=own > 0)
            aligned += _put(layer, gradient.aligned * share, i, below.positions) / size**2
    return [Gradient.of_total(found, below, aligned, mean, gradient.sources)]


def _pairs(layer: Window, block: Block) -> Iterator[tuple[Offset, Offset, Block]]:
    """Yield the offsets of elements of both windows, and the block of their positions."""
    for i, j in itertools.product(_numbered(layer), repeat=2):
        steps = zip(layer.stride, block.displacement, i, j, strict=True)
        yield i, j, Block(block.pairs, tuple(s * d + to - start for s, d, start, to in steps))


def _both_ways(kernels: Kernels) -> Iterator[tuple[Block, Array]]:
    for block, kernel in kernels.items():
        yield block, kernel
        if not block.still:
            yield block.turned, at(kernels, block.turned)


def _where(layer: Window, i: Offset, positions: tuple[int, ...]) -> Places:
    """Return the slices of the padded input with element i of every window."""
    along = zip(i, layer.stride, positions, strict=True)
    return places(slice(start, start + stride * (size - 1) + 1, stride) for start, stride, size in along)


def _taken(layer: Window, values: Array, i: Offset, positions: tuple[int, ...]) -> Array:
    """Return values (..., *positions below) of element i of every window, 0 beyond the border."""
    leading = values.ndim - len(positions)
    return np.asarray(np.pad(values, [(0, 0)] * leading + _padding(layer))[_where(layer, i, positions)])


def _padding(layer: Window) -> list[tuple[int, int]]:
    """Windows of a rounded-up size may reach further than the padding says: what is there is cut off."""
    return [(before, max(after, 0)) for before, after in layer.padding]


def _put(layer: Window, values: Array, i: Offset, positions: tuple[int, ...]) -> Array:
    """Return values (..., *positions of windows) at element i of every window, (..., *positions below)."""
    leading = values.ndim - len(positions)
    sizes = [size + before + after for size, (before, after) in zip(positions, _padding(layer), strict=True)]
    padded = np.zeros((*values.shape[:leading], *sizes))
    padded[_where(layer, i, values.shape[leading:])] = values
    inner = (slice(before, before + size) for (before, _), size in zip(layer.padding, positions, strict=True))
    return np.asarray(padded[places(inner)])


def _add(layer: Window, found: Kernels, block: Block, i: Offset, values: Array, positions: tuple[int, ...]) -> None:
    own = _put(layer, values, i, positions)
    found[block] = found[block] + own if block in found else own


def _flattened(node: Node, walk: Walk) -> Signal:
    below, source = walk.input_of(node.name), walk.graph[node.inputs[0]]
    mean = below.mean.reshape(len(below.mean), -1).mean(axis=1)
    axes = tuple(range(1, below.mean.ndim))
    gaussian = below.gaussian and prod(below.positions) == 1
    if below.across not in below.kernels:
        kernels = {Block(False, ()): below.q.mean(axis=axes)}
        return Signal(node.units, kernels, mean, gaussian, below.sources, error=below.error)
    if isinstance(source.layer, Input):
        x = walk.inputs[source.name]
        covariance = Covariance.of_inputs(x.reshape(len(x), -1).astype(np.float64))
    else:
        covariance = Covariance.of(below.kernels[below.across].mean(axis=tuple(axis + 1 for axis in axes)))
    return Signal(node.units, vector_kernels(covariance), mean, gaussian, below.sources, covariance.gap, below.error)


def _spread(node: Node, walk: Walk, gradient: Gradient) -> Gradient:
    below, own = walk.input_of(node.name), np.ones(walk.input_of(node.name).positions)
    total = {
        Block(block.pairs, below.here.displacement): d[(..., *(np.newaxis,) * own.ndim)] * own
        for block, d in gradient.apart.items()
    }
    aligned, mean = (part[(..., *(np.newaxis,) * own.ndim)] * own for part in (gradient.aligned, gradient.mean))
    return Gradient(total, aligned, mean, gradient.sources)


class Windows(NamedTuple):
    """State of max pooling's forward pass for its backward pass.

    Parameters
    ----------
    moments : dict of Block to Maxima
    before : bool
        Whether there is an activation before the maximum.
    """

    moments: dict[Block, Maxima]
    before: bool


def _largest(node: Node, walk: Walk) -> Signal:
    below, source, layer = walk.input_of(node.name), walk.graph[node.inputs[0]], node.layer
    assert isinstance(layer, MaxPooling)  # noqa: S101
    if below.gaussian:
        s, record = below, activations.get("linear")
    elif isinstance(source.layer, Elementwise) and walk.input_of(source.name).gaussian:
        s, record = walk.input_of(source.name), source.layer.record
    else:
        raise AssumptionError("max pooling of values that are neither Gaussian nor an activation of Gaussian values")
    moments = window_moments(node, walk, s, record, before=True)
    walk.memory[node.name] = Windows(moments, before=not below.gaussian)
    return signal_of(node, below, moments)


def signal_of(node: Node, below: Signal, moments: dict[Block, Maxima]) -> Signal:
    """Return the signal of drawn maxima."""
    kernels, shape = {}, below.mean.shape[:1]
    for block, own in moments.items():
        kernels[block] = own.product.reshape(*shape * (2 if block.pairs else 1), *node.positions)
        if not block.still:
            kernels[block] *= outer(np.ones((*shape, *node.positions)), block)
    here = Block(False, (0,) * len(node.positions))
    mean = moments[here].mean.reshape(*shape, *node.positions)
    across = Block(True, here.displacement)
    if across in kernels:  # of one example with itself the single window's moment has more draws
        places = np.arange(shape[0])
        kernels[across][places, places] = kernels[here]
    return Signal(node.units, kernels, mean, False, below.sources, error=max(below.error, ERROR))


def window_moments(node: Node, walk: Walk, s: Signal, record: Activation, *, before: bool) -> dict[Block, Maxima]:
    """Return the moments of a max pooling's windows over all blocks that it must carry."""
    layer = node.layer
    assert isinstance(layer, MaxPooling)  # noqa: S101
    if np.any(layer.padding) and not (record.function(np.zeros(1)) == 0 <= record.function(SOME).min()):
        raise AssumptionError(
            "max pooling with padding of what is not an activation of least value f(0) = 0, such as ReLU: windows have "
            "fewer elements at the border"
        )
    single = _within(layer, s, node.positions)  # (examples, *positions, size, size)
    found = {}
    for block in walk.blocks[node.name]:
        alone = not block.pairs and block.still
        covariance = single if alone else _between(layer, s, block, single, node.positions)
        found[block] = maxima(
            covariance.reshape(-1, *covariance.shape[-2:]),
            single.shape[-1],
            record.function,
            record.derivative,
            draws=DRAWS if alone else PAIR_DRAWS,
            before=before,
        )
    return found


def _numbered(layer: Window) -> dict[Offset, int]:
    return {offset: place for place, offset in enumerate(itertools.product(*map(range, layer.kernel_size)))}


def _within(layer: Window, s: Signal, positions: tuple[int, ...]) -> Array:
    index = _numbered(layer)
    result = np.empty((*s.mean.shape[:1], *positions, len(index), len(index)))
    for i, j, below in _pairs(layer, s.here):
        result[..., index[i], index[j]] = _taken(layer, at(s.kernels, below), i, positions)
    return result


def _between(layer: Window, s: Signal, block: Block, single: Array, positions: tuple[int, ...]) -> Array:
    size = single.shape[-1]
    shape = single.shape[:1] * (2 if block.pairs else 1)
    result = np.empty((*shape, *positions, 2 * size, 2 * size))
    index = _numbered(layer)
    for i, j, below in _pairs(layer, block):
        own = _taken(layer, at(s.kernels, below), i, positions)
        result[..., index[i], size + index[j]] = result[..., size + index[j], index[i]] = own
    back = np.moveaxis(single, (-2, -1), (1, 2))  # positions last, to be shifted
    other = np.moveaxis(shifted(back, block.displacement), (1, 2), (-2, -1))
    result[..., :size, :size] = single[:, np.newaxis] if block.pairs else single
    result[..., size:, size:] = other[np.newaxis] if block.pairs else other
    return result


def _to_largest(node: Node, walk: Walk, gradient: Gradient) -> Gradient:
    below, layer, windows = walk.input_of(node.name), node.layer, walk.memory[node.name]
    assert isinstance(layer, MaxPooling)  # noqa: S101
    total = gradient.total(walk.signals[node.name])
    z, s = Kernels(), Kernels()
    index = _numbered(layer)
    for block, d in total.items():
        moments: Maxima = windows.moments[block]
        for i, j, other in _pairs(layer, block):
            if not block.pairs and block.still and i != j:
                continue
            if other.canonical != other and block.still:
                continue  # the pair the other way round adds the same
            for found, chosen in ((z, moments.chosen), (s, moments.chosen_slopes)):
                values = d * chosen[:, index[i], index[j]].reshape(d.shape)
                if other.canonical == other:
                    _add(layer, found, other, i, values, below.positions)
                else:
                    turned = shifted(values, block.turned.displacement)
                    turned = np.swapaxes(turned, 0, 1) if block.pairs else turned
                    _add(layer, found, other.turned, j, turned, below.positions)
    here = windows.moments[below.here]
    aligned_z, aligned_s = np.zeros_like(below.mean), np.zeros_like(below.mean)
    for i, place in index.items():
        for own, chosen in ((aligned_z, here.chosen), (aligned_s, here.chosen_slopes)):
            share = chosen[:, place, place].reshape(gradient.aligned.shape)
            own += _put(layer, gradient.aligned * share, i, below.positions)
    unknown = np.full_like(below.mean, np.nan)
    result = Gradient.of_total(z, below, aligned_z, unknown, gradient.sources)
    if not windows.before:
        return result
    passed = Gradient.of_total(s, walk.input_of(node.inputs[0]), aligned_s, unknown, gradient.sources)
    return replace(result, passed=passed)
