"""The correlation map of wide layers: the limit of the correlation of two examples as depth grows.

Two examples whose pre-activations have second moment q and correlation c have in the next layer the correlation
C(c) = (sigma_w^2 E[f(s_1) f(s_2)] + sigma_b^2) / V, V = sigma_w^2 E f^2 + sigma_b^2 (Poole et al. 2016). C is convex on
[0, 1], so that its fixed points are known before any is computed: c = 1, and one c* below where C'(1) > 1. There c* is
the zero of 1 - (1 - C(c)) / (1 - c), one minus the slope of a chord. The proof is in docs/theory/phases.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian import closed_forms, root_finding
from glorotlab.theory.gaussian.hermite_series import coefficients
from glorotlab.theory.gaussian.moments import Row, moments
from glorotlab.theory.gaussian.pair_moments import pair_moments

Pairs = Callable[[Array], tuple[Array, Array]]
"""Function from correlations to E f(s_1) f(s_2) and q E f'(s_1) f'(s_2), for some fixed q."""

TERMS = 192
"""Number of terms of the Hermite series that solves many points."""

FEW = 24
"""Largest number of points solved one by one, by exact pair moments."""

SERIES_ERROR = 1e-7
"""Error of c* above which pair moments replace the series."""

SHORTEST = 2.0**-13
"""Least sqrt(1 - c*); shorter chords are lost to rounding."""


def settled(
    record: Activation, weight_variance: Array, bias_variance: Array, q: Array, tolerance: float
) -> tuple[Array, Array, Array]:
    """Return the attracting fixed point of the correlation map, the map's slope there and an error of the point.

    Parameters
    ----------
    record : Activation
    weight_variance, bias_variance, q : (points,)
        sigma_w^2, sigma_b^2 and the second moment of both pre-activations.
    tolerance : float
        |C'(1) - 1| up to this counts as critical, with slope 1.

    Returns
    -------
    correlation : (points,)
        c*; not a number where C(c) = c, so that every correlation is kept, and where V underflows.
    slope : (points,)
        C'(c*).
    error : (points,)
        Estimates of absolute errors of c*.
    """
    exact = moments(record, q)
    after = weight_variance * exact.second_moment + bias_variance
    with np.errstate(invalid="ignore"):
        at_one = weight_variance * exact.derivative_second_moment * q / after
        at_zero = (weight_variance * exact.mean**2 + bias_variance) / after
    critical = np.abs(at_one - 1) <= tolerance
    identity = critical & (at_zero <= tolerance)
    correlation = np.where(identity | (after == 0), np.nan, 1.0)
    slope = np.where(critical, 1.0, at_one)
    error = np.full(q.shape, exact.error)
    chaotic = np.flatnonzero(at_one > 1 + tolerance)
    if chaotic.size:
        gain = weight_variance[chaotic] / after[chaotic]
        arguments = record, q[chaotic], gain, exact.second_moment[chaotic], at_zero[chaotic], at_one[chaotic]
        correlation[chaotic], slope[chaotic], residual = _inner(*arguments)
        error[chaotic] = (4 * exact.error + residual) / (1 - slope[chaotic])
    return correlation, slope, error


def _inner(
    record: Activation, q: Array, gain: Array, square: Array, at_zero: Array, at_one: Array
) -> tuple[Array, Array, Array]:
    """Return c* below 1, the slope there and an error of C: by the series where it is good, else by pair moments."""
    start = at_zero / (at_zero + at_one - 1)  # the zero of the line from C(0) to 1 - C'(1)
    if len(q) <= FEW or closed_forms.pairs(record, q[:1], q[:1], np.array([0.5])) is not None:
        return *_solve(exact_pairs(record, q), gain, square, start), np.zeros_like(q)
    pairs, lost = series(record, q, square)
    correlation, slope = _solve(pairs, gain, square, start)
    error = gain * lost * correlation**TERMS * TERMS
    bad = error > SERIES_ERROR * (1 - slope)
    if bad.any():
        correlation[bad], slope[bad] = _solve(exact_pairs(record, q[bad]), gain[bad], square[bad], start[bad])
    return correlation, slope, np.where(bad, 0.0, error)


def exact_pairs(record: Activation, q: Array) -> Pairs:
    """Return pair moments at these q, accurate to rounding; without a closed form a pair takes milliseconds."""

    def pairs(correlation: Array) -> tuple[Array, Array]:
        pair = pair_moments(record, q, q, correlation)
        return pair.second_moment, q * pair.derivative_second_moment

    return pairs


def series(record: Activation, q: Array, square: Array) -> tuple[Pairs, Array]:
    """Return pair moments by the Hermite series of f, and the part of E f^2 that lies beyond ``TERMS``.

    That part is put into the last term, so that C(1) = 1. The error is at most lost * c^TERMS.
    """
    powers = coefficients(record, (Row.F,), q, TERMS)[0] ** 2
    lost = np.clip(square - powers.sum(axis=0), 0, None)
    powers[-1] += lost

    def pairs(correlation: Array) -> tuple[Array, Array]:
        value, slope = np.zeros_like(correlation), np.zeros_like(correlation)
        for coefficient in powers[::-1]:  # Horner's rule and its derivative
            slope = slope * correlation + value
            value = value * correlation + coefficient
        return value, slope

    return pairs, lost


def _solve(pairs: Pairs, gain: Array, square: Array, start: Array) -> tuple[Array, Array]:
    """Solve for the c whose chord to 1 has slope 1.

    The unknown is u = sqrt(1 - c): near c = 1 the slope of the chord is linear in u where f has a kink, and in u^2
    where it has none, so Newton's steps settle soon in both cases.
    """
    known: dict[bytes, tuple[Array, Array]] = {}

    def chord(u: Array) -> tuple[Array, Array]:
        """Return the slope of the chord from c to 1, and that of C at c."""
        key = u.tobytes()
        if key not in known:
            known.clear()
            value, slope = pairs(1 - u**2)
            known[key] = gain * (square - value) / u**2, gain * slope
        return known[key]

    u = root_finding.newton(
        lambda u: 1 - chord(u)[0],
        lambda u: 2 * (chord(u)[0] - chord(u)[1]) / u,
        np.full_like(start, SHORTEST),
        np.ones_like(start),
        np.sqrt(1 - start).clip(SHORTEST),
        tolerance=4 * closed_forms.ROUNDING,
    )
    return 1 - u**2, chord(u)[1]
