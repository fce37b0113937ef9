"""Structure of a weight matrix: zeros, copies of rows and columns, orthogonality."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from glorotlab.arrays import Array

MOST_VECTORS = 256
"""Largest number of rows or columns whose cosines are computed."""

FEWEST_VECTORS = 4
"""Least number of rows or columns that can reveal orthogonality."""

BEGINNING = 8
"""Number of elements by which vectors are compared first."""

CLEARLY = 6.0
"""Standard deviations by which cosines must be too small for independent weights, with at most 1e-9 false alarms."""


FACTORISED = 20 * 2.0**-23
"""Largest cosine that a factorization in float32 leaves."""


@dataclass(frozen=True)
class Orthogonality:
    """Orthogonality of the rows or columns, whichever are fewer.

    Parameters
    ----------
    cosine : float
        Root mean square of the cosines between two of them.
    independent_cosine : float
        What it is of independent weights: 1 / sqrt(length).
    gain : float
        Mean norm.
    spread : float
        Standard deviation of the norms over their mean.
    suspicious : bool
        Whether the cosines are far smaller than those of independent weights.
    """

    cosine: float
    independent_cosine: float
    gain: float
    spread: float
    suspicious: bool

    def is_orthogonal(self, precision: float) -> bool:
        """Return whether all cosines are rounding errors of a factorization in float32 and of the weights."""
        return self.cosine <= self._rounding(precision)

    def is_orthonormal(self, precision: float) -> bool:
        """Return whether the vectors are orthogonal and their norms equal."""
        return self.is_orthogonal(precision) and self.spread <= self._rounding(precision)

    def _rounding(self, precision: float) -> float:
        return max(FACTORISED, 4 * precision * self.independent_cosine)


def orthogonality(matrices: Array) -> Orthogonality | None:
    """Return the orthogonality of matrices of shape (groups, rows, columns), or None if they have too few vectors.

    Cosines between independent weights of zero mean have mean square 1 / length, over m pairs within
    sqrt(2 / m) of it (they are pairwise uncorrelated).
    """
    rows, columns = matrices.shape[1:]
    vectors = matrices if rows < columns else matrices.swapaxes(1, 2)
    count, length = vectors.shape[1:]
    if count < FEWEST_VECTORS:
        return None
    own = vectors[: max(1, MOST_VECTORS // count), :MOST_VECTORS]
    norms = np.linalg.norm(own, axis=2)
    if not norms.all():
        return None
    unit = own / norms[:, :, np.newaxis]
    gram = unit @ unit.swapaxes(1, 2)
    first, second = np.triu_indices(own.shape[1], 1)
    squares = gram[:, first, second] ** 2
    ratio = float(squares.mean()) * length
    suspicious = ratio < min(0.5, 1 - CLEARLY * math.sqrt(2 / squares.size))
    return Orthogonality(
        math.sqrt(ratio / length),
        1 / math.sqrt(length),
        float(norms.mean()),
        float(norms.std() / norms.mean()),
        suspicious,
    )


def copies(matrices: Array, axis: int) -> int:
    """Return the number of columns (axis 2) or rows (axis 1) that copy an earlier one; 0 if vectors are too short.

    Vectors of zeros are no copies here: ``empty`` counts those of units.
    """
    vectors = matrices.swapaxes(1, 2) if axis == 2 else matrices
    if vectors.shape[2] < FEWEST_VECTORS:
        return 0
    repeated = 0
    for start in vectors[:, :, :BEGINNING], vectors:  # whole vectors are compared only where beginnings are alike
        keys = Counter(vector.tobytes() for group in start for vector in group)
        zero = bytes(8 * start.shape[2])
        repeated = sum(count - 1 for key, count in keys.items() if key != zero)
        if not repeated and keys[zero] <= 1:
            return 0
    return repeated


def empty(matrices: Array) -> int:
    """Return the number of columns, each the weights of one unit, that are all zero."""
    return int((~np.any(matrices, axis=1)).sum())


def nonzeros(matrices: Array) -> int | None:
    """Return the number of nonzero weights of each unit, or else of each input; None if these numbers differ."""
    there = matrices != 0
    for axis in (1, 2):
        counts = there.sum(axis=axis)
        if counts.min() == counts.max():
            return int(counts.flat[0])
    return None
