"""Singular values of J = D_L W_L' ... D_1 W_1' for wide layers, D_l = diag f'(s_l): free multiplicative convolution.

Wide independent matrices are free (Voiculescu 1987; for networks Pennington, Schoenholz & Ganguli 2017, 2018, and
Pastur 2020), so that S-transforms of their squared singular values x_i multiply: with U(z) = sum_i z x_i / (1 - z x_i)
one equation z(u) = prod_l y_l(u) R(u) holds for all layers. Moments are integrals over z < 0; the distribution is read
off at z = 1 / x. docs/theory/spectra.md has the equations, and says why Newton's method follows the right branch.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.theory.gaussian.root_finding import newton
from glorotlab.theory.spectra.slope_distribution import Population

Complex = npt.NDArray[np.complexfloating[Any, Any]]

BLUR = 1e-3
"""Largest arg z at which a spectrum is taken, relative to the width of ln x where that is below 1.

Only atoms show it."""

SHARPEST = 1e-6
"""Smallest arg z at which a spectrum is taken, even where the width of ln x is 0."""

STEP, REACH = 0.25, (-60.0, 40.0)
"""Step and ends of the trapezoid rule in ln(k / (r - k)).

The integrand falls at least like exp(-|.| / 2) to the left, exp(-.) to the right: what is left out is below 1e-12.
``FreeProduct.error`` compares with twice the step."""

TURNS, LAST_TURN, RATIO = 16, 0.3, 0.6
"""Steps of arg z: equal ones from pi to ``LAST_TURN``, then in equal ratios down to ``FreeProduct.blur``."""

POLISH = 5
"""Number of Newton steps at the end of the search; before, one step per arg z follows the solution."""

NEAREST = 25.0
"""Largest ln(k / (r - k)) a solution starts from: nearer to the rank r - k is lost in rounding. What x is beyond counts
as the last one, which leaves out exp(-25) of the x_i."""

POINTS = 512
"""Number of values of x solved for at a time."""


class _Solution(NamedTuple):
    """A solution: u, r + u without cancellation, and ln y_l in the rows of eta."""

    u: Complex
    rest: Complex
    eta: Complex


@dataclass(frozen=True)
class FreeProduct:
    """The squared singular values of a product of layer Jacobians.

    Parameters
    ----------
    sizes : (layers + 1,)
        n_0, ..., n_L.
    populations : (layers,)
        Distributions of f'(s_l)^2, l = 1, ..., L.
    variances : (layers,)
        Var[W_l].
    orthogonal : bool
        Whether the W_l are orthogonal, else independent.
    """

    sizes: tuple[int, ...]
    populations: tuple[Population, ...]
    variances: tuple[float, ...]
    orthogonal: bool

    method: ClassVar[str] = "free multiplicative convolution"

    @cached_property
    def rank(self) -> float:
        """Number of singular values that are not 0."""
        return min(float(self.sizes[0]), *self._ranks)

    @cached_property
    def _ranks(self) -> list[float]:
        """Rank of each D_l."""
        return [n * population.share for n, population in zip(self.sizes[1:], self.populations, strict=True)]

    @cached_property
    def _factors(self) -> tuple[dict[int, int], float]:
        """R as exponents of (size + u), size 0 for u itself, and the logarithm of its constant."""
        powers: Counter[int] = Counter()
        constant, last = 0.0, len(self.populations)
        for layer, variance in enumerate(self.variances, start=1):
            above, below = self.sizes[layer], self.sizes[layer - 1]
            if self.orthogonal:
                powers[min(above, below)] -= 1
                powers[above] += 1
                variance = variance * max(above, below)
            else:
                powers[below] -= 1
            constant -= math.log(variance)
            if layer < last:
                powers[above] += 1
                powers[0] -= 1
        return {size: power for size, power in powers.items() if power}, constant

    def _shifted(self, size: float, u: Any, rest: Any) -> Any:
        """Return size + u without cancellation near u = -r."""
        return u if size == 0 else (size - self.rank) + rest

    def _ln_r(self, u: Any, rest: Any) -> tuple[Any, Any]:
        """Return ln R and its derivative."""
        powers, constant = self._factors
        value, derivative = constant + 0 * u, 0 * u
        for size, power in powers.items():
            term = self._shifted(size, u, rest)
            value, derivative = value + power * np.log(term), derivative + power / term
        return value, derivative

    # Negative z: moments

    @cached_property
    def _real_branch(self) -> tuple[Array, Array, Array]:
        """ln(k / (r - k)), ln t and ln(-y_l), (layers, k), on the trapezoid rule's grid."""
        omega = np.arange(*REACH, STEP)
        k, rest = self.rank / (1 + np.exp(-omega)), self.rank / (1 + np.exp(omega))
        eta = np.array(
            [
                self._real_eta(population, np.log(k) - np.log((own - self.rank) + rest))
                for population, own in zip(self.populations, self._ranks, strict=True)
            ]
        )
        ln_r, _ = self._ln_r(-k + 0j, rest + 0j)
        return omega, -(eta.sum(axis=0) + ln_r.real), eta

    @staticmethod
    def _real_eta(population: Population, target: Array) -> Array:
        """Solve ln(E[tau Y / (1 + tau Y)] / E[1 / (1 + tau Y); tau > 0]) = target for ln Y."""
        ln_tau = np.log(population.tau)

        def parts(eta: Array) -> tuple[Array, Array, Array]:
            product = np.exp(eta)[:, np.newaxis] * population.tau
            far = 1 / (1 + product)
            near = 1 / (1 + 1 / product)
            return near @ population.weights, far @ population.weights, (near * far) @ population.weights

        def value(eta: Array) -> Array:
            near, far, _ = parts(eta)
            return np.asarray(np.log(near) - np.log(far) - target)

        def derivative(eta: Array) -> Array:
            near, far, change = parts(eta)
            return np.asarray(change / near + change / far)

        low, high = target - ln_tau.max() - 1, target - ln_tau.min() + 1
        start = np.clip(target - math.log(population.mean() / population.share), low, high)
        with np.errstate(divide="ignore", over="ignore"):
            return newton(value, derivative, low, high, start, 1e-13)

    def total(self, power: float) -> float:
        """Return the sum of x_i^power, 0 < power < 1, or, where it is 0, of ln x_i over the x_i that are not 0."""
        return self._integral(power, 1)

    def error(self, power: float) -> float:
        """Return the relative difference (of logarithms: that of their mean) from a rule of twice the step."""
        fine, coarse = self._integral(power, 1), self._integral(power, 2)
        return abs(fine - coarse) / (abs(fine) if power else self.rank)

    def _integral(self, power: float, stride: int) -> float:
        omega, ln_t, _ = (values[..., ::stride] for values in self._real_branch)
        weights = STEP * stride * self.rank * np.exp(-np.logaddexp(0, omega) - np.logaddexp(0, -omega))
        if not power:
            return float(weights @ ln_t)
        return float(weights @ np.exp(power * ln_t)) * math.sin(math.pi * power) / (math.pi * power)

    @cached_property
    def sum(self) -> float:
        """Sum of x_i: the trace of J J'."""
        return self.sizes[0] * math.prod(
            n * variance * population.mean()
            for n, variance, population in zip(self.sizes[1:], self.variances, self.populations, strict=True)
        )

    # Positive z: the distribution

    @cached_property
    def blur(self) -> float:
        """The arg z at which the distribution is taken; see ``BLUR``."""
        mean, root = self.sum / self.rank, self.total(0.5) / self.rank
        width = math.sqrt(max(1 - root**2 / mean, 0.0))
        return min(BLUR, max(BLUR * width, SHARPEST))

    def distribution(self, ln_x: Array) -> tuple[Array, Array]:
        """Return the number of ln x_i above ln x and the density of that number, both of the shape of ln x."""
        if not ln_x.size:
            return np.zeros(ln_x.shape), np.zeros(ln_x.shape)
        flat = ln_x.ravel()
        parts = [self._counts(flat[at : at + POINTS]) for at in range(0, len(flat), POINTS)]
        above, density = (np.concatenate(part) for part in zip(*parts, strict=True))
        return above.reshape(ln_x.shape), density.reshape(ln_x.shape)

    def _counts(self, ln_x: Array) -> tuple[Array, Array]:
        least, largest = self._followed
        u, rest, eta = self._solve(np.clip(ln_x, least, largest))
        powers, constant = self._factors
        phi = -u * self._ln_r(u, rest)[0] + constant * u
        for size, power in powers.items():
            term = self._shifted(size, u, rest)
            phi += power * (term * np.log(term) - term)
        for n, population, row in zip(self.sizes[1:], self.populations, eta, strict=True):
            phi += n * (np.log(1 - population.tau * np.exp(row)[:, np.newaxis]) @ population.weights)
        turned = np.pi - self.blur  # arg (1 - z x_i) for x far below x_i
        inside = (ln_x >= least) & (ln_x <= largest)
        return np.abs(phi.imag) / turned, np.where(inside, np.abs(u.imag) / turned, 0.0)

    @cached_property
    def _followed(self) -> tuple[float, float]:
        """The least and largest ln x at which the distribution is solved for; see ``NEAREST``."""
        omega, ln_t, _ = self._real_branch
        return float(ln_t[omega < NEAREST][-1]), float(ln_t[0])

    def _solve(self, ln_x: Array) -> _Solution:
        """Follow the solution from z = -1 / x to 1 / x but for ``blur``."""
        known_omega, known_ln_t, known_eta = self._real_branch
        order = np.flatnonzero(known_omega < NEAREST)[::-1]  # t falls as k grows
        omega: Complex = 1j * np.pi + np.interp(ln_x, known_ln_t[order], known_omega[order])
        eta: Complex = np.array([np.interp(ln_x, known_ln_t[order], row[order]) for row in known_eta]) + 1j * np.pi
        ratios = math.ceil(math.log(self.blur / LAST_TURN, RATIO))
        turns = np.linspace(np.pi, LAST_TURN, TURNS), np.geomspace(LAST_TURN, self.blur, ratios + 1)[1:]
        with np.errstate(all="ignore"):
            for turn in (*turns[0][1:], *turns[1], *[self.blur] * POLISH):
                omega, eta = self._newton(omega, eta, 1j * turn - ln_x)
            rest: Complex = np.asarray(self.rank / (1 - np.exp(omega)))
        lost = ~np.isfinite(rest)
        if lost.any():
            raise AssumptionError(
                f"singular values about e^{ln_x[lost].min() / 2:.3g}: rounding hides how many: ask for larger ones"
            )
        return _Solution(rest * np.exp(omega), rest, eta)

    def _newton(self, omega: Complex, eta: Complex, ln_z: Complex) -> tuple[Complex, Complex]:
        """Return one step for omega and all ln y_l together: the y_l meet each other in omega alone."""
        ratio = np.exp(omega)
        rest = self.rank / (1 - ratio)
        u = rest * ratio
        du = rest / (1 - ratio) * ratio  # by omega
        ln_r, derivative = self._ln_r(u, rest)
        gaps, rates = np.empty_like(eta), np.empty_like(eta)
        for index, (population, own) in enumerate(zip(self.populations, self._ranks, strict=True)):
            product = population.tau * np.exp(eta[index])[:, np.newaxis]
            away = 1 / (1 - product)
            product *= away
            near, far = product @ population.weights, away @ population.weights
            product *= away
            change = (product @ population.weights) * (1 / near - 1 / far)  # of ln(near / far) with ln y
            other = (own - self.rank) + rest
            gaps[index] = (np.log(u) - np.log(other) - np.log(near) + np.log(far)) / change
            rates[index] = du * (1 / u - 1 / other) / change
        step = (ln_z - ln_r - (eta + gaps).sum(axis=0)) / (rates.sum(axis=0) + du * derivative)
        step *= np.minimum(1, 1 / np.maximum(np.abs(step), 1e-300))
        return omega + step, eta + gaps + rates * step
