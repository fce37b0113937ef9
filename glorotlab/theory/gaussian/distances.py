"""E (f(s_a) - f(s_b))^2 of examples that are alike, without subtracting pair moments that are nearly equal.

With s = sqrt(q) t the distance is that of sizes at one t, and that of directions:

    E (f(sqrt(q_a) t) - f(sqrt(q_b) t))^2 + 2 (E f(sqrt(q_a) t) f(sqrt(q_b) t) - E f(s_a) f(s_b)).

For examples that are alike the first is (sqrt(q_a) - sqrt(q_b))^2 E t^2 f'^2; the second is by Price's theorem
2 sqrt(q_a q_b) times the integral of E f' f' over correlations from rho to 1. Linear and rectified units and the sine
have closed forms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian import quadrature
from glorotlab.theory.gaussian.closed_forms import PI, ROUNDING
from glorotlab.theory.gaussian.covariance import RESOLUTION, Covariance
from glorotlab.theory.gaussian.moments import Row, sampled

Indices = npt.NDArray[np.intp]

SUBTRACTED = 1e-6
"""Relative error up to which a distance is the difference of pair moments."""

SMALL_ANGLE = 0.1
"""Angle up to which sin t - t cos t is computed by a series."""


class Gaps(NamedTuple):
    """Gaps of f(s), as ``Covariance`` has them.

    Parameters
    ----------
    gap : (examples, examples)
    error : float
        Mean over pairs of the absolute error.
    followed : tuple of two (pairs,) int
        Rows and columns of gaps that were followed, and so know more of the pair moment than the other way round.
    """

    gap: Array
    error: float
    followed: tuple[Indices, Indices]


class Pairs(NamedTuple):
    """Pre-activations of some pairs of examples, each (pairs,): what ``Covariance`` has of them."""

    q1: Array
    q2: Array
    gap: Array
    unlike: Array

    def radius(self) -> Array:
        """Return sqrt(q_1) - sqrt(q_2), with the digits of the difference of q."""
        return np.asarray((self.q1 - self.q2) / (np.sqrt(self.q1) + np.sqrt(self.q2)))


def gaps(record: Activation, s: Covariance, squares: Array, moments: Array, errors: Array) -> Gaps:
    """Return the gaps of f(s): differences of pair moments where these have the digits, else those followed.

    Parameters
    ----------
    record : Activation
    s : Covariance
        Of the pre-activations.
    squares : (2, examples)
        E f^2 and E f'^2.
    moments : (2, examples, examples)
        E f(s_a) f(s_b) and E f'(s_a) f'(s_b).
    errors : (examples, examples)
        Errors of the pair moments, relative to sqrt(E g_a^2 E g_b^2).
    """
    root = np.sqrt(squares[0])
    gap = np.add.outer(squares[0], squares[0]) - 2 * np.abs(moments[0])
    lost = errors * np.outer(2 * root, root)
    rows, columns = np.nonzero(lost > SUBTRACTED * gap)
    own, rest, same = gap[rows, columns], lost[rows, columns], s.same[rows, columns]
    own[own <= RESOLUTION * squares[0, rows]] = 0
    # the gaps of s and of f are both to the other example, or both to its mirror image
    positive = s.sign[rows, columns] > 0
    related = (positive | record.odd) & (same | (positive == (moments[0, rows, columns] >= 0)))
    pairs = Pairs(s.q[rows], s.q[columns], s.gap[rows, columns], s.unlike[rows, columns])
    if (exact := _CLOSED.get(record.family)) is not None:
        followed = np.maximum(exact(record, pairs), 0)
        error = ROUNDING * followed
    else:
        derivative = squares[1, rows], squares[1, columns], moments[1, rows, columns]
        followed, error = _expansion(record, s.q, pairs, (rows, columns), *derivative)
    followed[same], error[same] = 0, 0
    better = related & (error <= rest)
    gap[rows, columns], left = np.where(better, followed, own), np.where(better, error, rest)
    total = float(lost.sum() - rest.sum() + left.sum()) / gap.size
    return Gaps(gap, total, (rows[better], columns[better]))


def _expansion(
    record: Activation, q: Array, pairs: Pairs, places: tuple[Indices, Indices], one: Array, other: Array, both: Array
) -> tuple[Array, Array]:
    """Return the distances of some pairs as if they were alike, and the errors of taking them so.

    ``one``, ``other`` and ``both`` are E f'^2 of the two examples and E f' f'.
    """
    scaled = _scaled_derivative(record, q)
    at_one = np.sqrt(one * other)
    left = np.divide(both, at_one, where=at_one > 0, out=np.ones_like(at_one))
    # E f' f' falls with the angle where f has a kink, with its square where it has none
    mean = at_one * (1 - (1 - left) * (2 / 3 if record.kinks else 1 / 2))
    radial = pairs.radius() ** 2 * (scaled[places[0]] + scaled[places[1]]) / 2
    distance = radial + 2 * np.sqrt(pairs.q1) * np.sqrt(pairs.q2) * pairs.unlike * mean
    turn, stretch = np.abs(1 - left), np.abs(np.log(pairs.q1 / pairs.q2)) / 2
    share = turn / 6 + stretch if record.kinks else (turn + stretch) ** 2
    return distance, distance * np.maximum(share, ROUNDING)


def _scaled_derivative(record: Activation, q: Array) -> Array:
    """Return E t^2 f'^2 for s = sqrt(q) t."""
    s, weights, values = sampled(record, q, quadrature.ORDER)
    return np.asarray((weights * quadrature.density(s, q)) @ (s**2 * values[Row.DERIVATIVE_SQUARE]) / q)


def _piecewise_linear(record: Activation, pairs: Pairs) -> Array:
    """Half of the distance, less sqrt(q_1 q_2) (sin t - t cos t) / pi of the angle t, is that of rectified parts."""
    slope = {"linear": 1.0, "relu": 0.0}.get(record.family, *record.parameters[:1] or (0.0,))
    angle = 2 * np.arcsin(np.sqrt(pairs.unlike / 2))
    series = angle**3 / 3 * (1 - angle**2 / 10 * (1 - angle**2 / 28))
    bend = np.where(angle < SMALL_ANGLE, series, np.sin(angle) - angle * np.cos(angle))
    rectified = pairs.gap / 2 - np.sqrt(pairs.q1) * np.sqrt(pairs.q2) * bend / PI
    return np.asarray(slope * pairs.gap + (1 - slope) ** 2 * rectified)


def _sin(record: Activation, pairs: Pairs) -> Array:
    """E sin sin = (exp(-d / 2) - exp(d / 2 - q_1 - q_2)) / 2 of the distance d, without its cancellation."""
    total, unequal, half = pairs.q1 + pairs.q2, np.abs(pairs.q1 - pairs.q2), pairs.gap / 2
    rest = -np.exp(half - total) * np.expm1(-half) - np.exp(unequal - total) * np.expm1(-unequal) ** 2 / 2
    return np.asarray(rest - np.expm1(-half))


_CLOSED: dict[str, Callable[[Activation, Pairs], Array]] = {
    "linear": _piecewise_linear,
    "relu": _piecewise_linear,
    "leaky_relu": _piecewise_linear,
    "sin": _sin,
}
