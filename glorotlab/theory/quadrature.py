"""Expectations over a zero-mean Gaussian by Gauss-Legendre panels that are fixed in s and split at the kinks.

A rule whose nodes scale with sqrt(q), Gauss-Hermite above all, loses the features of f at s ~ 1 once q is large
and never converges at a kink. Here panels double in width away from 0 (and from every kink's own edge), so that
both the density's scale sqrt(q) and the activation's scale 1 are resolved whatever q is, and the nodes, hence the
values of f, are shared by all q of a call.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
"""What every array of the theory is."""

Function = Callable[[Array], npt.NDArray[np.floating[Any]]]
"""A function of s, such as an activation or its derivative."""

ORDER = 20
"""Nodes per panel; the error estimate compares with ORDER - 4."""

RANGE = 12.0
"""Half-width of the integral in standard deviations: the tail beyond is below 4e-33."""


@lru_cache(maxsize=8)
def _legendre(order: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return nodes, weights


def rule(smallest_q: float, largest_q: float, kinks: Sequence[float] = (), order: int = ORDER) -> tuple[Array, Array]:
    """Return nodes and weights on the s axis that serve every q of [smallest_q, largest_q].

    The weights do not hold the density: E f = sum(weights * density(s, q) * f(s)).
    """
    outer, inner = RANGE * np.sqrt(largest_q), min(np.sqrt(smallest_q) / 2, 0.5)
    edges = [0.0, outer]
    width = inner
    while width < outer:
        edges.append(width)
        width *= 1.5
    both = np.concatenate([np.negative(edges), edges, [kink for kink in kinks if abs(kink) < outer]])
    bounds = np.unique(both)
    nodes, weights = _legendre(order)
    half = np.diff(bounds)[:, np.newaxis] / 2
    middle = (bounds[1:] + bounds[:-1])[:, np.newaxis] / 2
    return (middle + half * nodes).ravel(), (half * weights).ravel()


def density(s: Array, q: Array) -> Array:
    """Density of N(0, q) at s, shape (q, s)."""
    scaled = s / np.sqrt(q)[:, np.newaxis]
    return np.asarray(np.exp(-(scaled**2) / 2) / np.sqrt(2 * np.pi * q)[:, np.newaxis])


def expectations(functions: Sequence[Function], q: Array, kinks: Sequence[float] = (), order: int = ORDER) -> Array:
    """E g(s), s ~ N(0, q), of several functions g, shape (functions, q)."""
    if not q.size:
        return np.empty((len(functions), 0))
    s, weights = rule(float(q.min()), float(q.max()), kinks, order)
    measure = weights * density(s, q)
    return np.stack([measure @ function(s) for function in functions])


def hermite_coefficients(functions: Sequence[Function], q: Array, terms: int, kinks: Sequence[float] = ()) -> Array:
    """Coefficients a_k(q) = E[g(s) h_k(s / sqrt(q))] in the orthonormal Hermite polynomials h_k.

    By Mehler's formula E[g1(s1) g2(s2)] = sum_k a_k(q1) b_k(q2) rho^k for correlation rho.

    Returns
    -------
    Array of shape (functions, terms, q)
    """
    # h_k has sqrt(k) radians a standard deviation, and a panel is at most a third of RANGE wide: half of their
    # product resolves it, ORDER the function.
    s, weights = rule(float(q.min()), float(q.max()), kinks, ORDER + math.ceil(RANGE / 6 * math.sqrt(terms)))
    measure = weights * density(s, q)
    values = np.stack([function(s) for function in functions], axis=1)
    t = s / np.sqrt(q)[:, np.newaxis]
    below, current = np.zeros_like(t), measure
    found = np.empty((len(functions), terms, len(q)))
    for k in range(terms):
        found[:, k] = (current @ values).T
        below, current = current, (t * current - np.sqrt(k) * below) / np.sqrt(k + 1)
    return found
