"""Pair moments beyond the Hermite series of a batch's kernel: of examples that are alike, or mirror images.

Examples in proportion need one Gaussian. A few other pairs are integrated one by one; many are interpolated in
(ln q_1, ln q_2, arccos rho), where pair moments are smooth up to rho = 1.
"""

from __future__ import annotations

import math

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian import pair_quadrature
from glorotlab.theory.gaussian.closed_forms import ROUNDING, Where
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.theory.gaussian.moments import moments
from glorotlab.theory.gaussian.pair_moments import by_quadrature, one_by_one

TOLERANCE = 1e-9
"""Relative error that every step aims at: nodes in q, terms of the series, nodes in the angle."""

NODE_TOLERANCE = 1e-11
"""Size of the last term of an interpolant in ln q."""

FACTORS = (1, 2, 4, 8)
"""Multiples of the number of nodes in ln q that are tried until interpolation errs by at most ``TOLERANCE``."""

FEW, SOME, MANY = 8, 16, 128
"""Largest numbers of pairs integrated one by one: FEW in any case, and if they err by more than ``INTERPOLATED`` after
all else SOME of a rough f and MANY of another."""

INTERPOLATED = 1e-6
"""Largest error of a pair that is not integrated by itself."""

ROWS = 16
"""Rows of a kernel whose Chebyshev series in the angle are summed at a time, so that their coefficients stay few."""

ANGLES = (9, 17, 33, 65)
"""Numbers of Chebyshev-Lobatto points in the angle, one set within the next; the last two differ by the error."""


def replace_pairs(record: Activation, s: Covariance, squares: Array, bad: Where, pairs: Array, errors: Array) -> None:
    """Put accurate values and errors in place of ``bad`` pairs; of many pairs of a rough f it would take minutes."""
    line = bad & (s.unlike == 0)
    if line.any():
        _put_proportional(record, s, squares, line, pairs, errors)
        bad = bad & ~line
    if bad.sum() <= 2 * FEW:
        _put_one_by_one(record, s, bad, pairs, errors)
        return
    rough = pair_quadrature.is_rough(record, s.q)
    if not rough:
        _put_interpolated(record, s, squares, bad, pairs, errors)
    missed = bad & (errors > INTERPOLATED)
    if missed.sum() <= 2 * (SOME if rough else MANY):  # else the bounds of the series stand
        _put_one_by_one(record, s, missed, pairs, errors)


def _put_proportional(
    record: Activation, s: Covariance, squares: Array, line: Where, pairs: Array, errors: Array
) -> None:
    own = np.ix_(*[np.flatnonzero(line.any(axis=1))] * 2)
    root = np.sqrt(squares[:, own[1][0]])
    scale = root[:, :, np.newaxis] * root[:, np.newaxis]
    for sign in (1.0, -1.0):
        where = line[own] & (s.sign[own] == sign)
        if not where.any():
            continue
        best, check = (
            np.stack(pair_quadrature.matrices(record, s.q[own[1][0]], sign, 0.0, rule))
            for rule in (pair_quadrature.ACCURATE, pair_quadrature.CHECK)
        )
        off = np.divide(np.abs(best - check), scale, where=scale > 0, out=np.zeros_like(scale)).max(axis=0)
        rows, columns = (part[where] for part in np.broadcast_arrays(*own))
        pairs[:, rows, columns], errors[rows, columns] = best[:, where], off[where] + ROUNDING


def _put_one_by_one(record: Activation, s: Covariance, bad: Where, pairs: Array, errors: Array) -> None:
    a, b = np.nonzero(np.triu(bad, 1))
    if len(a):
        own = by_quadrature(record, s.q[a], s.q[b], s.sign[a, b], s.unlike[a, b])
        pairs[0, a, b] = pairs[0, b, a] = own.second_moment
        pairs[1, a, b] = pairs[1, b, a] = own.derivative_second_moment
        errors[a, b] = errors[b, a] = own.errors


def _put_interpolated(
    record: Activation, s: Covariance, squares: Array, bad: Where, pairs: Array, errors: Array
) -> None:
    root = np.sqrt(squares)
    scale = root[:, :, np.newaxis] * root[:, np.newaxis]
    angle = 2 * np.arcsin(np.sqrt(s.unlike / 2))
    for sign in (1, -1):
        where = bad & (s.sign == sign)
        if not where.any():
            continue
        rows, columns = np.argwhere(where)[np.linspace(0, where.sum() - 1, FEW // 2).astype(int)].T
        chosen = s.q[rows], s.q[columns], s.sign[rows, columns], s.unlike[rows, columns]
        exact = one_by_one(record, *chosen, pair_quadrature.ACCURATE)
        for factor in FACTORS[:2]:
            values, error = _interpolated(record, s.q, sign, angle, where, factor)
            values *= scale
            difference = np.abs(values[:, rows, columns] - exact) / scale[:, rows, columns]
            error += 4 * float(difference.max())
            if error <= 8 * TOLERANCE:
                break
        pairs[:, where], errors[where] = values[:, where], error


def _interpolated(
    record: Activation, q: Array, sign: int, angle: Array, where: Where, factor: int
) -> tuple[Array, float]:
    """Return relative pair moments, (2, examples, examples), good ``where``, by interpolation in ln q and the angle."""
    low, high = float(angle[where].min()), float(angle[where].max())
    nodes, weights = log_nodes(q, NODE_TOLERANCE, factor=factor)
    single = moments(record, nodes)
    roots = np.sqrt(np.stack([single.second_moment, single.derivative_second_moment]))
    scale = roots[:, :, np.newaxis] * roots[:, np.newaxis]
    known: dict[float, Array] = {}
    for count in ANGLES:
        points = np.cos(np.pi * np.arange(count) / (count - 1))
        for point in points:
            if point not in known:
                theta = (low + high) / 2 + (high - low) / 2 * point
                half = math.sin(theta / 2)
                matrices = pair_quadrature.matrices(
                    record, nodes, sign * math.cos(theta), 2 * half**2, pair_quadrature.QUICK
                )
                known[point] = np.stack(matrices) / scale
        values = np.stack([known[point] for point in points])
        transform = np.polynomial.chebyshev.chebvander(points, count - 1).T * 2 / (count - 1)
        transform[[0, -1]] /= 2
        transform[:, [0, -1]] /= 2
        series = np.tensordot(transform, values, 1)  # (count, 2, q, q)
        error = float(np.abs(series[-3:]).sum(axis=0).max()) + TOLERANCE
        if error <= 2 * TOLERANCE:
            break
    x = np.clip((angle - (low + high) / 2) / max((high - low) / 2, 1e-300), -1, 1)
    pairs = np.empty((2, *angle.shape))
    for start in range(0, len(q), ROWS):
        rows = slice(start, start + ROWS)
        every = weights.T[rows] @ series.swapaxes(0, 1) @ weights  # (2, count, rows, examples)
        for own, in_angle in zip(pairs, every, strict=True):
            own[rows] = np.polynomial.chebyshev.chebval(x[rows], in_angle, tensor=False)
    pairs = (pairs + pairs.swapaxes(1, 2)) / 2
    return pairs, error
