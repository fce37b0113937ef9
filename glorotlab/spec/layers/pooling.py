"""Pooling over positions, and flattening positions into units."""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab.spec.layers.base import Layer


@dataclass(frozen=True)
class Window(Layer):
    """A window of positions that slides over the input; tuples have one number for each axis.

    Parameters
    ----------
    kernel_size, stride : tuple of int
    padding : tuple of (int, int)
        Positions before the first and after the last one: zeros that count in averages, and -inf of maxima.
    """

    kind = "pooling"
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class AveragePooling(Window):
    """The mean over a window; a window of all positions is global average pooling."""


@dataclass(frozen=True)
class MaxPooling(Window):
    """The largest element of a window."""


@dataclass(frozen=True)
class Flatten(Layer):
    """All positions' units as units of one vector."""

    kind = "pooling"
