"""Pair moments as a Hermite series in the correlation (Mehler's formula), for whole kernels at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from glorotlab.theory.quadrature import Array

PAIR_TERMS, MAX_PAIR_TERMS = 96, 768
"""Terms of the Hermite series of a pair moment: the first number, doubled up to the second while the bound on what
is left out exceeds ``PAIR_TOLERANCE``; that bound is reported."""

PAIR_TOLERANCE = 1e-4

ALIKE = 1e-12
"""Examples whose correlation differs from 1 by no more are copies of each other: their pair moment is E g^2."""

BLOCK = 48
"""Rows of a kernel summed at a time, so that a term stays in the cache."""


def pair_terms() -> Iterator[int]:
    """Yield the numbers of terms to try in turn."""
    terms = PAIR_TERMS
    while terms <= MAX_PAIR_TERMS:
        yield terms
        terms *= 2


def correlation(kernel: Array) -> Array:
    """Correlations of a covariance matrix, clipped to [-1, 1]."""
    scale = np.sqrt(np.diagonal(kernel))
    return np.asarray(np.clip(kernel / (scale[:, np.newaxis] * scale), -1, 1))


def copies(rho: Array, square: Array) -> npt.NDArray[np.bool_]:
    """Where two examples are the same one: on the diagonal, and where neither rho nor E g^2 tells them apart."""
    alike = rho > 1 - ALIKE
    rows, columns = np.nonzero(alike)
    alike[rows, columns] = np.isclose(square[rows], square[columns], rtol=ALIKE, atol=0)
    np.fill_diagonal(alike, True)
    return alike


def symmetric_sum(series: Array, rho: Array) -> Array:
    """Sum_k a_k(i) a_k(j) rho_ij^k for coefficients of shape (terms, examples), by Horner's scheme."""
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


def mehler_sum(left: Array, right: Array, rho: Array, left_square: Array, right_square: Array) -> tuple[Array, Array]:
    """Sum a Hermite series of pair moments.

    Parameters
    ----------
    left, right : (terms, examples)
        Coefficients of g1 and g2.
    rho : (examples, examples)
    left_square, right_square : (examples,)
        Exact E g1^2 and E g2^2: what the coefficients miss of them bounds the remainder by Cauchy-Schwarz.

    Returns
    -------
    Two arrays of shape (examples, examples): the pair moments, and bounds relative to sqrt(E g1^2 E g2^2).
    """
    total = np.zeros_like(rho)
    for a, b in zip(left[::-1], right[::-1], strict=True):  # Horner's scheme in rho
        total = total * rho + a[:, np.newaxis] * b
    lost_left = np.sqrt(np.clip(1 - (left**2).sum(axis=0) / left_square, 0, 1))
    lost_right = np.sqrt(np.clip(1 - (right**2).sum(axis=0) / right_square, 0, 1))
    return total, np.abs(rho) ** len(left) * lost_left[:, np.newaxis] * lost_right


def mehler_kernel(series: Array, rho: Array, square: Array) -> tuple[Array, float]:
    """Sum the series of E[g(s_a) g(s_b)] of one function g, and return the largest bound; see ``mehler_sum``.

    On the diagonal, and wherever an example is a copy of another, it is E g^2 itself.
    """
    total, bound = mehler_sum(series, series, rho, square, square)
    alike = copies(rho, square)
    total[alike], bound[alike] = np.broadcast_to(square, total.shape)[alike], 0
    return total, float(bound.max(initial=0.0))
