"""Costs: one record for each output activation with its cost, and its NumPy reference in float64.

y is the one-hot label, a the output, s the pre-activation of the output layer, all of shape (batch, classes).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array, FloatArray
from glorotlab.errors import InvalidValueError, UnknownNameError


@dataclass(frozen=True)
class Cost:
    """An output activation together with a cost.

    Parameters
    ----------
    output, name : str
        For example ``"softmax"`` and ``"log_likelihood"``.
    expression : str
        The cost of one example as a formula in the output a_k and the one-hot label y_k.
    activation : callable
        a of s.
    value : callable
        Cost of each example, shape (batch,), of (s, y).
    gradient : callable
        dC/ds of (s, y).
    elementwise : bool
        Each output unit's dC/ds depends on its own pre-activation alone.
    curvature : callable
        Diagonal of the Gauss-Newton matrix of the cost in s, of the output a, shape (batch, classes): d^2C/ds^2 where
        output and cost match, else that of (da/ds)' (da/ds). No label enters it.
    """

    output: str
    name: str
    expression: str
    activation: Callable[[Array], Array]
    value: Callable[[Array, Array], Array]
    gradient: Callable[[Array, Array], Array]
    elementwise: bool
    curvature: Callable[[FloatArray], FloatArray]


def _softmax(s: Array) -> Array:
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _sigmoid(s: Array) -> Array:
    return np.exp(-np.logaddexp(0, -s))


def _log_likelihood(s: Array, y: Array) -> Array:
    return np.asarray(np.logaddexp.reduce(s, axis=-1) - (s * y).sum(axis=-1))


def _cross_entropy(s: Array, y: Array) -> Array:
    return np.asarray((np.logaddexp(0, s) - y * s).sum(axis=-1))


def _quadratic(a: Array, y: Array) -> Array:
    return np.asarray(((a - y) ** 2).sum(axis=-1) / 2)


def _softmax_quadratic_gradient(s: Array, y: Array) -> Array:
    a = _softmax(s)
    return np.asarray(a * (a - y - (a * (a - y)).sum(axis=-1, keepdims=True)))


def _softmax_quadratic_curvature(a: FloatArray) -> FloatArray:
    return np.asarray(a * a * (1 - 2 * a + (a * a).sum(axis=-1, keepdims=True)))


def _bernoulli_variance(a: FloatArray) -> FloatArray:
    return np.asarray(a * (1 - a))


def _sigmoid_quadratic_gradient(s: Array, y: Array) -> Array:
    a = _sigmoid(s)
    return (a - y) * a * _sigmoid(-s)


_QUADRATIC = "Sum_k (a_k - y_k)^2/2"
_CROSS_ENTROPY = "-Sum_k [y_k ln a_k + (1 - y_k) ln(1 - a_k)]"

RECORDS = {
    (record.output, record.name): record
    for record in (
        Cost(
            "softmax",
            "log_likelihood",
            "-Sum_k y_k ln a_k",
            _softmax,
            _log_likelihood,
            lambda s, y: _softmax(s) - y,
            False,
            _bernoulli_variance,
        ),
        Cost(
            "softmax",
            "quadratic",
            _QUADRATIC,
            _softmax,
            lambda s, y: _quadratic(_softmax(s), y),
            _softmax_quadratic_gradient,
            False,
            _softmax_quadratic_curvature,
        ),
        Cost(
            "sigmoid",
            "cross_entropy",
            _CROSS_ENTROPY,
            _sigmoid,
            _cross_entropy,
            lambda s, y: _sigmoid(s) - y,
            True,
            _bernoulli_variance,
        ),
        Cost(
            "sigmoid",
            "quadratic",
            _QUADRATIC,
            _sigmoid,
            lambda s, y: _quadratic(_sigmoid(s), y),
            _sigmoid_quadratic_gradient,
            True,
            lambda a: _bernoulli_variance(a) ** 2,
        ),
        Cost("linear", "quadratic", _QUADRATIC, lambda s: s, _quadratic, lambda s, y: s - y, True, np.ones_like),
    )
}

OUTPUTS = tuple(dict.fromkeys(output for output, _ in RECORDS))


def default_cost(output: str) -> str:
    """Return the default cost of an output activation, the first of its records."""
    for known, name in RECORDS:
        if known == output:
            return name
    raise UnknownNameError("output", output, OUTPUTS)


def get(output: str, name: str) -> Cost:
    """Return the record of an output and its cost; InvalidValueError where they do not go together."""
    default_cost(output)
    if (output, name) not in RECORDS:
        allowed = ", ".join(cost for known, cost in RECORDS if known == output)
        raise InvalidValueError(f"cost {name!r:.60} with output {output!r}: allowed are {allowed}")
    return RECORDS[output, name]
