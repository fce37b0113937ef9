"""Distribution of squared derivatives tau = f'(s)^2, s ~ N(0, q), the diagonal of a layer's Jacobian."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.special import ndtri

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.theory.gaussian import quadrature
from glorotlab.theory.gaussian.moments import sampled

NODES = 600
"""Approximate number of nodes of all layers of a product together; more layers smooth more."""

NEGLIGIBLE = 1e-18
"""Largest probability of a node that is left out."""

QUANTILES = 2**15
"""Number of quantiles of s that represent the distribution, with error 1 / QUANTILES."""

WINDOW = 0.01
"""Half-width in ln x of the window over which a density is averaged."""


class Population(NamedTuple):
    """Distribution of tau > 0 as nodes and weights; the weights' sum falls short of 1 by P(tau = 0)."""

    tau: Array
    weights: Array

    @property
    def share(self) -> float:
        """P(tau > 0)."""
        return float(self.weights.sum())

    def mean(self, power: float = 1) -> float:
        """E tau^power, or, where power is 0, E ln tau, over tau > 0."""
        return float(self.weights @ (self.tau**power if power else np.log(self.tau)))


def population(record: Activation, q: float, layers: int = 1) -> Population:
    """Return the distribution of f'(s)^2 for one layer in a product of ``layers``.

    Raises
    ------
    AssumptionError
        Where f' is 0.
    """
    at = np.array([q])
    few = len(sampled(record, at, quadrature.ORDER)[0])
    s, weights, values = sampled(record, at, quadrature.ORDER * math.ceil(NODES / (layers * few)))
    weights = weights * quadrature.density(s, at)[0]
    tau, places = np.unique(values[3], return_inverse=True)
    masses = np.bincount(places.ravel(), weights / weights.sum())
    if math.isinf(record.smoothness):  # f' of a smooth f is 0 at points only: here it is below the range of float64
        tau = np.maximum(tau, np.finfo(np.float64).tiny)
    keep = (masses > NEGLIGIBLE) & (tau > 0)
    if not keep.any():
        raise AssumptionError(f"f' of {record.name:.60} is 0, and so are all singular values")
    return Population(tau[keep], masses[keep] / (masses[keep].sum() + masses[tau == 0].sum()))


@dataclass(frozen=True)
class SlopeSpectrum:
    """Squared singular values g^2 f'(s)^2 of one layer with W'W = g^2 I, with the methods of ``FreeProduct``.

    Parameters
    ----------
    slopes : Population
        Distribution of f'(s)^2.
    gain : float
        g, the length of what was of length 1.
    units : int
    """

    slopes: Population
    gain: float
    units: int
    _ln_x: Array = field(repr=False)

    method: ClassVar[str] = "distribution of the slopes"

    @classmethod
    def of(cls, record: Activation, q: float, gain: float, units: int) -> SlopeSpectrum:
        """Return the spectrum of a layer whose pre-activations have second moment q."""
        s = math.sqrt(q) * ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES)
        values = gain * np.abs(np.asarray(record.derivative(s), dtype=np.float64))
        with np.errstate(divide="ignore"):
            return cls(population(record, q), gain, units, np.sort(2 * np.log(values)))

    @property
    def rank(self) -> float:
        """Number of singular values that are not 0."""
        return self.units * self.slopes.share

    @property
    def sum(self) -> float:
        """Sum of x_i."""
        return self.total(1)

    def total(self, power: float) -> float:
        """Return the sum of x_i^power, or, where it is 0, of ln x_i over the x_i that are not 0."""
        if power:
            return self.units * float(self.gain ** (2 * power)) * self.slopes.mean(power)
        return self.units * self.slopes.mean(0) + self.rank * 2 * math.log(self.gain)

    def distribution(self, ln_x: Array) -> tuple[Array, Array]:
        """Return the number of ln x_i above ln x and the density of that number, both of the shape of ln x."""
        before, above, after = (self._above(ln_x + shift) for shift in (-WINDOW, 0.0, WINDOW))
        return above, (before - after) / (2 * WINDOW)

    def _above(self, ln_x: Array) -> Array:
        return self.units * (1 - np.searchsorted(self._ln_x, ln_x, side="right") / QUANTILES)
