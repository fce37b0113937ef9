"""Expectations over a zero-mean Gaussian by Gauss-Legendre panels that are fixed in s and split at the kinks.

A rule whose nodes scale with sqrt(q), Gauss-Hermite above all, loses the features of f at s ~ 1 once q is large
and never converges at a kink. Here panels double in width away from 0 (and from every kink's own edge), so that
both the density's scale sqrt(q) and the activation's scale 1 are resolved whatever q is, and the nodes, hence the
values of f, are shared by all q of a call. Where a function has features at other scales, ``refine`` halves the
panels that do not resolve it.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.errors import AssumptionError

Array = npt.NDArray[np.float64]
"""What every array of the theory is."""

Function = Callable[[Array], npt.NDArray[np.floating[Any]]]
"""A function of s, such as an activation or its derivative."""

ORDER = 20
"""Nodes per panel; the error estimate compares with ORDER - 4."""

RANGE = 12.0
"""Half-width of the integral in standard deviations: the tail beyond is below 4e-33."""

RATIO = 1.5
"""Growth of the panels away from 0."""

MAX_PANELS = 4096
"""Panels of one rule at most; a function that needs more is refused."""

RESOLVED = 1e-9
"""A panel resolves g where the last Legendre coefficients of its interpolant are below this, relative to the largest
|g| from 0 to that panel. The error of the integral is about the square of it: Gauss-Legendre rules have twice the
degree of the interpolant."""


@lru_cache(maxsize=32)
def legendre(order: int) -> tuple[Array, Array]:
    """Return nodes and weights of the Gauss-Legendre rule on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return nodes, weights


def panels(inner: float, outer: float, kinks: Sequence[float] = (), ratio: float = RATIO) -> Array:
    """Return the edges of panels of [-outer, outer]: ``inner`` wide at 0, then growing by ``ratio``, and the kinks."""
    count = max(math.ceil(math.log(outer / inner, ratio)), 0)
    edges = [0.0, *(inner * ratio ** np.arange(count)), outer]
    return np.unique(np.concatenate([np.negative(edges), edges, [kink for kink in kinks if abs(kink) < outer]]))


def nodes(bounds: Array, order: int = ORDER) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights of panels between bounds along the last axis."""
    at, weights = legendre(order)
    half = np.diff(bounds)[..., np.newaxis] / 2
    middle = (bounds[..., 1:] + bounds[..., :-1])[..., np.newaxis] / 2
    shape = (*bounds.shape[:-1], -1)
    return (middle + half * at).reshape(shape), (half * weights).reshape(shape)


def rule(smallest_q: float, largest_q: float, kinks: Sequence[float] = (), order: int = ORDER) -> tuple[Array, Array]:
    """Return nodes and weights on the s axis that serve every q of [smallest_q, largest_q].

    The weights do not hold the density: E f = sum(weights * density(s, q) * f(s)).
    """
    return nodes(panels(min(math.sqrt(smallest_q) / 2, 0.5), RANGE * math.sqrt(largest_q), kinks), order)


def refine(functions: Callable[[Array], Array], bounds: Array, order: int = ORDER) -> Array:
    """Halve panels until every one resolves the functions.

    Parameters
    ----------
    functions : callable
        s of shape (nodes,) to values of shape (functions, nodes).
    bounds : (panels + 1,)

    Returns
    -------
    The edges of the panels

    Raises
    ------
    AssumptionError
        Where more than ``MAX_PANELS`` are needed, or a value is not finite.
    """
    at, weights = legendre(order)
    last = np.polynomial.legendre.legvander(at, order - 1)[:, -4:] * weights[:, np.newaxis] * (order - 2.5)
    while True:
        s, _ = nodes(bounds, order)
        values = functions(s)
        if not np.isfinite(values).all():
            raise AssumptionError(
                f"moments of this activation do not exist in float64: no finite value at s = "
                f"{s[~np.isfinite(values).all(axis=0)][0]:.3g}: measure instead"
            )
        values = values.reshape(len(values), -1, order)
        largest = np.abs(values).max(axis=-1)
        outward = np.argsort(np.abs(bounds[1:] + bounds[:-1]), kind="stable")
        scale = np.empty_like(largest)
        scale[:, outward] = np.maximum.accumulate(largest[:, outward], axis=1)
        rough = (np.abs(values @ last).max(axis=-1) > RESOLVED * scale).any(axis=0)
        if not rough.any():
            return bounds
        if len(bounds) + rough.sum() > MAX_PANELS:
            raise AssumptionError(
                f"moments of this activation need more than {MAX_PANELS} panels of [{bounds[0]:.3g}, {bounds[-1]:.3g}]: "
                "it varies too fast for so large a second moment; measure instead"
            )
        bounds = np.sort(np.concatenate([bounds, (bounds[1:] + bounds[:-1])[rough] / 2]))


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
    values = np.stack([function(s) for function in functions], axis=1)
    return hermite_sums(s, weights, values, q, terms)


def hermite_sums(s: Array, weights: Array, values: Array, q: Array, terms: int) -> Array:
    """Hermite coefficients from the nodes and weights of a rule and values (nodes, functions) there."""
    current = weights * density(s, q)
    t = s / np.sqrt(q)[:, np.newaxis]
    below = np.zeros_like(t)
    found = np.empty((values.shape[1], terms, len(q)))
    for k in range(terms):
        found[:, k] = (current @ values).T
        below, current = current, (t * current - np.sqrt(k) * below) / np.sqrt(k + 1)
    return found
