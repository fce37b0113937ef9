"""Distribution of z = f(s) where s is a mixture of Gaussians: a layer's activations at initialization.

Pre-activations of a wide layer are Gaussian, with one variance for each example (Lee et al. 2018, "Deep neural
networks as Gaussian processes"). f is cut into pieces on which it is monotone, so that the set where f <= z is a
union of intervals: distribution function, density phi(s) / |f'(s)| at every f(s) = z, quantiles and tails follow for
any activation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.checks import points
from glorotlab.schema import QUANTILES, SATURATION_THRESHOLD
from glorotlab.theory.distributions import kurtosis
from glorotlab.theory.gaussian import quadrature
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.theory.gaussian.moments import Row, sampled
from glorotlab.theory.gaussian.root_finding import ROUNDING, bisect, newton, probabilities

MIXTURE_ERROR = 1e-10
"""Error of a mixture's distribution function when a few variances represent those of all examples."""

REACH = 9.0
"""Range of s in units of the largest standard deviation; the probability beyond is 2e-19."""

QUANTILE_ERROR = 1e-10
"""Error of the probability at a quantile where f is not monotone, or of the quantile, relative to its size."""

BRACKETS = 1024
"""Number of values of f that bracket a quantile at first."""


@dataclass(frozen=True)
class GaussianMixture:
    """Mixture of laws of deviation^2, Gaussian but for an excess kurtosis; see ``kurtosis``.

    Parameters
    ----------
    deviations, weights : (components,)
        The weights sum to 1 and, being interpolated, may be negative.
    excess : float
        Excess kurtosis of each component.
    """

    deviations: Array
    weights: Array
    excess: float = 0.0

    @classmethod
    def of(cls, q: Array, excess: Array | float = 0.0) -> GaussianMixture:
        """Return the mixture over examples of second moments ``q``, (examples,), with few components.

        Each has the mean over examples of their excess kurtosis.
        """
        nodes, weights = log_nodes(q, MIXTURE_ERROR, strip=math.pi / 2)
        return cls(np.sqrt(nodes), weights.mean(axis=-1), float(np.mean(excess)))

    def cdf(self, s: Array) -> Array:
        """Return P(S <= s)."""
        return np.asarray(kurtosis.cdf(s[..., np.newaxis] / self.deviations, self.excess) @ self.weights)

    def density(self, s: Array) -> Array:
        """Return the density at s."""
        scaled = s[..., np.newaxis] / self.deviations
        return np.asarray(kurtosis.density(scaled, self.excess) @ (self.weights / self.deviations))

    def quantile(self, p: Array) -> Array:
        """Return s with P(S <= s) = p."""
        standard = kurtosis.quantile(p, self.excess)
        if len(self.weights) == 1:
            return np.asarray(self.deviations[0] * standard)
        ends = standard[:, np.newaxis] * self.deviations
        low, high = ends.min(axis=1), ends.max(axis=1)
        return newton(lambda s: self.cdf(s) - p, self.density, low, high, (low + high) / 2, 1e-15)


class _Piece(NamedTuple):
    """A piece of f, monotone from s[0] to s[-1]; ``direction`` is 1, -1 or, where f is constant, 0."""

    s: Array
    f: Array
    direction: int


@dataclass(frozen=True)
class Pushforward:
    """Distribution of f(s) for a Gaussian mixture s.

    Parameters
    ----------
    record : Activation
    mixture : GaussianMixture
    """

    record: Activation
    mixture: GaussianMixture

    @classmethod
    def of(cls, record: Activation, q: Array, excess: Array | float = 0.0) -> Pushforward:
        """Return that of activations; their pre-activations have second moments ``q`` and this excess, (examples,)."""
        return cls(record, GaussianMixture.of(q, excess))

    @cached_property
    def _pieces(self) -> list[_Piece]:
        """The monotone pieces, from left to right."""
        outer = REACH * float(self.mixture.deviations.max())
        s, _, values = sampled(self.record, self.mixture.deviations**2, quadrature.ORDER)
        inside = np.abs(s) < outer
        s, derivative = s[inside], values[Row.DERIVATIVE, inside]
        turns = np.flatnonzero(derivative[1:] * derivative[:-1] < 0)
        if len(turns):
            rising = np.sign(derivative[turns + 1])
            critical = bisect(lambda at: rising * self._derivative(at), s[turns], s[turns + 1])
            s = np.concatenate([s, critical])
        kinks = np.array([kink for kink in self.record.kinks if abs(kink) < outer])
        s = np.unique(np.concatenate([s, [-outer, outer], kinks, np.nextafter(kinks, math.inf)]))
        f = self._f(s)
        direction = np.sign(np.diff(f)).astype(int)
        cuts = np.flatnonzero(np.diff(direction)) + 1
        bounds = [0, *cuts.tolist(), len(direction)]
        return [_Piece(s[a : b + 1], f[a : b + 1], int(direction[a])) for a, b in pairwise(bounds)]

    @property
    def increasing(self) -> bool:
        """Whether f never falls."""
        return not any(piece.direction < 0 for piece in self._pieces)

    def _f(self, s: Array) -> Array:
        return np.asarray(self.record.function(s), dtype=np.float64)

    def _derivative(self, s: Array) -> Array:
        return np.asarray(self.record.derivative(s), dtype=np.float64)

    def _level(self, piece: _Piece, z: Array) -> Array:
        """Return s of a rising or falling piece with f(s) = z, for z in its range."""
        sign = piece.direction
        place = np.clip(np.searchsorted(sign * piece.f, sign * z) - 1, 0, len(piece.s) - 2)
        low, high = piece.s[place], piece.s[place + 1]
        share = (z - piece.f[place]) / (piece.f[place + 1] - piece.f[place])
        return newton(
            lambda s: sign * (self._f(s) - z),
            lambda s: sign * self._derivative(s),
            low,
            high,
            low + share * (high - low),
            ROUNDING * np.abs(z),
        )

    def _below(self, z: Array, *, strict: bool) -> Array:
        """Return P(Z < z) if strict, else P(Z <= z)."""
        total = np.zeros(z.shape)
        for piece in self._pieces:
            ends = self.mixture.cdf(piece.s[[0, -1]])
            low, high = sorted((float(piece.f[0]), float(piece.f[-1])))
            total += (ends[1] - ends[0]) * ((z > high) | ((z == high) & (not strict or piece.direction != 0)))
            inside = (z > low) & (z < high)
            if inside.any():
                at = self.mixture.cdf(self._level(piece, z[inside]))
                total[inside] += at - ends[0] if piece.direction > 0 else ends[1] - at
        return total

    def cdf(self, z: npt.ArrayLike) -> Array:
        """Return P(Z <= z), of the shape of z."""
        at = points("z", z)
        return self._below(at.ravel(), strict=False).reshape(at.shape)

    def density(self, z: npt.ArrayLike) -> Array:
        """Return the density at z, of the shape of z, without the masses of values at which f is constant."""
        at = points("z", z).ravel()
        total = np.zeros(at.shape)
        for piece in self._pieces:
            low, high = sorted((float(piece.f[0]), float(piece.f[-1])))
            inside = (at > low) & (at < high)
            if inside.any():
                s = self._level(piece, at[inside])
                with np.errstate(divide="ignore"):
                    total[inside] += self.mixture.density(s) / np.abs(self._derivative(s))
        return total.reshape(np.shape(z))

    def mass(self, edges: npt.ArrayLike) -> Array:
        """Return the probability of every bin [edge, next edge); the outermost also hold what lies beyond."""
        below = self._below(points("edges", edges)[1:-1], strict=True)
        return np.diff(below, prepend=0.0, append=1.0)

    def quantile(self, p: npt.ArrayLike) -> Array:
        """Return the smallest z with P(Z <= z) >= p, of the shape of p.

        Raises
        ------
        InvalidValueError
            Where a probability is not between 0 and 1.
        """
        shares = probabilities(p)
        flat = shares.ravel()
        if self.increasing:
            values = self._f(self.mixture.quantile(flat))
        elif not any(piece.direction > 0 for piece in self._pieces):
            values = self._f(-self.mixture.quantile(flat))  # s is symmetric
        else:
            levels = np.unique(np.concatenate([piece.f for piece in self._pieces]))
            levels = np.concatenate([levels[:: 1 + len(levels) // BRACKETS], levels[-1:]])
            known = np.maximum.accumulate(self.cdf(levels))
            place = np.clip(np.searchsorted(known, flat), 1, len(levels) - 1)
            low, high = levels[place - 1], levels[place]
            share = np.clip((flat - known[place - 1]) / (known[place] - known[place - 1] + 1e-300), 0, 1)
            start = low + share * (high - low)
            values = newton(lambda z: self.cdf(z) - flat, self.density, low, high, start, QUANTILE_ERROR)
        return values.reshape(shares.shape)

    def saturated(self, threshold: float) -> Array:
        """Return the intervals of s, (intervals, 2), where |f| > threshold max |f|; f must be bounded."""
        t = np.array([threshold * (self.record.bound or math.nan)])
        intervals = []
        for piece in self._pieces:
            for sign in (1, -1):  # where sign * f > t
                first, last = sign * piece.f[0], sign * piece.f[-1]
                if max(first, last) <= t[0]:
                    continue
                start, end = piece.s[0], piece.s[-1]
                if min(first, last) < t[0]:
                    level = self._level(piece, sign * t)[0]
                    start, end = (level, end) if last > first else (start, level)
                intervals.append((start, end))
        return np.array(intervals).reshape(-1, 2)

    def saturation(self, threshold: float) -> float:
        """Return P(|Z| > threshold max |f|), NaN where f is not bounded."""
        if self.record.bound is None:
            return math.nan
        return float(np.diff(self.mixture.cdf(self.saturated(threshold))).sum())


def quantiles_and_saturation(record: Activation, q: Array, excess: Array | None = None) -> tuple[Array, Array]:
    """Return ``QUANTILES`` of z = f(s) and its saturation for a stack of mixtures.

    Parameters
    ----------
    record : Activation
    q : (layers, examples)
        Second moments of s.
    excess : (layers, examples), optional
        Excess kurtosis of s; 0 by default.

    Returns
    -------
    quantiles : (layers, quantiles)
    saturation : (layers,)
        It is NaN where f is not bounded.
    """
    excess = np.zeros_like(q) if excess is None else excess
    if q.shape[1] > 1:
        laws = [Pushforward.of(record, *row) for row in zip(q, excess, strict=True)]
        quantiles = np.array([law.quantile(QUANTILES) for law in laws])
        return quantiles, np.array([law.saturation(SATURATION_THRESHOLD) for law in laws])
    widest, deviations = Pushforward.of(record, q.max(axis=0)), np.sqrt(q)
    if widest.increasing:
        standard = kurtosis.quantile(np.array(QUANTILES), excess)
        quantiles = np.asarray(record.function(deviations * standard), dtype=np.float64)
    else:
        known, places = np.unique(np.hstack([q, excess]), axis=0, return_inverse=True)  # deep networks settle
        quantiles = np.array([Pushforward.of(record, own[:1], own[1]).quantile(QUANTILES) for own in known])
        quantiles = quantiles[places.ravel()]
    if record.bound is None:
        return quantiles, np.full(len(q), math.nan)
    starts, ends = widest.saturated(SATURATION_THRESHOLD).T
    shares = kurtosis.cdf(ends / deviations, excess) - kurtosis.cdf(starts / deviations, excess)
    return quantiles, np.asarray(shares.sum(axis=1))
