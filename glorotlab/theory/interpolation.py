"""Functions of a second moment q: few nodes in ln q that stand for many."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from glorotlab.theory.quadrature import Array

Interpolate = Callable[[Array], Array]
"""From values at the nodes, the last axis, to values at every q."""


def log_nodes(q: Array, tolerance: float, strip: float = math.pi) -> tuple[Array, Interpolate]:
    """Return few q that stand for all, and the map from values there to values at every q.

    A Gaussian mean of a function analytic and bounded in the right half-plane, and mirrored, is analytic in ln q
    within ``strip`` = pi of the real axis, a Gaussian distribution function within pi / 2: an interpolant through n
    Chebyshev points of a half-range h converges like rho^-n, rho = exp(asinh(strip / h)) (Trefethen, Approximation
    Theory and Approximation Practice, theorem 8.2).

    Parameters
    ----------
    q : (examples,)
    tolerance : float
        Relative error aimed at.
    strip : float
        Half-width of the strip of analyticity.
    """
    distinct = np.unique(q)
    low, high = np.log(distinct[[0, -1]])
    half = max((high - low) / 2, 5e-4)
    count = math.ceil(-math.log(tolerance) / math.asinh(strip / half))
    if len(distinct) <= count:
        return distinct, lambda values: np.asarray(values)[..., np.searchsorted(distinct, q)]
    points = np.polynomial.chebyshev.chebpts1(count)
    # sum over n of (2 / count) T_n(point) T_n(x), the term n = 0 halved: discrete orthogonality at these points
    inverse = np.polynomial.chebyshev.chebvander(points, count - 1) * (2 / count)
    inverse[:, 0] /= 2
    weights = inverse @ np.polynomial.chebyshev.chebvander((np.log(q) - (low + high) / 2) / half, count - 1).T
    return np.exp((low + high) / 2 + half * points), lambda values: np.asarray(values @ weights)
