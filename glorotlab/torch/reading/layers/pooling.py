"""Average and max pooling, means and maxima over all positions, and flattening."""

from __future__ import annotations

from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.graph import Unknown
from glorotlab.spec.layers.pooling import AveragePooling, Flatten, MaxPooling, Window
from glorotlab.torch.reading.call import Call, Reader, per_axis


def same(call: Call) -> None:
    """Read a call that leaves its input unchanged."""


def reshape(call: Call) -> Layer | None:
    """Read a view that changes nothing or turns positions into units."""
    before, after = call.input_shape, call.shape
    if before == after:
        return None
    if len(after) == 2 and after[0] == before[0]:
        return Flatten()
    return Unknown("a change of shape other than flattening is not covered by the theory")


def average(axes: int) -> Reader:
    """Return the reader of average pooling over so many axes."""

    def read(call: Call) -> Layer:
        if call.option("divisor_override", 6, None) is not None:
            return Unknown("average pooling with another divisor than the window's size is not covered by the theory")
        counts = call.option("count_include_pad", 5, True)
        if not counts and any(per_axis(call.option("padding", 3, 0), axes)):
            return Unknown("average pooling that leaves padding out of its counts is not covered by the theory")
        return _window(AveragePooling, call, axes)

    return read


def largest(axes: int) -> Reader:
    """Return the reader of max pooling over so many axes."""

    def read(call: Call) -> Layer:
        if any(step != 1 for step in per_axis(call.option("dilation", 4, 1), axes)):
            return Unknown("max pooling with dilation is not covered by the theory")
        return _window(MaxPooling, call, axes)

    return read


def _window(kind: type[Window], call: Call, axes: int) -> Layer:
    if len(call.input_shape) != axes + 2:
        return Unknown("pooling of a single example is not covered by the theory")
    kernel = per_axis(call.option("kernel_size", 1, 1), axes)
    stride = call.option("stride", 2, None)
    stride = kernel if stride is None or stride == [] else per_axis(stride, axes)
    padding = per_axis(call.option("padding", 3, 0), axes)
    sizes = zip(call.input_shape[2:], kernel, stride, padding, strict=True)
    if call.shape[2:] != tuple((size + 2 * zeros - width) // step + 1 for size, width, step, zeros in sizes):
        return Unknown("pooling with windows over the border (ceil_mode) is not covered by the theory")
    return kind(kernel, stride, tuple((zeros, zeros) for zeros in padding))


def adaptive(kind: type[Window], axes: int) -> Reader:
    """Return the reader of adaptive pooling to a divisor of each axis."""

    def read(call: Call) -> Layer:
        if len(call.input_shape) != axes + 2:
            return Unknown("pooling of a single example is not covered by the theory")
        before, after = call.input_shape[2:], call.shape[2:]
        if any(size % parts for size, parts in zip(before, after, strict=True)):
            return Unknown(
                "adaptive pooling to a number that does not divide the positions is not covered by the theory"
            )
        kernel = tuple(size // parts for size, parts in zip(before, after, strict=True))
        return kind(kernel, kernel, ((0, 0),) * axes)

    return read


def over_positions(kind: type[Window]) -> Reader:
    """Return the reader of means or maxima along axes; those over all positions are pooling."""

    def read(call: Call) -> Layer:
        shape, given = call.input_shape, call.argument(1, "dim", None)
        axes = per_axis(given, 1) if isinstance(given, (int, tuple, list)) else ()
        positions = range(1, len(shape) - 1) if call.channels_last else range(2, len(shape))
        if not axes or sorted(axis % len(shape) for axis in axes) != list(positions):
            return Unknown("a mean or maximum over other axes than all positions is not covered by the theory")
        size = tuple(shape[axis] for axis in positions)
        return kind(size, size, ((0, 0),) * len(size))

    return read


MODULES: dict[str, Reader] = {
    "Identity": same,
    "Flatten": reshape,
    "AvgPool1d": average(1),
    "AvgPool2d": average(2),
    "MaxPool1d": largest(1),
    "MaxPool2d": largest(2),
    "AdaptiveAvgPool1d": adaptive(AveragePooling, 1),
    "AdaptiveAvgPool2d": adaptive(AveragePooling, 2),
    "AdaptiveMaxPool1d": adaptive(MaxPooling, 1),
    "AdaptiveMaxPool2d": adaptive(MaxPooling, 2),
}
FUNCTIONS: dict[str, Reader] = {
    **dict.fromkeys(("contiguous", "clone", "to", "float", "double", "type_as"), same),
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze"), reshape),
    "avg_pool1d": average(1),
    "avg_pool2d": average(2),
    "max_pool1d": largest(1),
    "max_pool2d": largest(2),
    "adaptive_avg_pool1d": adaptive(AveragePooling, 1),
    "adaptive_avg_pool2d": adaptive(AveragePooling, 2),
    "adaptive_max_pool1d": adaptive(MaxPooling, 1),
    "adaptive_max_pool2d": adaptive(MaxPooling, 2),
    "mean": over_positions(AveragePooling),
    "amax": over_positions(MaxPooling),
}
