"""Pair moments E f(s_a) f(s_b) and E f'(s_a) f'(s_b) of a batch's whole kernel.

A kernel of hundreds of examples comes from a closed form or a Hermite series with as many terms as its correlations
need; pairs too alike for the series (a kink's coefficients fall slowly) come from ``alike_pairs``, and how far examples
are from being the same from ``distances``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian import closed_forms, distances, quadrature
from glorotlab.theory.gaussian.alike_pairs import FACTORS, NODE_TOLERANCE, TOLERANCE, replace_pairs
from glorotlab.theory.gaussian.closed_forms import ROUNDING, Where
from glorotlab.theory.gaussian.covariance import Covariance, covariance_of
from glorotlab.theory.gaussian.hermite_series import coefficients, symmetric_sum
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.theory.gaussian.moments import Moments, Row, moments, sampled
from glorotlab.theory.gaussian.pair_moments import PairMoments
from glorotlab.threads import single_threaded_blas

TERMS = (24, 48, 96, 192, 384)
"""Numbers of terms of the Hermite series in the order of trial; the first that suffices is used, or the last."""


@dataclass(frozen=True)
class KernelMoments(PairMoments):
    """Pair moments of a batch, with the gaps of its activations.

    Parameters
    ----------
    gap : (examples, examples)
        Gaps of f(s), as ``Covariance`` has them.
    gap_error : float
        Mean over pairs of their absolute error.
    """

    gap: Array
    gap_error: float


@single_threaded_blas()
def kernel_moments(record: Activation, kernel: Array | Covariance, single: Moments | None = None) -> KernelMoments:
    """Return the pair moments of (s_a, s_b) ~ N(0, kernel), to about 1e-8, with the error of every pair.

    Parameters
    ----------
    record : Activation
    kernel : (examples, examples) or Covariance
        Covariance of the pre-activations of one unit over the examples.
    single : Moments, optional
        Moments of the single examples, where they are known already.
    """
    s = covariance_of(kernel)
    exact = moments(record, s.q) if single is None else single
    squares = np.stack([exact.second_moment, exact.derivative_second_moment])
    # copies, and mirror images of an odd f, stay so: a chaotic network would tear their rounding errors apart
    copies = s.same & ((s.sign > 0) | record.odd)
    method, pairs, errors = _closed(record, s) or _by_series(record, s, squares, copies)
    gap, gap_error, (rows, columns) = distances.gaps(record, s, squares, pairs, errors)
    known = (squares[0, rows] + squares[0, columns] - gap[rows, columns]) / 2
    pairs[0, rows, columns] = s.sign[rows, columns] * known
    pairs[1][copies] = (np.add.outer(squares[1], squares[1]) / 2)[copies]
    errors[copies] = exact.error
    return KernelMoments(pairs[0], pairs[1], method, errors, gap, gap_error)


def _closed(record: Activation, s: Covariance) -> tuple[str, Array, Array] | None:
    """Return method, pair moments and their errors by a closed form, or None where there is none."""
    if not closed_forms.has_pairs(record):
        return None
    rows, columns = np.triu_indices(len(s.q))
    sign, unlike = s.sign[rows, columns], s.unlike[rows, columns]
    rho = 1 - unlike if record.odd else sign * (1 - unlike)  # signs of an odd f are put back, so that they cancel
    closed = closed_forms.pairs(record, s.q[rows], s.q[columns], rho, unlike)
    if closed is None:
        return None
    everything = np.empty((3, *s.kernel.shape))
    everything[:, rows, columns] = everything[:, columns, rows] = closed
    if record.odd:
        everything[0] *= s.sign
    return "closed form", everything[:2], everything[2]


def _by_series(record: Activation, s: Covariance, squares: Array, copies: Where) -> tuple[str, Array, Array]:
    """Return method, pair moments and their errors by the Hermite series, and of pairs beyond it otherwise."""
    pairs, errors, error = _series(record, s, squares, copies)
    bad = (errors > TOLERANCE) & ~copies
    errors += error
    if not bad.any():
        return "series", pairs, errors
    replace_pairs(record, s, squares, bad, pairs, errors)
    return "series and interpolation", pairs, errors


def _series(record: Activation, s: Covariance, squares: Array, copies: Where) -> tuple[Array, Array, float]:
    """Return both pair moments by their Hermite series, bounds of what it leaves out, and the error in ln q.

    What the terms leave of E g^2 is put into the next one, so that examples that are more and more alike approach it.
    """
    rho, size = s.rho, 1 - s.unlike
    largest = float(np.max(size, where=~copies, initial=0.0))
    every, enough, error = _interpolated_coefficients(record, s.q, largest)
    pairs, errors = np.empty((2, *rho.shape)), np.full(rho.shape, ROUNDING)
    for row, (series, terms) in enumerate(zip(every, enough, strict=True)):
        odd = 1 - row if record.odd else terms % 2  # the next power of rho that there is
        used = series[:terms]
        if record.odd:  # f has odd terms alone, f' even ones
            pairs[row] = symmetric_sum(used[odd::2], rho**2)
            if odd:
                pairs[row] *= rho
        else:
            pairs[row] = symmetric_sum(used, rho)
        rest, power = np.clip(1 - (used**2).sum(axis=0), 0, 1), size**terms
        root = np.sqrt(rest)
        beyond = np.outer(root, root) * power
        if beyond.max() > TOLERANCE:  # of pairs that the series does not reach
            beyond[beyond > TOLERANCE] = 0
        if odd:
            beyond *= s.sign
        pairs[row] += beyond
        pairs[row] *= np.sqrt(np.outer(squares[row], squares[row]))
        tail = np.sqrt(rest + error)
        power *= np.outer(tail, tail)
        np.maximum(errors, power, out=errors)
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
