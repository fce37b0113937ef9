"""The named activations, and the reader of their names and parameters."""

import math
from collections.abc import Callable

import numpy as np

from glorotlab import names
from glorotlab.activations import functions as f
from glorotlab.activations.record import Activation
from glorotlab.errors import InvalidValueError

SLOPE = 0.01
"""Default slope of ``leaky_relu`` (Maas et al. 2013)."""


def leaky_relu(slope: float = SLOPE) -> Activation:
    """Return the record of max(x, slope x); InvalidValueError where the slope is not in [0, 1)."""
    if not 0 <= slope < 1:
        raise InvalidValueError(f"activation leaky_relu: slope {slope!r}: allowed are numbers from 0, below 1")
    slope += 0.0  # -0.0 equals 0.0, so the canonical text must be the same
    text, function = str(slope).removesuffix(".0"), f.LeakyReLU(slope)
    return Activation(
        f"leaky_relu(slope={text})",
        f"Max(x, {text}*x)",
        function,
        function.derivative,
        kinks=(0.0,),
        smoothness=0,
        parameters=(slope,),
    )


_SELU = f"{f.SELU_SCALE}*(Max(0, x) + {f.SELU_ALPHA}*(exp(Min(0, x)) - 1))"

RECORDS = {
    record.family: record
    for record in (
        Activation("linear", "x", lambda s: s, np.ones_like, odd=True),
        Activation("relu", "Max(0, x)", f.relu, f.step, kinks=(0.0,), smoothness=0),
        leaky_relu(),
        Activation("erf", "erf(x)", f.erf, f.erf_derivative, bound=1.0, odd=True, growth=0),
        Activation("sin", "sin(x)", f.sin, f.sin_derivative, bound=1.0, odd=True, growth=0),
        Activation("gelu", "x*(1 + erf(x/sqrt(2)))/2", f.gelu, f.gelu_derivative),
        Activation("silu", "x/(1 + exp(-x))", f.silu, f.silu_derivative),
        Activation("elu", "Max(0, x) + exp(Min(0, x)) - 1", f.elu, f.elu_derivative, kinks=(0.0,), smoothness=1),
        Activation("selu", _SELU, f.selu, f.selu_derivative, kinks=(0.0,), smoothness=0),
        Activation("softplus", "log(1 + exp(x))", f.softplus, f.sigmoid),
        Activation(
            "hard_tanh",
            "Max(-1, Min(1, x))",
            f.hard_tanh,
            f.hard_tanh_derivative,
            bound=1.0,
            kinks=(-1.0, 1.0),
            odd=True,
            smoothness=0,
            growth=0,
        ),
        Activation("tanh", "tanh(x)", np.tanh, f.tanh_derivative, bound=1.0, odd=True, growth=0),
        Activation("sigmoid", "1/(1 + exp(-x))", f.sigmoid, f.sigmoid_derivative, bound=1.0, growth=0),
        Activation(
            "softsign",
            "x/(1 + Abs(x))",
            f.softsign,
            f.softsign_derivative,
            bound=1.0,
            kinks=(0.0,),
            odd=True,
            smoothness=1,
            growth=0,
        ),
        Activation("arctan", "atan(x)", np.arctan, f.arctan_derivative, bound=math.pi / 2, odd=True, growth=0),
        Activation("mish", "x*tanh(log(1 + exp(x)))", f.mish, f.mish_derivative),
    )
}
"""Records by the name without parameters, which take their defaults."""

_PARAMETRIC: dict[str, tuple[str, Callable[[float], Activation]]] = {"leaky_relu": ("slope", leaky_relu)}
"""Name of the parameter, and the function that makes the record, of each name with a parameter."""


def read(text: str) -> Activation | None:
    """Return the record of a name, its parameter in brackets where it takes one; None where this is no name.

    Raises
    ------
    InvalidValueError
        Where the parameter or its value is not allowed.
    """
    parts = names.split(text)
    if parts is None or parts[0] not in RECORDS:
        return None
    name, bracket = parts
    if name not in _PARAMETRIC:
        return RECORDS[name] if bracket is None else None
    if not (bracket or "").strip():
        return RECORDS[name]
    parameter, make = _PARAMETRIC[name]
    values = names.parameters(f"activation {text!r}", bracket or "", {parameter: 0.0}, positive=False)
    return make(float(values[parameter]))
