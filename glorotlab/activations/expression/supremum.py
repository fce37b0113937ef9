"""The supremum of |f| of a bounded expression whose interval arithmetic is too coarse to give it."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from glorotlab.arrays import FloatArray

Function = Callable[[FloatArray], FloatArray]

LINEAR = 30.0
"""Size of x up to which the function is sampled in equal steps."""

STEPS = (101, 331)
"""Numbers of steps from 0 to 1 of two searches, which must find the same supremum."""

FAR = (1e150, 1e300)
"""Points at which limits at infinity are evaluated; if one is the supremum, it must be the same at both."""

TOLERANCE = 1e-9
"""Relative difference up to which two suprema count as equal."""

HALVES = 60
"""Number of times a bracket of a turning point is halved."""


def supremum(function: Function, derivative: Function, kinks: Sequence[float]) -> float | None:
    """Return the largest |f| at turning points, at kinks and at infinity.

    A peak narrower than a hundredth between x = -30 and 30, or than a hundredth of its place elsewhere, may be missed.

    Parameters
    ----------
    function, derivative : callable
        f, which is bounded, and f' on arrays of float64.
    kinks : sequence of float
        Where f' jumps.

    Returns
    -------
    float or None
        None where f is 0, or where two searches differ or limits at infinity are not reached: f turns too often, or
        approaches its limit too slowly.
    """
    suprema = [_largest(function, derivative, _grid(steps, kinks)) for steps in STEPS]
    far, limit = (float(np.abs(function(np.array([-x, x]))).max()) for x in FAR)
    largest = max(*suprema, far, limit)
    if not 0 < largest < math.inf:
        return None
    enough = largest * (1 - TOLERANCE)
    seen, in_the_limit = min(suprema) >= enough, min(far, limit) >= enough
    return largest if seen or in_the_limit else None


def _grid(steps: int, kinks: Sequence[float]) -> FloatArray:
    values = np.concatenate([np.arange(1, LINEAR * steps) / steps, np.geomspace(1e-8, 1e7, 15 * steps)])
    return np.unique(np.concatenate([-values, [0.0], values, kinks]))


def _largest(function: Function, derivative: Function, s: FloatArray) -> float:
    """Return the largest |f| at points and at the turning points between them."""
    slopes = np.sign(derivative(s))
    turns = np.flatnonzero(slopes[1:] * slopes[:-1] < 0)
    low, high, before = s[turns], s[turns + 1], slopes[turns]
    for _ in range(HALVES):
        middle = (low + high) / 2
        same = np.sign(derivative(middle)) == before
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    values = np.abs(function(np.concatenate([s, low, high])))
    return float(values.max())
