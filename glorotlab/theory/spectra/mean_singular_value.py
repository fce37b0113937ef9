"""Mean singular value of one layer's Jacobian J = dz_l/dz_{l-1} = diag(f'(s)) W' (Glorot & Bengio 2010, eq. 17).

For independent weights of variance v and n_in, n_out large, J J' has the Marchenko-Pastur law with the population
spectrum tau = n_in v f'(s)^2, s ~ N(0, q) (Silverstein & Bai 1995). Its mean root is one integral with no equation left
to solve; for orthogonal weights another factor enters. Both are derived in docs/theory/spectra.md.
"""

from __future__ import annotations

import math

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian import quadrature
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.threads import single_threaded_blas

STEP = 0.6
"""Step of the trapezoid rule in u = ln m: the integrand is analytic for |Im u| < pi, as g maps the upper half-plane
into itself; the error is exp(-2 pi^2 / STEP) = 5e-15."""

REACH = 60.0
"""Half-width of that rule; the integrand falls at least like exp(-|u| / 2), so that less than 1e-13 is left out."""

BISECTIONS = 60
"""Halvings of the bracket around the end of an integral."""

ORDER = 12
"""Nodes per panel of the expectation over s."""

CRITICAL = 1e-9
"""Excess of c P(tau > 0) over 1 below which the integral runs to infinity."""

TOLERANCE = 1e-7
"""Relative error of the interpolation in ln q."""


@single_threaded_blas()
def mean_singular_value(
    record: Activation, q: Array, fan_in: int, fan_out: int, variance: float, *, orthogonal: bool = False
) -> Array:
    """Return the mean over the min(fan_in, fan_out) singular values of J, for each q.

    Parameters
    ----------
    record : Activation
    q : (examples,)
        Second moment of the pre-activation of each example.
    fan_in, fan_out : int
    variance : float
        Var[W].
    orthogonal : bool
        Whether W is orthogonal, else independent.
    """
    if orthogonal and fan_in >= fan_out:
        (mean,) = quadrature.expectations([lambda s: np.abs(record.derivative(s))], q, record.kinks)
        return np.asarray(math.sqrt(fan_in * variance) * mean)
    nodes, interpolation = log_nodes(q, TOLERANCE)
    s, weights = quadrature.rule(float(nodes.min()), float(nodes.max()), record.kinks, ORDER)
    tau = np.asarray(fan_in * variance * record.derivative(s) ** 2, dtype=np.float64)
    measure = weights * quadrature.density(s, nodes)
    return (_mean_root(tau, measure, fan_out / fan_in, orthogonal) @ interpolation) * max(1.0, fan_in / fan_out)


def _mean_root(tau: Array, measure: Array, ratio: float, orthogonal: bool) -> Array:
    """Return E sqrt(x) over all eigenvalues of J'J, zeros too, for the population spectra (tau, row of ``measure``)."""
    measure = measure / measure.sum(axis=1, keepdims=True)
    scale = float((measure @ tau).max())
    if not scale:
        return np.zeros(len(measure))
    tau = tau / scale
    means = np.empty(len(measure))
    bounded = ratio * (measure @ (tau > 0)) > 1 + CRITICAL
    if not bounded.all():
        grid = np.arange(-REACH, REACH, STEP)
        means[~bounded] = _integral(tau, measure[~bounded], ratio, orthogonal, grid, np.ones_like(grid))
    for row in np.flatnonzero(bounded):
        # u = end - ln(1 + e^-v): the square root of 1 - c g at the end becomes exp(-v / 2)
        end = _end(tau, measure[row], ratio)
        grid = np.arange(-REACH - max(end, 0), REACH, STEP)  # tau of 1 counts however far off the end is
        fall = np.logaddexp(0, -grid)
        means[row] = _integral(tau, measure[row : row + 1], ratio, orthogonal, end - fall, np.exp(-grid - fall))[0]
    return means * math.sqrt(scale)


def _integral(tau: Array, measure: Array, ratio: float, orthogonal: bool, u: Array, du: Array) -> Array:
    """Sum the integrand at nodes u = ln m that are ``du`` STEP apart."""
    keep = measure.max(axis=0) > 1e-18 * measure.max()
    tau, measure = tau[keep], measure[:, keep]
    m = np.exp(u)[:, np.newaxis]
    rest = 1 / (1 + tau * m)
    share = tau * m * rest
    left = np.clip(1 - ratio * (share @ measure.T), 0, None)
    if orthogonal:
        left /= rest @ measure.T
    return np.asarray(2 * ratio / np.pi * STEP * (du @ (np.sqrt(left / m) * ((share * rest) @ measure.T))))


def _end(tau: Array, measure: Array, ratio: float) -> float:
    """Return ln m where ratio g(m) = 1."""
    low, high = -800.0, 800.0
    with np.errstate(divide="ignore"):
        ln_tau = np.log(tau)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        share = np.exp(-np.logaddexp(0, -(middle + ln_tau)))
        low, high = (middle, high) if ratio * (measure @ share) < 1 else (low, middle)
    return (low + high) / 2
