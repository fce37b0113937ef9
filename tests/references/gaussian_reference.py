"""Gaussian expectations by rules independent of the package: Gauss-Legendre panels split at kinks, and a table."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import moment_reference
import numpy as np
from scipy.special import erf, ndtr

FUNCTIONS = moment_reference.functions(np, np.float64, np.where) | {
    "erf": (erf, lambda s: 2 / np.sqrt(np.pi) * np.exp(-(s**2))),
    "gelu": (lambda s: s * ndtr(s), lambda s: ndtr(s) + s * np.exp(-(s**2) / 2) / np.sqrt(2 * np.pi)),
}
"""f and f' of each activation, written anew."""

TABLE = json.loads(Path(moment_reference.__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""What moment_reference.py found with mpmath."""

KINKS = np.array([-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0])
"""Where the functions may have kinks, and between which they are smooth."""


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
    """E[f(s_a) g(s_b)]: s_b given s_a is integrated over panels split at the kinks."""
    f, g = functions
    first, second = KINKS / np.sqrt(q[0]), KINKS / np.sqrt(q[1])
    u, weight = panels(np.unique(np.concatenate([np.linspace(-9, 9, 19), first[abs(first) < 9]])))
    spread = np.sqrt(1 - rho**2)
    kinks = np.clip((second - rho * u[:, None]) / spread, -9, 9)
    edges = np.sort(np.concatenate([np.broadcast_to(np.linspace(-9, 9, 13), (len(u), 13)), kinks], axis=1))
    v, inner = panels(edges)
    smoothed = (inner * normal_density(v) * g(np.sqrt(q[1]) * (rho * u[:, None] + spread * v))).sum(axis=1)
    return float((weight * normal_density(u) * f(np.sqrt(q[0]) * u)) @ smoothed)


def single(f: Callable, q: float) -> float:
    """E f(s)."""
    kinks = KINKS / np.sqrt(q)
    u, weight = panels(np.unique(np.concatenate([np.linspace(-9, 9, 73), kinks[abs(kinks) < 9]])))
    return float((weight * normal_density(u)) @ f(np.sqrt(q) * u))
