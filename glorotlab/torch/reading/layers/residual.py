"""Sums of values of one shape, and constant factors."""

from __future__ import annotations

from numbers import Real
from typing import Any

from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.graph import Unknown
from glorotlab.spec.layers.residual import Sum
from glorotlab.torch.reading.call import Call, alike
from glorotlab.torch.reading.layers import bias


def _operands(call: Call) -> tuple[Any, Any]:
    return call.argument(0, "input"), call.argument(1, "other")


def add(call: Call) -> Layer | None:
    """Read ``a + alpha b``."""
    return _sum(call, float(call.argument(2, "alpha", 1)))


def subtract(call: Call) -> Layer | None:
    """Read ``a - alpha b``."""
    return _sum(call, -float(call.argument(2, "alpha", 1)))


def _sum(call: Call, factor: float) -> Layer | None:
    first, second = _operands(call)
    if isinstance(second, Real):
        return Elementwise(f"x + ({factor * float(second)!r})")
    if isinstance(first, Real):
        return Elementwise(f"({float(first)!r}) + ({factor!r})*x")
    if len(call.inputs) < 2:
        return bias.added(call, factor)
    if first.meta["shape"] != second.meta["shape"]:
        return Unknown("a sum of values of different shapes is not covered by the theory")
    return Sum((1.0, factor))


def multiply(call: Call) -> Layer:
    """Read a product with a number."""
    first, second = _operands(call)
    number = second if isinstance(second, Real) else first
    if isinstance(number, Real):
        return Sum((float(number),))
    scale = next((one for one in (call.tensor("input", 0), call.tensor("other", 1)) if one is not None), None)
    if scale is not None and alike(scale) and call.shape == call.input_shape:  # of a residual branch, or its units
        return Sum((float(scale.detach().flatten()[0]),))
    if len(call.inputs) < 2:
        return Unknown("a product with a parameter whose elements are not all equal is not covered by the theory")
    return Unknown("a product of two values of the network is not covered by the theory")


def divide(call: Call) -> Layer:
    """Read a division by a number."""
    _, second = _operands(call)
    if isinstance(second, Real) and call.node.kwargs.get("rounding_mode") is None:
        return Sum((1 / float(second),))
    return Unknown("a division by values is not covered by the theory")


def negate(call: Call) -> Layer:
    """Read ``-a``."""
    return Sum((-1.0,))


MODULES: dict[str, Any] = {}
FUNCTIONS = {
    "add": add,
    "iadd": add,
    "sub": subtract,
    "isub": subtract,
    "subtract": subtract,
    "mul": multiply,
    "imul": multiply,
    "multiply": multiply,
    "div": divide,
    "divide": divide,
    "true_divide": divide,
    "truediv": divide,
    "itruediv": divide,
    "neg": negate,
    "negative": negate,
}
