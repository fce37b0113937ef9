"""Functions of a second moment q: few nodes that stand for many."""

from __future__ import annotations

import math

import numpy as np

from glorotlab.arrays import Array

NARROWEST = 5e-4
"""Least half-range of ln q over which nodes are spread."""


def log_nodes(q: Array, tolerance: float, strip: float = math.pi, factor: int = 1) -> tuple[Array, Array]:
    """Return few q that stand for all, (nodes,), and the matrix from values there to all values, (nodes, examples).

    A Gaussian mean of a function analytic and bounded in the right half-plane, and mirrored, is analytic in ln q
    within ``strip`` = pi of the real axis, a Gaussian distribution function within pi / 2: an interpolant through n
    Chebyshev points of a half-range h converges like rho^-n, rho = exp(asinh(strip / h)) (Trefethen, Approximation
    Theory and Approximation Practice, theorem 8.2). Values of other functions may need more nodes.

    Parameters
    ----------
    q : (examples,)
    tolerance : float
        Relative error aimed at.
    strip : float
        Half-width of the strip of analyticity.
    factor : int
        Multiple of the number of nodes that this takes.
    """
    distinct = np.unique(q)
    low, high = np.log(distinct[[0, -1]])
    half = max((high - low) / 2, NARROWEST)
    count = factor * math.ceil(-math.log(tolerance) / math.asinh(strip / half))
    if len(distinct) <= count:
        return distinct, np.equal(distinct[:, np.newaxis], q).astype(np.float64)
    chebyshev = np.polynomial.chebyshev
    nodes = np.exp((low + high) / 2 + half * chebyshev.chebpts1(count))
    # column k interpolates what is 1 at node k and 0 at the others
    coefficients = chebyshev.chebinterpolate(lambda points: np.eye(len(points)), count - 1)  # type: ignore[type-var]
    return nodes, coefficients.T @ chebyshev.chebvander((np.log(q) - (low + high) / 2) / half, count - 1).T


def gauss_rule(values: Array, count: int) -> tuple[Array, Array]:
    """Return nodes and positive weights with the mean over ``values`` of every polynomial of degree 2 ``count`` - 1.

    The Gauss rule of the values' own distribution (Gautschi, Orthogonal Polynomials, section 2.2): for smooth functions
    few nodes stand for many values, and every node lies between them. With no more than ``count`` distinct values these
    are the nodes.
    """
    distinct, places = np.unique(values, return_inverse=True)
    masses = np.bincount(places.ravel()) / np.size(values)
    if len(distinct) <= count:
        return distinct, masses
    middle, half = (distinct[0] + distinct[-1]) / 2, (distinct[-1] - distinct[0]) / 2
    x = (distinct - middle) / half
    below, current, norm = np.zeros_like(x), np.ones_like(x), 1.0
    diagonal, squares = np.empty(count), np.empty(count)
    for k in range(count):
        square = masses @ current**2
        diagonal[k], squares[k] = masses @ (x * current**2) / square, square / norm
        below, current = current, (x - diagonal[k]) * current - (squares[k] if k else 0.0) * below
        norm = square
    off = np.sqrt(squares[1:])
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
    return middle + half * nodes, vectors[0] ** 2
