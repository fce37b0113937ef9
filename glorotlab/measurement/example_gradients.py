"""Weight gradients of single examples, for every kind of layer that has weights: dC_a/dW = sum over positions of z d.

What a layer multiplies its weights with at one position is a row of ``patches``: the units there of a dense layer, the
window of a convolution, the token of an embedding as a one-hot row.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.convolution import Convolution
from glorotlab.spec.layers.embedding import Embedding
from glorotlab.spec.layers.graph import Node


def weight_gradients(node: Node, below: npt.NDArray[np.generic], gradient: Array) -> Iterator[Array]:
    """Yield dC_a/dW of one example after the other.

    Parameters
    ----------
    node : Node
        With a ``WeightedLayer``.
    below : ndarray, shape (examples, ...)
        What enters the layer; of an embedding the tokens, which are whole numbers.
    gradient : ndarray of float64, shape (examples, ...)
        dC_a/ds of each example's own cost, shaped as the node's result.

    Yields
    ------
    ndarray of float64, shape (groups, fan_in, outputs of a group)
    """
    layer = node.layer
    assert isinstance(layer, WeightedLayer)  # noqa: S101
    groups = layer.groups if isinstance(layer, Convolution) else 1
    for own_below, own_gradient in zip(below, gradient, strict=True):
        d = by_position(node, own_gradient)
        d = d.reshape(len(d), groups, -1).transpose(1, 0, 2)
        yield patches(layer, own_below).transpose(0, 2, 1) @ d


def by_position(node: Node, values: Array) -> Array:
    """Return one example's values as (positions, units)."""
    if node.positions and not node.channels_last:
        return values.reshape(node.units, -1).T
    return values.reshape(-1, node.units)


def patches(layer: WeightedLayer, below: npt.NDArray[np.generic]) -> Array:
    """Return the inputs of the weights for one example, (groups, positions, fan_in), in float64."""
    if isinstance(layer, Embedding):
        one_hot = np.zeros((1, below.size, layer.fan_in))
        one_hot[0, np.arange(below.size), below.ravel().astype(np.int64)] = 1
        if layer.padding_token is not None:
            one_hot[:, :, layer.padding_token] = 0
        return one_hot
    if isinstance(layer, Convolution):
        return _windows(layer, below.astype(np.float64))
    return below.reshape(1, -1, layer.fan_in).astype(np.float64)


def _windows(layer: Convolution, below: Array) -> Array:
    """Return the windows of one example, (channels, *positions) before."""
    padded = np.pad(below, [(0, 0), *layer.padding])
    reach = [(size - 1) * step + 1 for size, step in zip(layer.kernel_size, layer.dilation, strict=True)]
    axes = tuple(range(1, below.ndim))
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=axes)
    strided = tuple(slice(None, None, step) for step in layer.stride)
    windows = windows[(slice(None), *strided, *(slice(None, None, step) for step in layer.dilation))]
    count = int(np.prod(windows.shape[1 : below.ndim]))
    channels = windows.reshape(layer.groups, -1, count, int(np.prod(layer.kernel_size)))
    return channels.transpose(0, 2, 1, 3).reshape(layer.groups, count, layer.fan_in)
