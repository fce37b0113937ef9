"""Laws of independent weights, and tests of a law of known mean and variance.

A fit is four tests of a law without free parameters, so that nothing is estimated: the mean; the mean square; the
largest size, which determines a bound to one part in N; and Kolmogorov's distance. The p-value is Bonferroni's of the
four. All four are exact for normal weights and the last two for every law; the mean of others is taken as normal, whose
tails are heavier than those of bounded weights, and their mean square as normal or as gamma, whichever says more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from glorotlab.initializers import TRUNCATED_VARIANCE, TRUNCATION

if TYPE_CHECKING:
    from glorotlab.arrays import Array

LARGEST_SORTED = 200_000
"""Largest number of weights of Kolmogorov's distance, evenly spaced among more."""

FEW_OF_COARSE = 4_000
"""The same number for weights in 16 bits, whose rounding more weights would reveal."""

EXACT_DISTANCE = 200
"""Largest number of weights for which the distribution of Kolmogorov's distance is summed exactly."""

TESTS = 4
"""Tests of a fit."""

_INSIDE = 1 - math.erfc(TRUNCATION / math.sqrt(2))
_PARENT = 1 / math.sqrt(TRUNCATED_VARIANCE)  # standard deviation before truncation of a truncated one of variance 1


def _truncated_tail(x: float) -> float:
    return float(special.erfc(x / (_PARENT * math.sqrt(2))) - (1 - _INSIDE)) / _INSIDE


@dataclass(frozen=True)
class Law:
    """A symmetric law of variance 1.

    Parameters
    ----------
    name : str
        ``uniform``, ``normal`` or ``truncated_normal``.
    bound : float
        Largest size; infinite where there is none.
    fourth : float
        E X^4.
    cdf : callable
        The distribution function, of an array inside the bound.
    tail : callable
        P(abs X > x) of a number from 0 to the bound.
    entropy : callable
        Minus the mean logarithm of the density, given a mean square m2 of the weights: -log p averaged.
    """

    name: str
    bound: float
    fourth: float
    cdf: Callable[[Array], Array]
    tail: Callable[[float], float]
    entropy: Callable[[float], float]


LAWS = {
    law.name: law
    for law in (
        Law(
            "uniform",
            math.sqrt(3),
            9 / 5,
            lambda x: (x / math.sqrt(3) + 1) / 2,
            lambda x: 1 - x / math.sqrt(3),
            lambda m2: math.log(2 * math.sqrt(3)),
        ),
        Law(
            "normal",
            math.inf,
            3.0,
            special.ndtr,
            lambda x: math.erfc(x / math.sqrt(2)),
            lambda m2: (math.log(2 * math.pi) + m2) / 2,
        ),
        Law(
            "truncated_normal",
            TRUNCATION * _PARENT,
            # E Z^4 = 3 E Z^2 - c^2 (1 - E Z^2) of Z = N(0, 1) in [-c, c], by parts, since E Z^2 = 1 - 2 c phi(c) / P
            (3 * TRUNCATED_VARIANCE - TRUNCATION**2 * (1 - TRUNCATED_VARIANCE)) / TRUNCATED_VARIANCE**2,
            lambda x: (special.ndtr(x / _PARENT) - (1 - _INSIDE) / 2) / _INSIDE,
            _truncated_tail,
            lambda m2: math.log(_INSIDE * _PARENT * math.sqrt(2 * math.pi)) + m2 / (2 * _PARENT**2),
        ),
    )
}


@dataclass(frozen=True, eq=False)
class Sample:
    """Weights that are treated as independent draws.

    Parameters
    ----------
    values : ndarray of float64
        All of them, one axis; at least one.
    precision : float
        Relative rounding of the type that they were kept in.
    """

    values: Array
    precision: float

    @cached_property
    def mean(self) -> float:
        """Mean of the weights."""
        return float(self.values.mean())

    @cached_property
    def second_moment(self) -> float:
        """Mean square of the weights."""
        return float(np.vdot(self.values, self.values)) / self.values.size

    @cached_property
    def largest(self) -> float:
        """Largest absolute weight."""
        return float(np.abs(self.values).max())

    @cached_property
    def ordered(self) -> Array:
        """Some or all weights in ascending order."""
        most = LARGEST_SORTED if self.precision < 1e-4 else FEW_OF_COARSE
        step = -(-self.values.size // most)
        return np.sort(self.values[::step])

    def centred(self) -> Sample:
        """Return the weights minus their mean."""
        return Sample(self.values - self.mean, self.precision)

    @cached_property
    def relative_error(self) -> float:
        """Relative standard error of the mean square, sqrt((kurtosis - 1) / N), with the kurtosis of a sample."""
        squares = self.values[:: -(-self.values.size // LARGEST_SORTED)] ** 2
        if not squares.any():
            return 0.0
        kurtosis = float(np.mean(squares**2)) / float(np.mean(squares)) ** 2
        return math.sqrt(max(0.0, kurtosis - 1) / self.values.size)


def p_value(sample: Sample, law: Law, variance: float, low: float = 0.0) -> float:
    """Return the p-value of weights that follow a law of mean 0 and a variance.

    Parameters
    ----------
    sample : Sample
    law : Law
    variance : float
        Above 0.
    low : float
        Where the three quick tests give this or less, the distance is not asked for.

    Returns
    -------
    float
        In [0, 1]; 0 where a weight lies beyond the law's bound.
    """
    std = math.sqrt(variance)
    if sample.largest > law.bound * std * (1 + 4 * sample.precision):
        return 0.0
    least = min(_mean(sample, std), _mean_square(sample, law, variance), _extreme(sample, law, std))
    if TESTS * least > low:
        least = min(least, distance_p_value(sample, law, std))
    return min(1.0, TESTS * least)


def log_likelihood(sample: Sample, law: Law, variance: float) -> float:
    """Return the log density of all weights, which is -inf if one lies beyond the bound."""
    std = math.sqrt(variance)
    if sample.largest > law.bound * std * (1 + 4 * sample.precision):
        return -math.inf
    return -sample.values.size * (math.log(std) + law.entropy(sample.second_moment / variance))


def distance_p_value(sample: Sample, law: Law, std: float) -> float:
    """Return the p-value of Kolmogorov's distance, which is too large, never too small, if ``std`` was fitted."""
    x, n = sample.ordered / std, sample.ordered.size
    cdf = np.clip(law.cdf(np.clip(x, -law.bound, law.bound)), 0, 1)
    steps = np.arange(n + 1) / n
    distance = max(float((steps[1:] - cdf).max()), float((cdf - steps[:-1]).max()))
    return min(1.0, 2 * _one_sided(distance, n))


def _one_sided(distance: float, n: int) -> float:
    """Return P(D+ >= distance); twice it bounds P(D >= distance), and equals it within 1 % below .3.

    Exact for few weights; else the limit with the correction of order 1 / sqrt(n) of Maag and Dicaire (1971), which is
    at most .1 % too small anywhere, and too large where p is below 1e-6. SciPy's ``kstwo`` takes seconds for many.
    """
    if n <= EXACT_DISTANCE:
        return float(special.smirnov(n, min(1.0, distance)))
    return math.exp(-((6 * n * distance + 1) ** 2) / (18 * n))


def _mean(sample: Sample, std: float) -> float:
    return math.erfc(abs(sample.mean) * math.sqrt(sample.values.size / 2) / std)


def _mean_square(sample: Sample, law: Law, variance: float) -> float:
    """Return the two-sided p-value of the mean square, which is chi squared for normal weights."""
    ratio, shape = sample.second_moment / variance, sample.values.size / (law.fourth - 1)
    gamma = 2 * min(float(special.gammainc(shape, shape * ratio)), float(special.gammaincc(shape, shape * ratio)))
    if law.name == "normal":
        return gamma
    return max(gamma, math.erfc(abs(ratio - 1) * math.sqrt(shape / 2)))


def _extreme(sample: Sample, law: Law, std: float) -> float:
    """Return the p-value of the largest size: two-sided, or one-sided for a bounded law."""

    def log_all_smaller(size: float) -> float:
        tail = max(0.0, law.tail(min(size / std, law.bound)))
        return -math.inf if tail >= 1 else sample.values.size * math.log1p(-tail)

    below = math.exp(log_all_smaller(sample.largest * (1 + sample.precision)))  # it may have been rounded down, or up
    if math.isfinite(law.bound):
        return below
    return 2 * min(below, -math.expm1(log_all_smaller(sample.largest * (1 - sample.precision))))
