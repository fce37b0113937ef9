"""Predictors: the few numbers that the probability that a network trains rests on.

All are logarithms to base 10, so that a coefficient is log odds for powers of ten. Each ends where networks beyond are
alike: what has vanished can vanish no more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from glorotlab.theory.advice.numbers import Numbers

LEAST, MOST = 1e-12, 1e12
"""Range to which the predictors are clipped."""


@dataclass(frozen=True)
class Predictors:
    """The predictors of whether a network trains, in powers of ten.

    Parameters
    ----------
    updates : float
        Of ``Numbers.updates``, the order of the number of updates that tell the classes apart.
    fluctuation : float
        Of the relative variance between networks of a weight's gradient: that of the signal and that of dC/ds.
    coherence : float
        Of the tangent kernel's coherence, up to 1: how much of what an update on one example does others share. Chaos
        leaves none.
    separation : float
        Of ``Numbers.separation``, the share of the inputs' variance that lies along the classes.
    """

    updates: float
    fluctuation: float
    coherence: float
    separation: float


def predictors(numbers: Numbers) -> Predictors:
    """Return the predictors of a network's numbers."""
    return Predictors(
        _power(numbers.updates),
        _power(numbers.fluctuation + numbers.gradient_fluctuation),
        _power(min(numbers.coherence, 1.0)),
        _power(numbers.separation),
    )


def _power(value: float) -> float:
    """Return log10 of a number from 0, cut off."""
    return math.log10(min(max(value, LEAST), MOST))
