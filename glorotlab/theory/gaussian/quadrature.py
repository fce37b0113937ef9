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

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError

Function = Callable[[Array], npt.NDArray[np.floating[Any]]]
"""A function of s, such as an activation or its derivative."""

ORDER = 20
"""Number of nodes in a panel; the error estimate compares with ORDER - 4."""

RANGE = 12.0
"""Half-width of the integral in standard deviations: the tail beyond is below 4e-33."""

RATIO = 1.5
"""Factor by which a panel is wider than the one nearer to 0."""

MAX_PANELS = 4096
"""Largest number of panels of one rule; a function that needs more is refused."""

RESOLVED = 1e-9
"""A panel resolves g where the last Legendre coefficients of its interpolant, times the density, weigh less than
this share of E|g|. The error of the integral is about the square of it: Gauss-Legendre rules have twice the degree of
the interpolant."""


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


def refine(
    functions: Callable[[Array], Array],
    bounds: Array,
    q: Array,
    order: int = ORDER,
    tolerance: float = RESOLVED,
    least: Array | float = 0.0,
) -> Array:
    """Halve panels until every one resolves the functions under every density N(0, q).

    Parameters
    ----------
    functions : callable
        s of shape (nodes,) to values of shape (functions, nodes).
    bounds : (panels + 1,)
    q : (q,)
    order : int
        Nodes per panel.
    tolerance : float
        See ``RESOLVED``.
    least : float or array of shape (functions,)
        E|g| below which g counts as 0.

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
        finite = np.isfinite(values).all(axis=0)
        if not finite.all():
            raise AssumptionError(
                f"moments of this activation do not exist in float64: no finite value at s = {s[~finite][0]:.3g}: "
                "measure instead"
            )
        values = values.reshape(len(values), -1, order)
        low, high = bounds[:-1], bounds[1:]
        nearest = np.where(low * high < 0, 0, np.minimum(np.abs(low), np.abs(high)))
        share = (density(nearest, q) * (high - low))[:, np.newaxis]  # (q, 1, panels)
        middle = (density((low + high) / 2, q) * (high - low))[:, np.newaxis]
        total = (middle * np.abs(values).mean(axis=-1)).sum(axis=-1, keepdims=True)  # (q, functions, 1)
        total = np.maximum(total, np.reshape(least, (-1, 1)))
        rough = (np.abs(values @ last).max(axis=-1) * share > tolerance * total).any(axis=(0, 1))
        if not rough.any():
            return bounds
        if len(bounds) + rough.sum() > MAX_PANELS:
            raise AssumptionError(
                f"moments of this activation need more than {MAX_PANELS} panels of [{bounds[0]:.3g}, "
                f"{bounds[-1]:.3g}]: it varies too fast for so large a second moment; measure instead"
            )
        bounds = np.sort(np.concatenate([bounds, (low + high)[rough] / 2]))


def powers_of_4(q: Array) -> tuple[int, int]:
    """Return the exponents of the powers of 4 that enclose all q: nearby calls share nodes and values by them."""
    return math.floor(math.log(q.min(), 4)), math.ceil(math.log(q.max(), 4))


def enclosed(low: int, high: int) -> Array:
    """Return the powers of 4 from ``low`` to ``high``: the q a rule for all between is refined for."""
    return np.asarray(4.0 ** np.arange(low, high + 1), dtype=np.float64)


def density(s: Array, q: Array) -> Array:
    """Return the density of N(0, q) at s, (q, s)."""
    root = np.sqrt(q)[:, np.newaxis]
    values = s / root
    values *= values  # in place: fresh memory would take longer than the exponentials
    values *= -0.5
    np.exp(values, out=values)
    values /= root * math.sqrt(2 * math.pi)
    return np.asarray(values)


def expectations(functions: Sequence[Function], q: Array, kinks: Sequence[float] = (), order: int = ORDER) -> Array:
    """Return E g(s), s ~ N(0, q), of several functions g, (functions, q)."""
    if not q.size:
        return np.empty((len(functions), 0))
    s, weights = rule(float(q.min()), float(q.max()), kinks, order)
    measure = weights * density(s, q)
    return np.stack([measure @ function(s) for function in functions])
