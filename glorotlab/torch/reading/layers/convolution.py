"""Convolutions over one or two axes."""

from __future__ import annotations

import math
from typing import Any

from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.convolution import Convolution
from glorotlab.spec.layers.graph import Unknown
from glorotlab.torch.reading.call import Call, Reader, per_axis, second_moment


def convolution(axes: int) -> Reader:
    """Return the reader of a convolution over ``axes`` axes, with weights (out, in / groups, *kernel)."""

    def read(call: Call) -> Layer:
        weight, mode = call.tensor("weight", 1), getattr(call.module, "padding_mode", "zeros")
        if weight is None:
            return Unknown("a convolution by values of the network is not covered by the theory")
        if mode != "zeros":
            return Unknown(f"a convolution that pads by {mode!r} is not covered by the theory")
        if len(call.input_shape) != axes + 2:
            return Unknown("a convolution of a single example is not covered by the theory")
        kernel, groups = tuple(int(size) for size in weight.shape[2:]), int(call.option("groups", 6, 1))
        dilation = per_axis(call.option("dilation", 5, 1), axes)
        return Convolution(
            fan_in=int(weight.shape[1]) * math.prod(kernel),
            fan_out=int(weight.shape[0]) // groups * math.prod(kernel),
            weight_variance=second_moment(weight),
            bias_variance=second_moment(call.tensor("bias", 2)),
            kernel_size=kernel,
            stride=per_axis(call.option("stride", 3, 1), axes),
            dilation=dilation,
            padding=_padding(call.option("padding", 4, 0), kernel, dilation),
            groups=groups,
        )

    return read


def _padding(padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return the zeros before and after each axis; of ``same``, the odd one comes after."""
    if padding == "same":
        totals = [step * (size - 1) for size, step in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    sizes = per_axis(0 if padding == "valid" else padding, len(kernel))
    return tuple((size, size) for size in sizes)


MODULES = {"Conv1d": convolution(1), "Conv2d": convolution(2)}
FUNCTIONS = {"conv1d": convolution(1), "conv2d": convolution(2)}
