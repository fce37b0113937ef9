"""Mean singular value of one layer's Jacobian J = dz_l/dz_{l-1} = diag(f'(s)) W' (Glorot & Bengio 2010, eq. 17).

For independent weights of variance v and n_in, n_out large, J J' has the Marchenko-Pastur law with the population
spectrum tau = n_in v f'(s)^2, s ~ N(0, q) (Silverstein & Bai 1995). With m(t) the Stieltjes transform of J'J at -t,
t = 1/m - c E[tau / (1 + tau m)], c = n_out/n_in, and with sqrt(x) = (1/pi) integral of x/(x+t) t^(-1/2) dt the mean
of the square root needs m(t) for t > 0 only: E sqrt(x) = (1/pi) integral of (1 - t m(t)) t^(-1/2) dt.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from glorotlab.activations import Activation
from glorotlab.theory import quadrature
from glorotlab.theory.quadrature import Array
from glorotlab.threads import single_threaded_blas

STEP = 0.5
"""Step of the trapezoid rule in ln t; the integrand falls like exp(-|ln t| / 2) on both sides."""

REACH = 64.0
"""Half-width of that rule: what it leaves out is below exp(-32) = 1e-14."""

BISECTIONS = 52

TOLERANCE = 1e-7
"""Relative error of the interpolation in ln q."""


@single_threaded_blas()
def mean_singular_value(record: Activation, q: Array, fan_in: int, fan_out: int, variance: float) -> Array:
    """Return the mean over the min(fan_in, fan_out) singular values of J, for each q.

    Parameters
    ----------
    record : Activation
    q : (examples,)
        Second moment of the pre-activation of each example.
    fan_in, fan_out : int
    variance : float
        Var[W].
    """
    nodes, interpolate = _log_nodes(q)
    s, weights = quadrature.rule(float(nodes.min()), float(nodes.max()), record.kinks)
    tau = np.asarray(fan_in * variance * record.derivative(s) ** 2, dtype=np.float64)
    measure = weights * quadrature.density(s, nodes)
    roots = np.array([_mean_root(tau, row / row.sum(), fan_out / fan_in) for row in measure])
    return interpolate(roots) * max(1.0, fan_in / fan_out)


@single_threaded_blas()
def orthogonal_mean_singular_value(record: Activation, q: Array, gain: float) -> Array:
    """Return the mean singular value for W'W = gain^2 I: J J' = gain^2 diag(f'^2), so it is gain E|f'|."""
    (mean,) = quadrature.expectations([lambda s: np.abs(record.derivative(s))], q, record.kinks)
    return np.asarray(gain * mean)


def _log_nodes(q: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Few q that stand for all, and the map from values there to values at every q.

    Where f' is analytic and bounded in the right half-plane and mirrored, a Gaussian mean is analytic in ln q within
    pi of the real axis: its interpolant through n Chebyshev points of a half-range h converges like rho^-n,
    rho = exp(asinh(pi / h)) (Trefethen, Approximation Theory and Approximation Practice, theorem 8.2).
    """
    distinct = np.unique(q)
    low, high = np.log(distinct[[0, -1]])
    count = math.ceil(-math.log(TOLERANCE) / math.asinh(2 * math.pi / max(high - low, 1e-3)))
    if len(distinct) <= count:
        return distinct, lambda values: values[np.searchsorted(distinct, q)]
    points = np.polynomial.chebyshev.chebpts1(count)
    nodes = np.exp((low + high) / 2 + (high - low) / 2 * points)
    where = (2 * np.log(q) - low - high) / (high - low)

    def interpolate(values: Array) -> Array:
        return np.asarray(np.polynomial.Chebyshev.fit(points, values, count - 1, domain=[-1, 1])(where))

    return nodes, interpolate


def _mean_root(tau: Array, weights: Array, ratio: float) -> Array:
    """E sqrt(x) over all eigenvalues of J'J, zeros included, for the population spectrum (tau, weights)."""
    keep = weights > weights.max() * 1e-18
    tau, weights = tau[keep], weights[keep]
    scale = float(weights @ tau)
    t = scale * np.exp(np.arange(-REACH, REACH, STEP))
    m = _stieltjes(t, tau, weights, ratio)
    mass = ratio * ((tau * m[:, np.newaxis]) / (1 + tau * m[:, np.newaxis])) @ weights  # 1 - t m
    return np.asarray(STEP / np.pi * (mass * np.sqrt(t)).sum())


def _stieltjes(t: Array, tau: Array, weights: Array, ratio: float) -> Array:
    """Solve t m + ratio E[tau m / (1 + tau m)] = 1 for m in [1/(t + ratio E tau), 1/t]: the left side grows with m."""
    low, high = -np.log(t + ratio * (weights @ tau)), -np.log(t)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        m = np.exp(middle)
        scaled = tau * m[:, np.newaxis]
        above = t * m + ratio * (scaled / (1 + scaled)) @ weights > 1
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.exp((low + high) / 2)
