"""Gaussian expectations by rules independent of the package: mpmath panels in one dimension, uniform ones in two."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import mpmath as mp
import numpy as np
from mpmath.calculus.quadrature import GaussLegendre

DIGITS = 32

MP_FUNCTIONS = {
    "linear": (lambda s: s, lambda s: mp.mpf(1)),
    "tanh": (mp.tanh, lambda s: mp.sech(s) ** 2),
    "sigmoid": (lambda s: 1 / (1 + mp.exp(-s)), lambda s: 1 / (2 + mp.exp(s) + mp.exp(-s))),
    "softsign": (lambda s: s / (1 + abs(s)), lambda s: (1 + abs(s)) ** -2),
    "relu": (lambda s: max(s, mp.mpf(0)), lambda s: mp.mpf(s > 0)),
}
"""f and f' of each activation, written anew."""

FUNCTIONS = {
    "linear": (lambda s: s, lambda s: np.ones_like(s)),
    "tanh": (np.tanh, lambda s: 1 / np.cosh(s) ** 2),
    "sigmoid": (lambda s: (1 + np.tanh(s / 2)) / 2, lambda s: 1 / (4 * np.cosh(s / 2) ** 2)),
    "softsign": (lambda s: s / (1 + abs(s)), lambda s: 1 / (1 + abs(s)) ** 2),
    "relu": (lambda s: s * (s > 0), lambda s: 1.0 * (s > 0)),
}


@cache
def _mp_rule() -> list:
    with mp.workdps(DIGITS):
        return GaussLegendre(mp.mp).calc_nodes(5, mp.mp.prec)  # 48 nodes


def mp_moments(activation: str, q: float) -> tuple:
    """E f, E f^2, E f'^2, E f^4 to about 30 digits, split at 0 and graded by powers of two."""
    function, derivative = MP_FUNCTIONS[activation]
    with mp.workdps(DIGITS):
        root = mp.sqrt(mp.mpf(q))
        graded = [mp.mpf(2) ** k for k in range(-4, 20)]
        edges = sorted({mp.mpf(0), *[root * j / 2 for j in range(1, 27)], *[e for e in graded if e < 13 * root]})
        totals = [mp.mpf(0)] * 4
        for low, high in pairwise(edges):
            half, middle = (high - low) / 2, (high + low) / 2
            for node, weight in _mp_rule():
                s = middle + half * node
                measure = half * weight * mp.exp(-((s / root) ** 2) / 2) / (mp.sqrt(2 * mp.pi) * root)
                for side in (s, -s):
                    f, slope = function(side), derivative(side)
                    for index, value in enumerate((f, f * f, slope * slope, f**4)):
                        totals[index] += measure * value
        return tuple(totals)


def panels(edges: np.ndarray, order: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights of panels between edges along the last axis."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    half = np.diff(edges)[..., np.newaxis] / 2
    middle = (edges[..., 1:] + edges[..., :-1])[..., np.newaxis] / 2
    shape = (*edges.shape[:-1], -1)
    return (middle + half * nodes).reshape(shape), (half * weights).reshape(shape)


def normal_density(t: np.ndarray) -> np.ndarray:
    return np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi)


def pair(functions: Sequence[Callable], q: Sequence[float], rho: float) -> float:
    """E[f(s_a) g(s_b)], both allowed to kink at 0: s_b given s_a is integrated over panels split where it is 0."""
    f, g = functions
    u, weight = panels(np.linspace(-9, 9, 73))
    spread = np.sqrt(1 - rho**2)
    kink = np.clip(-rho * u / spread, -9, 9)
    edges = np.sort(np.concatenate([np.broadcast_to(np.linspace(-9, 9, 49), (len(u), 49)), kink[:, None]], axis=1))
    v, inner = panels(edges)
    second = (inner * normal_density(v) * g(np.sqrt(q[1]) * (rho * u[:, None] + spread * v))).sum(axis=1)
    return float((weight * normal_density(u) * f(np.sqrt(q[0]) * u)) @ second)


def single(f: Callable, q: float) -> float:
    """E f(s), f allowed to kink at 0."""
    u, weight = panels(np.linspace(-9, 9, 289))
    return float((weight * normal_density(u)) @ f(np.sqrt(q) * u))
