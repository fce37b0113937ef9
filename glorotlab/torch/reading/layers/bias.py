"""Parameters that are added to a value: biases written by hand, and learned embeddings of positions."""

from __future__ import annotations

from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.bias import Bias
from glorotlab.spec.layers.graph import Unknown
from glorotlab.torch.reading.call import Call, Reader, alike, mean, second_moment

CHANCE = 5.0
"""Standard errors up to which the mean of a parameter's elements counts as 0."""


def added(call: Call, factor: float) -> Layer | None:
    """Read a sum of a value and ``factor`` times a parameter; zeros leave the value as it is."""
    parameter = call.tensor("other", 1)
    if parameter is None:
        parameter, turned = call.tensor("input", 0), factor
        if turned != 1:
            return Unknown("a parameter minus a value is not covered by the theory")
    if parameter is None or not parameter.requires_grad:
        return Unknown("a sum with a constant that is not a parameter is not covered by the theory")
    if call.shape != call.input_shape:
        return Unknown("a sum with a parameter of a larger shape is not covered by the theory")
    if alike(parameter):
        value = factor * mean(parameter)
        return Elementwise(f"x + ({value!r})") if value else None
    shape = (1,) * (len(call.shape) - parameter.ndim) + tuple(parameter.shape)
    rank = len(shape)
    units = rank - 1 if rank == 2 or call.channels_last else 1
    if shape[0] != 1 or shape[units] == 1:
        return Unknown("a sum with a parameter of other axes than units and positions is not covered by the theory")
    square = second_moment(parameter)
    if mean(parameter) ** 2 * parameter.numel() > CHANCE**2 * square:
        return Unknown("a sum with a parameter whose mean is not 0 is not covered by the theory")
    own = tuple(size > 1 for axis, size in enumerate(shape) if axis not in (0, units))
    return Bias(factor**2 * square, own)


MODULES: dict[str, Reader] = {}
FUNCTIONS: dict[str, Reader] = {}
