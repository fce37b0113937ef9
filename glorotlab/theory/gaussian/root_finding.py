"""Many bracketed roots at once, quantiles above all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array
from glorotlab.checks import real_array

Function = Callable[[Array], Array]

STEPS = 120
"""Largest number of steps; a dozen are usual."""

HALVES = 12
"""Step from which every third one halves the bracket, in case Newton's steps do not converge."""

ROUNDING = 16 * float(np.finfo(float).eps)
"""Relative width of a bracket, or size of a step, at which a root is found."""


def newton(
    function: Function, derivative: Function, low: Array, high: Array, start: Array, tolerance: Array | float = 0.0
) -> Array:
    """Solve function(x) = 0 for a function that is negative at ``low`` and positive at ``high``, elementwise.

    It takes Newton's steps from ``start`` where they stay in the bracket, and halves the bracket elsewhere; a value
    within ``tolerance`` of 0 is taken as 0.
    """
    x = start
    for step in range(STEPS):
        value = function(x)
        zero = np.abs(value) <= tolerance
        low, high = np.where(value < 0, x, low), np.where(value < 0, high, x)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            guess = np.where(zero, x, x - value / derivative(x))
        inside = (guess >= low) & (guess <= high)
        if step >= HALVES and step % 3 == 0:
            inside &= zero
        new = np.where(inside, guess, (low + high) / 2)
        size = ROUNDING * np.abs(x)
        if ((inside & (np.abs(new - x) <= size)) | (high - low <= size)).all():
            return new
        x = new
    return x


def bisect(function: Function, low: Array, high: Array) -> Array:
    """Find where a function turns from negative to positive between ``low`` and ``high``."""
    for _ in range(STEPS):
        if (high - low <= ROUNDING * np.maximum(np.abs(low), np.abs(high))).all():
            break
        x = (low + high) / 2
        negative = function(x) < 0
        low, high = np.where(negative, x, low), np.where(negative, high, x)
    return high


def probabilities(p: npt.ArrayLike) -> Array:
    """Return p as an array; InvalidValueError where one is not between 0 and 1, ends left out."""
    return real_array("probability", p, 0, 1, open_low=True, open_high=True)
