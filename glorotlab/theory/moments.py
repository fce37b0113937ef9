"""Gaussian moments of an activation: E f, E f^2, E f'^2, E f^4 for s ~ N(0, q), and pair moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glorotlab import activations
from glorotlab.activations import Activation
from glorotlab.errors import InvalidValueError
from glorotlab.theory import quadrature
from glorotlab.theory.quadrature import Array
from glorotlab.threads import single_threaded_blas

Values = tuple[Array, Array, Array, Array]
"""E f, E f^2, E f'^2, E f^4."""

SMALLEST, LARGEST = 1e-100, 1e30
"""Second moments that are followed; beyond, products leave the range of float64, or features of f at s ~ 1 are lost."""

ROUNDING = 8 * float(np.finfo(float).eps)
"""What rounding leaves of a sum whose terms are of one sign."""

PAIR_TERMS, MAX_PAIR_TERMS = 96, 768
"""Terms of the Hermite series of a pair moment: the first number, doubled up to the second while the bound on what
is left out exceeds ``PAIR_TOLERANCE``; that bound is reported."""

PAIR_TOLERANCE = 1e-4

ALIKE = 1e-12
"""Examples whose correlation differs from 1 by no more are copies of each other: their pair moment is E g^2."""


@dataclass(frozen=True)
class Moments:
    """Moments of f(s), s ~ N(0, q), each of the shape of q.

    Parameters
    ----------
    q : second moment of s
    mean : E f
    second_moment : E f^2
    derivative_second_moment : E f'^2
    fourth_moment : E f^4
    method : str
        ``closed form`` or ``quadrature``.
    error : float
        Bound on the largest relative error (of the mean: relative to sqrt(E f^2)): the difference from a rule of
        lower order, which is far larger than the error of the one used, and never less than ``ROUNDING``.
    """

    q: Array
    mean: Array
    second_moment: Array
    derivative_second_moment: Array
    fourth_moment: Array
    method: str
    error: float


def _linear(q: Array) -> Values:
    return np.zeros_like(q), q, np.ones_like(q), 3 * q**2


def _relu(q: Array) -> Values:
    """Half of the Gaussian moments; He et al. (2015)."""
    return np.sqrt(q / (2 * np.pi)), q / 2, np.full_like(q, 0.5), 1.5 * q**2


_CLOSED: dict[str, Callable[[Array], Values]] = {"linear": _linear, "relu": _relu}


@single_threaded_blas()
def moments(activation: str | Activation, q: npt.ArrayLike) -> Moments:
    """Return the Gaussian moments of an activation.

    Parameters
    ----------
    activation : str or Activation
    q : array_like
        Second moments of the pre-activation, from 1e-100 to 1e30, of any shape.

    Raises
    ------
    InvalidValueError
        Where a q is not a number in that range.
    """
    record = activations.get(activation) if isinstance(activation, str) else activation
    try:
        given = np.asarray(q, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidValueError(f"second moment q = {q!s:.60}: allowed are positive numbers") from None
    inside = (given >= SMALLEST) & (given <= LARGEST)
    if not inside.all():
        wrong = given[~inside].flat[0]
        raise InvalidValueError(f"second moment q = {wrong}: allowed are positive numbers, {SMALLEST:g} to {LARGEST:g}")
    if record.name in _CLOSED:
        return Moments(given, *_CLOSED[record.name](given), "closed form", ROUNDING)
    flat = np.atleast_1d(given).ravel()
    best, coarse = (_by_quadrature(record, flat, order) for order in (quadrature.ORDER, quadrature.ORDER - 4))
    scale = np.stack([np.sqrt(best[1]), best[1], best[2], best[3]])
    error = float(np.max(np.abs(best - coarse) / scale, initial=ROUNDING))
    if record.odd:
        best[0] = 0.0
    mean, second, derivative, fourth = best.reshape(4, *given.shape)
    return Moments(given, mean, second, derivative, fourth, "quadrature", error)


def _by_quadrature(record: Activation, q: Array, order: int) -> Array:
    functions: tuple[quadrature.Function, ...] = (
        record.function,
        lambda s: record.function(s) ** 2,
        lambda s: record.derivative(s) ** 2,
        lambda s: record.function(s) ** 4,
    )
    return quadrature.expectations(functions, q, record.kinks, order)


def response(record: Activation, q: Array) -> tuple[Array, Array]:
    """Return E[f f'] (exactly 0 for odd f) and dE[f^2]/dq = E[s f f'] / q, each of the shape of q."""
    slope, response = quadrature.expectations(
        (
            lambda s: record.function(s) * record.derivative(s),
            lambda s: s * record.function(s) * record.derivative(s),
        ),
        q,
        record.kinks,
    )
    return (np.zeros_like(q) if record.odd else slope), response / q


@dataclass(frozen=True)
class PairMoments:
    """Pair moments over a batch of examples, each of shape (examples, examples).

    Parameters
    ----------
    second_moment : E[f(s_a) f(s_b)]
    derivative : E[f'(s_a) f'(s_b)]
    error : float
        Bound on the largest error, relative to sqrt(E g_a^2 E g_b^2): what the series leaves out, and never less
        than ``ROUNDING``.
    """

    second_moment: Array
    derivative: Array
    error: float


@single_threaded_blas()
def pair_moments(record: Activation, kernel: Array) -> PairMoments:
    """Return the pair moments of (s_a, s_b) ~ N(0, kernel).

    Parameters
    ----------
    record : Activation
    kernel : Array of shape (examples, examples)
        Covariance of the pre-activations of one unit over the examples.
    """
    q = np.diagonal(kernel)
    rho = correlation(kernel)
    if record.name == "linear":
        return PairMoments(kernel.copy(), np.ones_like(kernel), ROUNDING)
    if record.name == "relu":
        return _relu_pairs(q, rho)
    exact = moments(record, q)
    if len(q) == 1:
        return PairMoments(
            exact.second_moment[:, np.newaxis], exact.derivative_second_moment[:, np.newaxis], exact.error
        )
    for terms in pair_terms():
        f, slope = quadrature.hermite_coefficients((record.function, record.derivative), q, terms, record.kinks)
        second, error = mehler_kernel(f, rho, exact.second_moment)
        derivative, derivative_error = mehler_kernel(slope, rho, exact.derivative_second_moment)
        error = max(error, derivative_error, exact.error)
        if error <= PAIR_TOLERANCE:
            break
    return PairMoments(second, derivative, error)


def pair_terms() -> Iterator[int]:
    """Yield the numbers of terms to try in turn."""
    terms = PAIR_TERMS
    while terms <= MAX_PAIR_TERMS:
        yield terms
        terms *= 2


def correlation(kernel: Array) -> Array:
    """Correlations of a covariance matrix, clipped to [-1, 1]."""
    scale = np.sqrt(np.diagonal(kernel))
    return np.asarray(np.clip(kernel / (scale[:, np.newaxis] * scale), -1, 1))


def mehler_sum(left: Array, right: Array, rho: Array, left_square: Array, right_square: Array) -> tuple[Array, Array]:
    """Sum a Hermite series of pair moments.

    Parameters
    ----------
    left, right : (terms, examples)
        Coefficients of g1 and g2.
    rho : (examples, examples)
    left_square, right_square : (examples,)
        Exact E g1^2 and E g2^2: what the coefficients miss of them bounds the remainder by Cauchy-Schwarz.

    Returns
    -------
    Two arrays of shape (examples, examples): the pair moments, and bounds relative to sqrt(E g1^2 E g2^2).
    """
    total = np.zeros_like(rho)
    for a, b in zip(left[::-1], right[::-1], strict=True):  # Horner's scheme in rho
        total = total * rho + a[:, np.newaxis] * b
    lost_left = np.sqrt(np.clip(1 - (left**2).sum(axis=0) / left_square, 0, 1))
    lost_right = np.sqrt(np.clip(1 - (right**2).sum(axis=0) / right_square, 0, 1))
    return total, np.abs(rho) ** len(left) * lost_left[:, np.newaxis] * lost_right


def mehler_kernel(series: Array, rho: Array, square: Array) -> tuple[Array, float]:
    """Sum the series of E[g(s_a) g(s_b)] of one function g, and return the largest bound; see ``mehler_sum``.

    On the diagonal, and wherever an example is a copy of another, it is E g^2 itself.
    """
    total, bound = mehler_sum(series, series, rho, square, square)
    alike = (rho > 1 - ALIKE) & np.isclose(square[:, np.newaxis], square, rtol=ALIKE, atol=0)
    np.fill_diagonal(alike, True)
    total[alike], bound[alike] = np.broadcast_to(square, total.shape)[alike], 0
    return total, float(bound.max(initial=ROUNDING))


def _relu_pairs(q: Array, rho: Array) -> PairMoments:
    """Arc-cosine kernels of degree 1 and 0; Cho & Saul (2009)."""
    angle = np.arccos(rho)
    scale = np.sqrt(q[:, np.newaxis] * q)
    second = scale * (np.sin(angle) + (np.pi - angle) * rho) / (2 * np.pi)
    derivative = (np.pi - angle) / (2 * np.pi)
    np.fill_diagonal(second, q / 2)
    np.fill_diagonal(derivative, 0.5)
    return PairMoments(second, derivative, ROUNDING)
