"""Pair moments E f(s_a) f(s_b) and E f'(s_a) f'(s_b) of a batch's whole kernel.

A kernel of hundreds of examples comes from a closed form or a Hermite series with as many terms as its correlations
need; pairs too alike for the series (a kink's coefficients fall slowly) are interpolated in (ln q_1, ln q_2,
arccos rho), where pair moments are smooth up to rho = 1.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian import closed_forms, pair_quadrature, quadrature
from glorotlab.theory.gaussian.closed_forms import ROUNDING
from glorotlab.theory.gaussian.hermite_series import coefficients, copies, correlation, symmetric_sum
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.theory.gaussian.moments import Moments, Row, moments, sampled
from glorotlab.theory.gaussian.pair_moments import PairMoments, one_by_one, pair_moments
from glorotlab.threads import single_threaded_blas

TOLERANCE = 1e-9
"""Relative error that every step aims at: nodes in q, terms of the series, nodes in the angle."""

TERMS = (24, 48, 96, 192, 384)
"""Numbers of terms of the Hermite series that are tried: the first that suffices is taken, or the last."""

NODE_TOLERANCE = 1e-11
"""Size of the last term of an interpolant in ln q."""

FACTORS = (1, 2, 4, 8)
"""Multiples of the number of nodes in ln q that are tried until interpolation errs by at most ``TOLERANCE``."""

FEW = 8
"""Number of pairs beyond the series that are integrated one by one."""

ROWS = 16
"""Rows of a kernel whose Chebyshev series in the angle are summed at a time, so that their coefficients stay few."""

ANGLES = (9, 17, 33, 65)
"""Numbers of Chebyshev-Lobatto points in the angle, one set within the next; the last two differ by the error."""


@single_threaded_blas()
def kernel_moments(record: Activation, kernel: Array, single: Moments | None = None) -> PairMoments:
    """Return the pair moments of (s_a, s_b) ~ N(0, kernel), to about 1e-8, with the error of every pair.

    Parameters
    ----------
    record : Activation
    kernel : (examples, examples)
        Covariance of the pre-activations of one unit over the examples.
    single : Moments, optional
        Moments of the single examples, where they are known already.
    """
    q, rho = np.diagonal(kernel), correlation(kernel)
    exact = moments(record, q) if single is None else single
    squares = np.stack([exact.second_moment, exact.derivative_second_moment])
    alike = [copies(rho, square) for square in squares]
    rows, columns = np.triu_indices(len(q))
    closed = closed_forms.pairs(record, q[rows], q[columns], rho[rows, columns])
    if closed is not None:
        method, everything = "closed form", np.empty((3, *rho.shape))
        everything[:, rows, columns] = everything[:, columns, rows] = closed
        pairs, errors = everything[:2], everything[2]
    else:
        pairs, errors, error = _series(record, q, rho, squares, alike[0] & alike[1])
        method = "series"
        bad = (errors > TOLERANCE) & ~(alike[0] & alike[1])
        errors += error
        if bad.any():
            method = "series and interpolation"
            _replace(record, q, rho, squares, bad, pairs, errors)
    for values, square, where in zip(pairs, squares, alike, strict=True):
        values[where] = np.broadcast_to(square, rho.shape)[where]
    errors[alike[0] & alike[1]] = exact.error
    if record.odd:  # mirror images stay so in every layer, and a chaotic one would tear rounding errors apart
        for values, square, sign in zip(pairs, squares, (-1, 1), strict=True):
            mirrored = copies(-rho, square) & (rho < 0)
            values[mirrored] = sign * np.broadcast_to(square, rho.shape)[mirrored]
    return PairMoments(pairs[0], pairs[1], method, errors)


def _series(
    record: Activation, q: Array, rho: Array, squares: Array, alike: npt.NDArray[np.bool_]
) -> tuple[Array, Array, float]:
    """Return both pair moments by their Hermite series, bounds of what it leaves out, and the error in ln q."""
    size = np.abs(rho)
    largest = float(np.max(size, where=~alike, initial=0.0))
    every, enough, error = _interpolated_coefficients(record, q, largest)
    pairs, errors = np.empty((2, *rho.shape)), np.full(rho.shape, ROUNDING)
    for row, (series, terms) in enumerate(zip(every, enough, strict=True)):
        used = series[:terms]
        if record.odd:  # f has odd terms alone, f' even ones
            odd = 1 - row
            pairs[row] = symmetric_sum(used[odd::2], rho**2)
            if odd:
                pairs[row] *= rho
        else:
            pairs[row] = symmetric_sum(used, rho)
        root = np.sqrt(squares[row])
        pairs[row] *= root[:, np.newaxis] * root
        tail = np.sqrt(np.clip(1 - (used**2).sum(axis=0), 0, 1) + error)
        np.maximum(errors, size**terms * (tail[:, np.newaxis] * tail), out=errors)
    return pairs, errors, error


def _interpolated_coefficients(record: Activation, q: Array, largest: float) -> tuple[Array, list[int], float]:
    """Return coefficients of f and f' for every q, how many correlation ``largest`` needs, and the error in ln q."""
    some = np.argsort(q)[np.rint(np.array([0.0, 0.3, 0.7, 1.0]) * (len(q) - 1)).astype(int)]
    factor = 0
    for terms in TERMS:
        while True:
            nodes, weights = log_nodes(q, NODE_TOLERANCE, factor=FACTORS[factor])
            series = _relative_coefficients(record, np.concatenate([nodes, q[some]]), terms)
            few, check = series[:, :, : len(nodes)], series[:, :, len(nodes) :]
            error = 2 * float(np.linalg.norm(few @ weights[:, some] - check, axis=1).max())
            if error <= TOLERANCE or factor + 1 == len(FACTORS):
                break
            factor += 1
        lost = np.clip(1 - np.cumsum(few**2, axis=1), 0, 1).max(axis=2)
        small = largest ** np.arange(1, terms + 1) * lost <= TOLERANCE
        if small[:, -1].all():
            break
    enough = [int(row.argmax()) + 1 if row[-1] else terms for row in small]
    return few @ weights, enough, error


def _relative_coefficients(record: Activation, q: Array, terms: int) -> Array:
    """Return Hermite coefficients of f and f' over the roots of E f^2 and E f'^2, (2, terms, q)."""
    s, weights, values = sampled(record, q, quadrature.ORDER + math.ceil(2 * math.sqrt(terms)))
    squares = values[[Row.SQUARE, Row.DERIVATIVE_SQUARE]] @ (weights * quadrature.density(s, q)).T
    series = coefficients(record, (Row.F, Row.DERIVATIVE), q, terms)
    return np.asarray(series / np.sqrt(squares)[:, np.newaxis])


def _replace(
    record: Activation,
    q: Array,
    rho: Array,
    squares: Array,
    bad: npt.NDArray[np.bool_],
    pairs: Array,
    errors: Array,
) -> None:
    """Put accurate values and errors in place of ``bad`` pairs; of many pairs of a rough f it would take minutes."""
    if bad.sum() <= 2 * FEW:
        for a, b in np.argwhere(bad):
            if a < b:
                own = pair_moments(record, q[a], q[b], rho[a, b])
                pairs[:, a, b] = pairs[:, b, a] = own.second_moment, own.derivative_second_moment
                errors[a, b] = errors[b, a] = own.error
        return
    if pair_quadrature.is_rough(record, q):
        return  # the bounds of the series stand
    root = np.sqrt(squares)
    scale = root[:, :, np.newaxis] * root[:, np.newaxis]
    angle = np.arccos(np.abs(rho))
    for sign in (1, -1):
        where = bad & (np.sign(rho) == sign)
        if not where.any():
            continue
        rows, columns = np.argwhere(where)[np.linspace(0, where.sum() - 1, FEW // 2).astype(int)].T
        exact = one_by_one(record, q[rows], q[columns], rho[rows, columns], pair_quadrature.ACCURATE)
        for factor in FACTORS[:2]:
            values, error = _interpolated(record, q, sign, angle, where, factor)
            values *= scale
            difference = np.abs(values[:, rows, columns] - exact) / scale[:, rows, columns]
            error += 4 * float(difference.max())
            if error <= 8 * TOLERANCE:
                break
        pairs[:, where], errors[where] = values[:, where], error


def _interpolated(
    record: Activation, q: Array, sign: int, angle: Array, where: npt.NDArray[np.bool_], factor: int
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
