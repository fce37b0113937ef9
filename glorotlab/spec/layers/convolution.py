"""Convolutions over one or two axes, beyond whose borders there are zeros."""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab.spec.layers.base import WeightedLayer


@dataclass(frozen=True)
class Convolution(WeightedLayer):
    """s(p) = sum over kernel offsets k and input channels of z(stride p + dilation k - padding) W_k, plus b.

    Tuples have one number for each axis. ``fan_in`` is input channels / groups times the size of the kernel, and
    ``fan_out`` output channels / groups times it.

    Parameters
    ----------
    kernel_size, stride, dilation : tuple of int
    padding : tuple of (int, int)
        Zeros before the first and after the last position.
    groups : int
    """

    kind = "convolution"
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    groups: int = 1
