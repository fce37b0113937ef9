"""Mixture of a shifted and scaled base law: the distribution of a gradient given all but its last random weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from glorotlab.arrays import Array
from glorotlab.checks import points
from glorotlab.initializers import TRUNCATED_VARIANCE, TRUNCATION
from glorotlab.theory.gaussian.root_finding import bisect, probabilities

_ROOT = math.sqrt(TRUNCATED_VARIANCE)
_INSIDE = float(ndtr(TRUNCATION) - ndtr(-TRUNCATION))


def _gaussian(t: Array) -> Array:
    return np.asarray(np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi))


BASES: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "normal": (ndtr, _gaussian),
    "uniform": (
        lambda t: np.clip((t / math.sqrt(3) + 1) / 2, 0, 1),
        lambda t: (np.abs(t) < math.sqrt(3)) / (2 * math.sqrt(3)),
    ),
    "truncated_normal": (
        lambda t: np.clip((ndtr(_ROOT * t) - ndtr(-TRUNCATION)) / _INSIDE, 0, 1),
        lambda t: (np.abs(_ROOT * t) < TRUNCATION) * _gaussian(_ROOT * t) * (_ROOT / _INSIDE),
    ),
}
"""Distribution functions and densities of the base laws, of mean 0 and variance 1."""


@dataclass(frozen=True)
class LocationScale:
    """Law of center + scale * t, t of a base law, for (center, scale) equally likely among draws.

    A scale of 0, where the activation is flat, is a mass at the center.

    Parameters
    ----------
    base : str
        One of ``BASES``.
    centers, scales : (draws,)
    together : int
        Draws in a row that are not independent of each other: standard errors count them as one.
    """

    base: str
    centres: Array
    scales: Array
    together: int = 1

    def _error(self, values: Array) -> float:
        """Return the standard error of the mean of one value a draw."""
        independent = values.reshape(-1, self.together).mean(axis=1)
        return float(independent.std() / math.sqrt(len(independent)))

    def _shares(self, x: float, *, strict: bool) -> Array:
        """Return P(X < x) if strict, else P(X <= x), for every draw."""
        off, flat = x - self.centres, self.scales == 0
        share = BASES[self.base][0](off / np.where(flat, 1, self.scales))
        return np.where(flat, off > 0 if strict else off >= 0, share)

    def cdf(self, x: npt.ArrayLike) -> Array:
        """Return P(X <= x), of the shape of x."""
        at = points("x", x)
        return np.array([self._shares(point, strict=False).mean() for point in at.ravel()]).reshape(at.shape)

    def density(self, x: npt.ArrayLike) -> Array:
        """Return the density at x, of the shape of x, without the masses of flat activations."""
        at = points("x", x)
        law, keep = BASES[self.base][1], self.scales > 0
        centres, scales = self.centres[keep], self.scales[keep]
        sums = np.array([(law((point - centres) / scales) / scales).sum() for point in at.ravel()])
        return sums.reshape(at.shape) / len(self.scales)

    def mass(self, edges: npt.ArrayLike) -> Array:
        """Return the probability of every bin [edge, next edge); the outermost also hold what lies beyond."""
        return self.mass_and_error(edges)[0]

    def mass_and_error(self, edges: npt.ArrayLike) -> tuple[Array, Array]:
        """Return the mass of every bin and its standard error from the draws."""
        bins, below = [], np.zeros(len(self.scales))
        for edge in points("edges", edges)[1:-1]:
            upto = self._shares(edge, strict=True)
            bins.append(((upto - below).mean(), self._error(upto - below)))
            below = upto
        mass, error = np.array([*bins, ((1 - below).mean(), self._error(below))]).T
        return mass, error

    def second_moment(self) -> tuple[float, float]:
        """Return E X^2 and its standard error."""
        squares = self.centres**2 + self.scales**2
        return float(squares.mean()), self._error(squares)

    def quantile(self, p: npt.ArrayLike) -> Array:
        """Return the smallest x with P(X <= x) >= p, of the shape of p.

        Raises
        ------
        InvalidValueError
            Where a probability is not between 0 and 1.
        """
        shares = probabilities(p)
        reach = float((np.abs(self.centres) + 9 * self.scales).max())
        flat = shares.ravel()
        ends = np.full(flat.shape, reach)
        return bisect(lambda x: self.cdf(x) - flat, -ends, ends).reshape(shares.shape)
