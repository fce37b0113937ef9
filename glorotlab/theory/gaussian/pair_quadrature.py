"""Pair moments E f(s1) f(s2) by quadrature, for any correlation from -1 to 1.

s_i = sqrt(q_i rho) w + sqrt(q_i (1 - rho)) e_i with independent standard normal w, e_1, e_2, so that
E f(s1) f(s2) = E_w S_1(w) S_2(w) with the smoothed functions S_i(w) = E f(s_i | w); for rho < 0 the second is taken at
-w. Each is an expectation over one Gaussian: the inner rule is split where f needs it, the outer one is graded
down to the width sqrt((1 - rho) / rho) to which a kink is smoothed, so that nothing is lost as rho goes to 1.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian import quadrature
from glorotlab.theory.gaussian.moments import half_width, moments


class Rule(NamedTuple):
    """Size of the inner and outer rule.

    Parameters
    ----------
    inner, outer : int
        Nodes per panel.
    reach : float
        Half-width of both integrals in standard deviations.
    width : float
        Widest panel in standard deviations.
    """

    inner: int
    outer: int
    reach: float
    width: float


ACCURATE, CHECK = Rule(12, 16, 9.0, 2.25), Rule(10, 14, 9.0, 2.25)
"""Rule of the result and rule of the error estimate, both over 9 standard deviations (1e-17 lies beyond)."""

QUICK = Rule(10, 12, 7.0, 3.5)
"""Rule of interpolated pairs, accurate to about 1e-9."""

RESOLVED = 1e-6
"""Counterpart of ``quadrature.RESOLVED`` for the fewer nodes here; the integral errs by about its square."""

BLOCK = 2**21
"""Number of nodes of inner rules held at a time."""


def matrices(record: Activation, q: Array, sign: float, unlike: float, rule: Rule = ACCURATE) -> tuple[Array, Array]:
    """Return E f(s_i) f(s_j) and E f'(s_i) f'(s_j) for all pairs of ``q`` at one correlation, (q, q).

    An odd f has the same values at either sign of the correlation but for their own sign, to the last digit.

    Parameters
    ----------
    record : Activation
    q : (q,)
    sign : float
        1 or -1, the sign of the correlation.
    unlike : float
        1 less the size of the correlation, which itself loses its digits near 1.
    rule : Rule
    """
    rule = rule._replace(reach=rule.reach * half_width(record, q) / quadrature.RANGE)
    alike, deviation = 1 - unlike, np.sqrt(q * unlike)

    def smoothed(w: Array) -> Array:
        """Return S of f, then of f', for every q: (2 q, w)."""
        mean = np.sqrt(q * alike)[:, np.newaxis] * w
        if unlike == 0:
            return np.concatenate([record.function(mean), record.derivative(mean)])
        values = _smoothed(record, features, mean.ravel(), np.repeat(deviation, len(w)), rule)
        return np.concatenate([part.reshape(mean.shape) for part in values])

    features = _features(record, q, rule.reach)
    bounds = _outer_panels(record, q, alike, unlike, rule)
    if _rough(features):
        single = moments(record, q)
        roots = np.sqrt(np.concatenate([single.second_moment, single.derivative_second_moment]))
        bounds = quadrature.refine(smoothed, bounds, np.ones(1), rule.outer, least=roots)
        bounds = np.unique(np.concatenate([bounds, -bounds]))
    w, weights = quadrature.nodes(bounds, rule.outer)
    weights *= quadrature.density(w, np.ones(1))[0]
    f, derivative = np.split(smoothed(w), 2)
    products = []
    for values, turned in ((f, -f), (derivative, derivative)):
        mirrored = turned if record.odd else values[:, ::-1]  # the nodes are symmetric
        other = values if sign > 0 else mirrored
        product = (weights * values) @ other.T
        products.append((product + product.T) / 2)
    return products[0], products[1]


def _fixed(rule: Rule) -> Array:
    return np.asarray(np.linspace(-rule.reach, rule.reach, 2 * math.ceil(rule.reach / rule.width) + 1))


def _outer_panels(record: Activation, q: Array, alike: float, unlike: float, rule: Rule) -> Array:
    """Return edges of panels in w, symmetric about 0, graded towards what smoothing leaves of 0 and of kinks."""
    edges = [_fixed(rule)]
    if alike > 0:
        smoothing = math.sqrt(unlike / alike)
        roots = np.sqrt(q * alike)
        finest = smoothing if 0.0 in record.kinks and smoothing else max(1 / roots.max(), smoothing)
        centres = {0.0: finest} | {
            sign * kink / root: smoothing for kink in record.kinks if kink for root in roots for sign in (1, -1)
        }
        for centre, inner in centres.items():
            if abs(centre) < rule.reach and not inner:  # nothing smooths the kink
                edges.append(np.array([centre]))
            elif abs(centre) < rule.reach:
                graded = quadrature.panels(min(max(inner, 1e-9), rule.width), 2 * rule.reach, (), 2.0) + centre
                edges.append(graded[np.abs(graded) < rule.reach])
    bounds = np.concatenate(edges)
    bounds = np.unique(np.concatenate([bounds, -bounds]))
    return np.asarray(bounds[np.concatenate([[True], np.diff(bounds) > 1e-13])])


def _smoothed(record: Activation, features: Array, mean: Array, deviation: Array, rule: Rule) -> tuple[Array, Array]:
    """Return E f(s) and E f'(s) for s ~ N(mean, deviation^2), of the shape of ``mean`` (points,)."""
    size = BLOCK // (len(features) * rule.inner) + 1
    if len(mean) > size:
        parts = [
            _smoothed(record, features, mean[start : start + size], deviation[start : start + size], rule)
            for start in range(0, len(mean), size)
        ]
        return np.concatenate([f for f, _ in parts]), np.concatenate([derivative for _, derivative in parts])
    fixed = _fixed(rule)
    split = np.clip((features - mean[:, np.newaxis]) / deviation[:, np.newaxis], -rule.reach, rule.reach)
    bounds = np.sort(np.concatenate([np.broadcast_to(fixed, (len(mean), len(fixed))), split], axis=1), axis=1)
    low, high = bounds[:, :-1], bounds[:, 1:]
    owner, column = np.nonzero(high > low)
    low, high = low[owner, column], high[owner, column]
    at, weights = quadrature.legendre(rule.inner)
    half, middle = (high - low) / 2, (high + low) / 2
    e = middle[:, np.newaxis] + half[:, np.newaxis] * at
    measure = np.exp(-(e**2) / 2) * (weights / math.sqrt(2 * math.pi)) * half[:, np.newaxis]
    s = mean[owner, np.newaxis] + deviation[owner, np.newaxis] * e
    means = []
    for function in (record.function, record.derivative):
        panels = np.einsum("ij,ij->i", measure, function(s))
        means.append(np.asarray(np.bincount(owner, panels, minlength=len(mean)), dtype=np.float64))
    return means[0], means[1]


def _features(record: Activation, q: Array, reach: float) -> Array:
    """Return edges of panels that resolve f and f' under every N(0, q)."""
    return _resolving(record, *quadrature.powers_of_4(q), math.ceil(2 * reach))


@lru_cache(maxsize=256)
def _resolving(record: Activation, low: int, high: int, reach: int) -> Array:
    return quadrature.refine(
        lambda s: np.stack([record.function(s), record.derivative(s)]),
        quadrature.panels(1.0, max(reach * 2.0**high, 1.0), record.kinks, 2.0),
        quadrature.enclosed(low, high),
        ACCURATE.inner,
        RESOLVED,
    )


def is_rough(record: Activation, q: Array) -> bool:
    """Return whether f has features other than kinks and those of scale 1 at 0; then a pair takes long."""
    return _rough(_features(record, q, ACCURATE.reach))


def _rough(features: Array) -> bool:
    return bool((np.diff(features) < 0.1 * np.maximum(1, np.abs(features[1:] + features[:-1]) / 2)).any())
