"""Pair moments as a Hermite series in the correlation (Mehler's formula), for whole kernels at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array

ALIKE = 1e-12
"""Examples whose correlation differs from 1 by no more are copies of each other: their pair moment is E g^2."""

BLOCK = 48
"""Rows of a kernel summed at a time, so that a term stays in the cache."""


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


def mixed_sum(left: Array, right: Array, rho: Array) -> Array:
    """Sum_k a_k(i) b_k(j) rho_ij^k of two functions' coefficients."""
    total = np.zeros_like(rho)
    for a, b in zip(left[::-1], right[::-1], strict=True):
        total = total * rho + a[:, np.newaxis] * b
    return total
