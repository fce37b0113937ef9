"""Tables of pairs of examples: how much less E f f and E f' f' of two examples are than those of one example.

The verdict rests on the tangent kernel of examples that have one second moment q and three correlations: 1, that of one
class, and that of two. Each row is ln(1 - E g(s_a) g(s_b) / E g(s)^2) as a function of ln q and of ln(1 - c), so that
examples that become alike, or forget each other, keep their digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.explorer.interpolation import Axis
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.gaussian.kernel_moments import kernel_moments

AXIS = Axis(1e-4, 1e4, 4 * 8)
"""Grid of q, coarser and shorter than that of the curves, because pairs of smaller or larger q hardly change."""

UNLIKE = Axis(1e-5, 1.0, 17)
"""Grid of 1 - c."""

LEAST = 1e-13
"""Least share; smaller ones are rounding and are raised to it."""


@dataclass(frozen=True)
class PairTable:
    """Pair moments of one activation.

    Parameters
    ----------
    square, derivative_square : (q, 1 - c)
        ln(1 - E f f / E f^2) and ln(1 - E f' f' / E f'^2).
    """

    square: Array
    derivative_square: Array


def pair_table(record: Activation) -> PairTable:
    """Tabulate the pair moments of an activation."""
    rows = np.stack([_shares(record, q) for q in AXIS.nodes.tolist()], axis=1)
    square, derivative_square = np.log(np.maximum(rows, LEAST))
    return PairTable(square, derivative_square)


def _shares(record: Activation, q: float) -> Array:
    """Return 1 - E g g / E g^2 for g = f and f' at every c, (2, nodes), from pairs of examples on a circle."""
    angles = np.arccos(1 - np.append(0.0, UNLIKE.nodes))
    cosines = np.cos(angles[:, np.newaxis] - angles)
    moments = kernel_moments(record, Covariance(q * cosines, 2 * q * (1 - cosines)))
    square = moments.gap[0, 1:] / (2 * moments.second_moment[0, 0])
    derivative = moments.derivative_second_moment[0]
    return np.stack([square, 1 - derivative[1:] / derivative[0]])
