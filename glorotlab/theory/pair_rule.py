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
from glorotlab.theory import quadrature
from glorotlab.theory.quadrature import Array


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
"""What lies beyond 9 standard deviations is of relative size 1e-17. The difference of the two is the error estimate."""

QUICK = Rule(10, 12, 7.0, 3.5)
"""Good to about 1e-9."""


def matrices(record: Activation, q: Array, rho: float, unlike: float, rule: Rule = ACCURATE) -> tuple[Array, Array]:
    """Return E f(s_i) f(s_j) and E f'(s_i) f'(s_j) for all pairs of ``q`` at one correlation, each (q, q).

    Parameters
    ----------
    record : Activation
    q : (q,)
    rho : float
    unlike : float
        1 - abs(rho), given apart because a difference loses its digits near 1.
    rule : Rule
    """
    alike = abs(rho)
    w, weights = _outer_rule(record, q, alike, unlike, rule)
    mean, deviation = np.sqrt(q * alike)[:, np.newaxis] * w, np.sqrt(q * unlike)[:, np.newaxis]
    if unlike > 0:
        f, slope = _smoothed(record, mean.ravel(), np.broadcast_to(deviation, mean.shape).ravel(), rule)
    else:
        f, slope = record.function(mean), record.derivative(mean)
    found = []
    for values in (f.reshape(mean.shape), slope.reshape(mean.shape)):
        other = values if rho >= 0 else values[:, ::-1]  # the nodes are symmetric
        product = (weights * values) @ other.T
        found.append((product + product.T) / 2)
    return found[0], found[1]


def _fixed(rule: Rule) -> Array:
    return np.linspace(-rule.reach, rule.reach, 2 * math.ceil(rule.reach / rule.width) + 1)


def _outer_rule(record: Activation, q: Array, alike: float, unlike: float, rule: Rule) -> tuple[Array, Array]:
    """Nodes in w, symmetric about 0, and weights with the density."""
    edges = [_fixed(rule)]
    if alike > 0:
        smoothing = math.sqrt(unlike / alike)
        roots = np.sqrt(q * alike)
        finest = smoothing if 0.0 in record.kinks else max(1 / roots.max(), smoothing)
        centres = {0.0: finest} | {
            sign * kink / root: smoothing for kink in record.kinks if kink for root in roots for sign in (1, -1)
        }
        for centre, inner in centres.items():
            if abs(centre) < rule.reach:
                graded = quadrature.panels(min(max(inner, 1e-9), rule.width), 2 * rule.reach, (), 2.0) + centre
                edges.append(graded[np.abs(graded) < rule.reach])
    bounds = np.concatenate(edges)
    bounds = np.unique(np.concatenate([bounds, -bounds]))
    bounds = bounds[np.concatenate([[True], np.diff(bounds) > 1e-13])]
    w, weights = quadrature.nodes(bounds, rule.outer)
    return w, weights * quadrature.density(w, np.ones(1))[0]


def _smoothed(record: Activation, mean: Array, deviation: Array, rule: Rule) -> tuple[Array, Array]:
    """E f(s) and E f'(s) for s ~ N(mean, deviation^2), each of the shape of ``mean`` (points,)."""
    reach = float(np.max(np.abs(mean) + rule.reach * deviation))
    features = _features(record, math.ceil(math.log2(max(reach, 1.0))))
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
    found = []
    for function in (record.function, record.derivative):
        panels = np.einsum("ij,ij->i", measure, function(s))
        found.append(np.bincount(owner, panels, minlength=len(mean)))
    return found[0], found[1]


@lru_cache(maxsize=64)
def _features(record: Activation, power: int) -> Array:
    """Edges of panels of [-2^power, 2^power] that resolve f and f'."""
    bounds = quadrature.panels(1.0, 2.0**power, record.kinks, 2.0)
    return quadrature.refine(lambda s: np.stack([record.function(s), record.derivative(s)]), bounds, ACCURATE.inner)
