"""``nn.Linear``, ``F.linear`` and products with a matrix of the model."""

from __future__ import annotations

from typing import Any

from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.dense import Dense
from glorotlab.spec.layers.graph import Unknown
from glorotlab.torch.reading.call import Call, second_moment


def linear(call: Call) -> Layer:
    """Read a weight matrix of shape (fan_out, fan_in)."""
    return _dense(call.tensor("weight", 1), call.tensor("bias", 2), transposed=True)


def matmul(call: Call) -> Layer:
    """Read the product with a matrix of the model, of shape (fan_in, fan_out)."""
    return _dense(call.tensor("other", 1), None, transposed=False)


def _dense(weight: Any, bias: Any, *, transposed: bool) -> Layer:
    if weight is None or weight.ndim != 2:
        return Unknown("a product of two values of the network is not covered by the theory")
    fan_in, fan_out = weight.shape[::-1] if transposed else weight.shape
    return Dense(int(fan_in), int(fan_out), second_moment(weight), second_moment(bias))


MODULES = {"Linear": linear, "NonDynamicallyQuantizableLinear": linear}
FUNCTIONS = {"linear": linear, "matmul": matmul, "mm": matmul, "__matmul__": matmul}
