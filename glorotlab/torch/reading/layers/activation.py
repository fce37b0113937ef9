"""Activations of PyTorch that are ours under another name, or an expression in x."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.graph import Unknown
from glorotlab.torch.reading.call import Call, Reader

GELU_TANH = "x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))/2"
"""Approximation of GELU by tanh (Hendrycks & Gimpel 2016)."""


def named(name: str) -> Reader:
    """Return the reader of an activation without settings."""
    return lambda call: Elementwise(name)


def expression(template: Callable[..., str], *settings: tuple[str, Any]) -> Reader:
    """Return the reader of an activation whose text is made from settings with defaults, at positions 1, 2, ..."""

    def read(call: Call) -> Layer:
        values = [call.option(name, place, default) for place, (name, default) in enumerate(settings, start=1)]
        if not all(isinstance(value, (int, float)) for value in values):
            return Unknown("an activation whose settings are values of the network is not covered by the theory")
        return Elementwise(template(*values))

    return read


def _leaky(slope: float) -> str:
    return f"leaky_relu(slope={slope!r})" if 0 <= slope < 1 else f"max(0, x) + ({slope!r})*min(0, x)"


def _elu(alpha: float) -> str:
    return "elu" if alpha == 1 else f"max(0, x) + ({alpha!r})*(exp(min(0, x)) - 1)"


def _celu(alpha: float) -> str:
    return "elu" if alpha == 1 else f"max(0, x) + ({alpha!r})*(exp(min(0, x)/({alpha!r})) - 1)"


def _softplus(beta: float, threshold: float) -> str:
    return "softplus" if beta == 1 else f"softplus(({beta!r})*x)/({beta!r})"


def _clip(low: float | None, high: float | None) -> str:
    if low == 0 and high is None:
        return "relu"
    if (low, high) == (-1, 1):
        return "hard_tanh"
    text = "x" if high is None else f"min({high!r}, x)"
    return text if low is None else f"max({low!r}, {text})"


def _softshrink(cut: float) -> str:
    return f"max(0, x - {cut!r}) + min(0, x + {cut!r})"


def _hardshrink(cut: float) -> str:
    return f"x*(1 + sign(abs(x) - {cut!r}))/2"


def _threshold(cut: float, value: float) -> str:
    return f"({value!r}) + (x - ({value!r}))*(1 + sign(x - ({cut!r})))/2"


def gelu(call: Call) -> Layer:
    """Read GELU, exact or by tanh."""
    return Elementwise("gelu" if call.option("approximate", 1, "none") == "none" else GELU_TANH)


def prelu(call: Call) -> Layer:
    """Read PReLU where it has one slope for all units."""
    weight = call.tensor("weight", 1)
    if weight is None or weight.numel() != 1:
        return Unknown("an activation with slopes of its own for each unit is not covered by the theory")
    return Elementwise(_leaky(float(weight.detach())))


def rrelu(call: Call) -> Layer:
    """Read RReLU outside training, where its slope is the mean."""
    lower, upper = call.option("lower", 1, 1 / 8), call.option("upper", 2, 1 / 3)
    if call.option("training", 3, False):
        return Unknown("an activation with random slopes is not covered by the theory")
    return Elementwise(_leaky((lower + upper) / 2))


def clamp(call: Call) -> Layer:
    """Read a clamp between numbers."""
    low, high = call.argument(1, "min", None), call.argument(2, "max", None)
    if not all(isinstance(end, (int, float, type(None))) for end in (low, high)):
        return Unknown("a clamp between values of the network is not covered by the theory")
    return Elementwise(_clip(low, high))


def power(call: Call) -> Layer:
    """Read a whole power."""
    exponent = call.argument(1, "exponent", None)
    if not isinstance(exponent, int) or not 1 <= exponent <= 16:
        return Unknown("a power other than a whole number from 1 to 16 is not covered by the theory")
    return Elementwise(f"x**{exponent}")


_SOFTSIGN, _LOG_SIGMOID, _TANHSHRINK = named("softsign"), named("-softplus(-x)"), named("x - tanh(x)")
_HARDSIGMOID, _HARDSWISH = named("max(0, min(1, x/6 + 1/2))"), named("x*max(0, min(1, x/6 + 1/2))")
_LEAKY, _ELU = expression(_leaky, ("negative_slope", 0.01)), expression(_elu, ("alpha", 1.0))
_CELU, _SOFTPLUS = expression(_celu, ("alpha", 1.0)), expression(_softplus, ("beta", 1), ("threshold", 20))
_HARDTANH = expression(_clip, ("min_val", -1.0), ("max_val", 1.0))
_SOFTSHRINK, _HARDSHRINK = expression(_softshrink, ("lambd", 0.5)), expression(_hardshrink, ("lambd", 0.5))
_THRESHOLD = expression(_threshold, ("threshold", 0.0), ("value", 0.0))

MODULES: dict[str, Reader] = {
    "ReLU": named("relu"),
    "ReLU6": named("max(0, min(6, x))"),
    "LeakyReLU": _LEAKY,
    "PReLU": prelu,
    "RReLU": rrelu,
    "ELU": _ELU,
    "SELU": named("selu"),
    "CELU": _CELU,
    "GELU": gelu,
    "SiLU": named("silu"),
    "Mish": named("mish"),
    "Sigmoid": named("sigmoid"),
    "LogSigmoid": _LOG_SIGMOID,
    "Tanh": named("tanh"),
    "Softsign": _SOFTSIGN,
    "Softplus": _SOFTPLUS,
    "Hardtanh": _HARDTANH,
    "Hardsigmoid": _HARDSIGMOID,
    "Hardswish": _HARDSWISH,
    "Hardshrink": _HARDSHRINK,
    "Softshrink": _SOFTSHRINK,
    "Tanhshrink": _TANHSHRINK,
    "Threshold": _THRESHOLD,
}
FUNCTIONS: dict[str, Reader] = {
    "relu": named("relu"),
    "relu6": named("max(0, min(6, x))"),
    "leaky_relu": _LEAKY,
    "prelu": prelu,
    "rrelu": rrelu,
    "elu": _ELU,
    "selu": named("selu"),
    "celu": _CELU,
    "gelu": gelu,
    "silu": named("silu"),
    "mish": named("mish"),
    "sigmoid": named("sigmoid"),
    "expit": named("sigmoid"),
    "special_expit": named("sigmoid"),
    "logsigmoid": _LOG_SIGMOID,
    "log_sigmoid": _LOG_SIGMOID,
    "tanh": named("tanh"),
    "softsign": _SOFTSIGN,
    "softplus": _SOFTPLUS,
    "hardtanh": _HARDTANH,
    "hardsigmoid": _HARDSIGMOID,
    "hardswish": _HARDSWISH,
    "hardshrink": _HARDSHRINK,
    "softshrink": _SOFTSHRINK,
    "tanhshrink": _TANHSHRINK,
    "threshold": _THRESHOLD,
    "clamp": clamp,
    "clip": clamp,
    "pow": power,
    "square": named("x**2"),
    "sin": named("sin"),
    "cos": named("cos(x)"),
    "exp": named("exp(x)"),
    "erf": named("erf"),
    "abs": named("abs(x)"),
    "arctan": named("arctan"),
    "atan": named("arctan"),
    "asinh": named("asinh(x)"),
    "arcsinh": named("asinh(x)"),
    "sign": named("sign(x)"),
}
