"""Gaussian moments at many points, and pair moments of any of them: few q stand for all, pairs come from a series.

Points are an example at a position of a map: tens of thousands of second moments, and up to millions of pairs. Pair
moments are closed forms or Mehler's series, to about 1e-6; ``kernel_moments`` has more digits for the pairs of a batch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian import closed_forms
from glorotlab.theory.gaussian.hermite_series import coefficients
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.theory.gaussian.moments import Row, moments_and_products

SMALL = 1e-8
"""Share of the largest second moment to which smaller ones are raised; their contribution to any mean is less."""

TERMS, TAIL = 48, 1e-7
"""Largest number of terms of a series, and the share of a second moment at which it ends earlier."""

TOLERANCE = 1e-9
"""Relative error of interpolation in ln q."""

CHUNK = 2**18
"""Number of pairs whose closed forms are computed at a time."""

Ends = Callable[[Array], tuple[Array, Array]]
"""Function from values at points to those at the first and the second points of pairs, which broadcast."""


class PointMoments:
    """Moments of f(s), s ~ N(0, q), at many points; where q = 0 they are those of s = 0.

    Parameters
    ----------
    record : Activation
    q : array
        Second moments, of any shape.

    Attributes
    ----------
    mean, second_moment, derivative_mean, derivative_second_moment, product_mean, product_second_moment : array
        E f, E f^2, E f', E f'^2, E f f' and E f^2 f'^2, of the shape of q.
    susceptibility : array
        dE f^2 / dq.
    error : float
        Relative error of pair moments so far.
    """

    def __init__(self, record: Activation, q: Array) -> None:
        self._record, self._zero = record, q == 0
        self._floor = SMALL * float(q.max(initial=0)) or 1.0
        self.q = np.maximum(q, self._floor)
        flat = self.q.ravel()
        nodes, self._weights = log_nodes(flat, TOLERANCE)
        self._nodes = nodes
        single, product, susceptibility = moments_and_products(record, nodes)
        at_zero = np.zeros(1)
        f, slope = float(record.function(at_zero)[0]), float(record.derivative(at_zero)[0])
        self._at_zero = (f, slope, f * slope)
        self.mean = self._spread(single.mean, f)
        self.second_moment = self._spread(single.second_moment, f**2)
        self.derivative_mean = self._spread(single.derivative_mean, slope)
        self.derivative_second_moment = self._spread(single.derivative_second_moment, slope**2)
        self.product_mean = self._spread(product, f * slope)
        self.product_second_moment = self._spread(single.product_second_moment, (f * slope) ** 2)
        self.susceptibility = self._spread(susceptibility, 0.0)
        self._fourths = nodes, single
        self.error = single.error
        self._series: dict[int, Array] = {}

    def _spread(self, values: Array, at_zero: float) -> Array:
        every = np.asarray(values @ self._weights).reshape(self.q.shape)
        every[self._zero] = at_zero
        return every

    def pairs(self, ends: Ends, kernel: Array) -> tuple[Array, Array]:
        """Return E f f and E f' f' of pairs of covariance ``kernel``."""
        rho = self._rho(ends, kernel)
        if closed_forms.has_pairs(self._record):
            found = self._closed(ends, rho)
            if found is not None:
                return found
        squares = self.second_moment, self.derivative_second_moment
        first, second = (
            self._sum(row, own, ends, rho) for row, own in zip((Row.F, Row.DERIVATIVE), squares, strict=True)
        )
        return first, second

    def products(self, ends: Ends, kernel: Array) -> Array:
        """Return E[(f f')(f f')] of pairs."""
        return self._sum(Row.PRODUCT, self.product_second_moment, ends, self._rho(ends, kernel))

    def _rho(self, ends: Ends, kernel: Array) -> Array:
        first, second = ends(1 / np.sqrt(self.q))
        return np.clip(kernel * first * second, -1, 1)

    def _closed(self, ends: Ends, rho: Array) -> tuple[Array, Array] | None:
        q1, q2 = (np.broadcast_to(own, rho.shape).ravel() for own in ends(self.q))
        flat, values = rho.ravel(), np.zeros((2, rho.size))
        q1, q2 = np.where(q1 > 0, q1, self._floor), np.where(q2 > 0, q2, self._floor)  # beyond the border
        for start in range(0, rho.size, CHUNK):
            part = slice(start, start + CHUNK)
            found = closed_forms.pairs(self._record, q1[part], q2[part], flat[part])
            if found is None:
                return None
            values[:, part] = found[:2]
        f, slope = values.reshape(2, *rho.shape)
        if self._zero.any():
            either = np.add(*(own.astype(np.float64) for own in ends(self._zero.astype(np.float64)))) > 0
            f = np.where(either, np.multiply(*ends(self.mean)), f)
            slope = np.where(either, np.multiply(*ends(self.derivative_mean)), slope)
        inside = np.multiply(*ends(np.ones_like(self.q)))
        return f * inside, slope * inside

    def _sum(self, row: Row, square: Array, ends: Ends, rho: Array) -> Array:
        """Return Mehler's series; what its terms leave of the second moments is put into one more."""
        if row not in self._series:
            self._series[row] = self._coefficients(row)
        series = self._series[row]
        total = np.zeros_like(rho)
        for own in series[::-1]:
            first, second = ends(own)
            total *= rho
            total += first * second
        rest = np.sqrt(np.clip(square - (series**2).sum(axis=0), 0, None))
        first, second = ends(rest)
        beyond = first * second * np.abs(rho) ** len(series)
        odd = self._record.odd and (row != Row.DERIVATIVE)
        if odd:
            beyond *= np.sign(rho)
        return np.asarray(total + beyond)

    def _coefficients(self, row: Row) -> Array:
        """Return Hermite coefficients at every point, (terms, *points): as many as leave out ``TAIL``."""
        few = coefficients(self._record, (row,), self._nodes, TERMS)[0]
        size = (few**2).sum(axis=0)
        left = 1 - np.cumsum(few**2, axis=0) / np.where(size > 0, size, 1)
        enough = int((left.max(axis=1) > TAIL).sum()) + 1
        every = (few[:enough] @ self._weights).reshape(-1, *self.q.shape)
        every[:, self._zero] = 0
        every[0, self._zero] = self._at_zero[{Row.F: 0, Row.DERIVATIVE: 1}.get(row, 2)]
        return np.asarray(every)
