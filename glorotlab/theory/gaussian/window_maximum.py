"""Moments of the largest of a few correlated Gaussian numbers, of one window or of two, at many places.

No closed form is known for the product of two windows' maxima: a Sobol rule (Owen-scrambled), turned by a rotation of
its own at every place, so that errors are independent and average out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from glorotlab.arrays import Array, FloatArray
from glorotlab.streams import Purpose, generator
from glorotlab.theory.gaussian.sampling import covariance_root, sobol_normal

BLOCK = 2**21
"""Number of random numbers drawn at a time."""


class Maxima(NamedTuple):
    """Moments of f at the largest of each window, each (places, ...).

    Parameters
    ----------
    mean : (places,)
        E f of the first window.
    product : (places,)
        E f f of both.
    slopes, slope_products : (places,)
        E f' f' and E (f f') (f f') of both.
    chosen, chosen_slopes : (places, size, size)
        Probability that element i of the first and j of the second window are the largest, and E f' f' there.
    """

    mean: Array
    product: Array
    slopes: Array
    slope_products: Array
    chosen: Array
    chosen_slopes: Array


def maxima(
    covariance: Array,
    size: int,
    function: Callable[[FloatArray], FloatArray],
    derivative: Callable[[FloatArray], FloatArray],
    *,
    draws: int,
    before: bool,
) -> Maxima:
    """Return the moments of windows of ``size`` elements.

    Parameters
    ----------
    covariance : (places, elements, elements)
        Of the elements s of one window, which then counts as both, or of two, one behind the other.
    size : int
    function, derivative : callable
        f and f'.
    draws : int
        A power of 2.
    before : bool
        Whether the largest f(s) is taken, not f of the largest s.
    """
    places, elements = covariance.shape[:2]
    result = Maxima(*np.empty((4, places)), *np.empty((2, places, size, size)))
    step = max(1, BLOCK // (elements * draws))
    points, random = sobol_normal(elements, draws), generator(0, Purpose.WINDOWS)
    for start in range(0, places, step):
        own = slice(start, start + step)
        root = covariance_root(covariance[own])
        turn = np.linalg.qr(random.normal(size=root.shape))[0]
        s = (root @ turn) @ points
        values = np.asarray(function(s) if before else s, dtype=np.float64)
        largest, other = (_largest(values, s, window) for window in (slice(0, size), slice(elements - size, None)))
        f, g = (top if before else function(top) for _, top, _ in (largest, other))
        slope, across = (derivative(argument) for _, _, argument in (largest, other))
        result.mean[own], result.product[own] = f.mean(axis=1), (f * g).mean(axis=1)
        result.slopes[own] = (slope * across).mean(axis=1)
        result.slope_products[own] = (f * g * slope * across).mean(axis=1)
        one, two = largest[0], other[0]
        result.chosen[own] = one @ np.swapaxes(two, 1, 2) / draws
        weights = (slope * across)[:, np.newaxis]
        result.chosen_slopes[own] = (one * weights) @ np.swapaxes(two, 1, 2) / draws
    return result


def _largest(values: Array, s: Array, window: slice) -> tuple[Array, Array, Array]:
    """Return which element of a window is the largest, 0 or 1 (places, size, draws), its value and its s."""
    own, arguments = values[:, window], s[:, window]
    place = own.argmax(axis=1)[:, np.newaxis]
    top = np.take_along_axis(own, place, axis=1)[:, 0]
    chosen = (np.arange(own.shape[1])[:, np.newaxis] == place).astype(np.float64)
    return chosen, top, np.take_along_axis(arguments, place, axis=1)[:, 0]
