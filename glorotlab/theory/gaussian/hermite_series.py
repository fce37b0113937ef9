"""Pair moments as a Hermite series in the correlation, for whole kernels at once.

With the coefficients a_k(q) = E[g(s) h_k(s / sqrt(q))] in the orthonormal Hermite polynomials h_k, Mehler's formula is
E[g(s_1) g(s_2)] = sum_k a_k(q_1) a_k(q_2) rho^k for correlation rho.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian import quadrature
from glorotlab.theory.gaussian.moments import Row, sampled

BLOCK = 48
"""Rows of a kernel summed at a time, so that a term stays in the cache."""

EVEN = frozenset({Row.DERIVATIVE, Row.SQUARE, Row.DERIVATIVE_SQUARE})
"""Functions among f, f', f^2, f'^2, f^3 and f f' that are even if f is odd; the others are odd."""

CUBE = len(Row)
"""Place of f^3 among the functions, which no ``Row`` is."""


def coefficients(record: Activation, rows: Sequence[int], q: Array, terms: int) -> Array:
    """Return the Hermite coefficients of f, f', f^2, f'^2, f f' or ``CUBE``, (rows, terms, q)."""
    # h_k has sqrt(k) radians a standard deviation, and a panel is at most 4 of them wide
    s, weights, values = sampled(record, q, quadrature.ORDER + math.ceil(2 * math.sqrt(terms)))
    functions = np.stack([values[Row.F] * values[Row.SQUARE] if row == CUBE else values[row] for row in rows])
    if not record.odd:
        return _sums(s, weights, functions, q, terms)
    half = s > 0
    series = _sums(s[half], 2 * weights[half], functions[:, half], q, terms)
    for row, own in zip(rows, series, strict=True):
        own[1 if row in EVEN else 0 :: 2] = 0
    return series


def _sums(s: Array, weights: Array, values: Array, q: Array, terms: int) -> Array:
    """Return Hermite coefficients from the nodes and weights of a rule and values (functions, nodes) there."""
    current = weights * quadrature.density(s, q)
    t = s / np.sqrt(q)[:, np.newaxis]
    below, above = np.zeros_like(t), np.empty_like(t)
    series = np.empty((len(values), terms, len(q)))
    for k in range(terms):
        series[:, k] = (current @ values.T).T
        # (t current - sqrt(k) below) / sqrt(k + 1), in place
        np.multiply(t, current, out=above)
        below *= math.sqrt(k)
        above -= below
        above /= math.sqrt(k + 1)
        below, current, above = current, above, below
    return series


def symmetric_sum(series: Array, rho: Array) -> Array:
    """Return sum_k a_k(i) a_k(j) rho_ij^k for coefficients of shape (terms, examples), by Horner's scheme."""
    total = np.empty_like(rho)
    for start in range(0, len(rho), BLOCK):
        rows, columns = slice(start, start + BLOCK), slice(start, None)
        x = np.ascontiguousarray(rho[rows, columns])
        part, term = np.zeros_like(x), np.empty_like(x)
        for a in series[::-1]:
            np.multiply(part, x, out=part)
            np.multiply(a[rows, np.newaxis], a[columns], out=term)
            np.add(part, term, out=part)
        total[rows, columns] = part
        total[columns, rows] = part.T
    return total


def mixed_sum(left: Array, right: Array, rho: Array) -> Array:
    """Return sum_k a_k(i) b_k(j) rho_ij^k of two functions' coefficients."""
    for first in (0, 1):  # of an odd f every other term is 0
        if not (left[1 - first :: 2].any(axis=1) & right[1 - first :: 2].any(axis=1)).any():
            total = _mixed_sum(left[first::2], right[first::2], rho**2)
            return total * rho if first else total
    return _mixed_sum(left, right, rho)


def _mixed_sum(left: Array, right: Array, rho: Array) -> Array:
    total = np.empty_like(rho)
    for start in range(0, len(rho), BLOCK):
        rows = slice(start, start + BLOCK)
        x, part, term = rho[rows], np.zeros_like(rho[rows]), np.empty_like(rho[rows])
        for a, b in zip(left[::-1], right[::-1], strict=True):
            np.multiply(part, x, out=part)
            np.multiply(a[rows, np.newaxis], b, out=term)
            np.add(part, term, out=part)
        total[rows] = part
    return total
