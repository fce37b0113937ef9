"""Activations: one record per name, its SymPy expression, NumPy reference and properties.

The compiled counterpart of a record, where there is one, carries the same name in
``glorotlab.kernels.elementwise.CODES``; a record without one trains through NumPy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.errors import UnknownNameError

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Activation:
    """A hidden activation z = f(s).

    Parameters
    ----------
    name : str
    expression : str
        f as a SymPy expression in ``x``.
    function, derivative : callable
        f and f' on NumPy arrays, dtype kept.
    bound : float or None
        Supremum of |f|; None where f is unbounded.
    kinks : tuple of float
        Where f or a derivative jumps: quadrature splits there.
    odd : bool
        f(-x) = -f(x).
    """

    name: str
    expression: str
    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    bound: float | None = None
    kinks: tuple[float, ...] = ()
    odd: bool = False


def _sigmoid(s: Array) -> Array:
    e = np.exp(-np.abs(s))
    return np.where(s >= 0, 1 / (1 + e), e / (1 + e))


def _sigmoid_derivative(s: Array) -> Array:
    e = np.exp(-np.abs(s))
    return np.asarray(e / (1 + e) ** 2)


def _tanh_derivative(s: Array) -> Array:
    return np.asarray(4 * _sigmoid_derivative(2 * s))  # 1 - tanh^2 without its cancellation


def _softsign(s: Array) -> Array:
    largest = np.finfo(s.dtype).max
    s = np.clip(s, -largest, largest)  # an infinity would give inf / inf
    return np.asarray(s / (1 + np.abs(s)))


RECORDS = {
    record.name: record
    for record in (
        Activation("linear", "x", lambda s: s, np.ones_like, odd=True),
        Activation("tanh", "tanh(x)", np.tanh, _tanh_derivative, bound=1.0, odd=True),
        Activation("sigmoid", "1/(1 + exp(-x))", _sigmoid, _sigmoid_derivative, bound=1.0),
        Activation(
            "softsign",
            "x/(1 + Abs(x))",
            _softsign,
            lambda s: (1 + np.abs(s)) ** -2,
            bound=1.0,
            kinks=(0.0,),
            odd=True,
        ),
        Activation(
            "relu",
            "Max(0, x)",
            lambda s: np.maximum(s, 0),
            lambda s: (s > 0).astype(s.dtype),
            kinks=(0.0,),
        ),
    )
}


def get(name: str) -> Activation:
    """Return the record of an activation; UnknownNameError where there is none."""
    if name not in RECORDS:
        raise UnknownNameError("activation", name, RECORDS)
    return RECORDS[name]
