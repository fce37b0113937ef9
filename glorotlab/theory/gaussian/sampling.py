"""Draws of correlated Gaussian vectors: a root of their covariance."""

from __future__ import annotations

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError

JITTER = 1e-10
"""Variance added to every element, relative to the largest, so that examples that are alike keep a Cholesky factor."""


def covariance_root(kernel: Array) -> Array:
    """Return R with R R' = kernel, of one covariance matrix or a stack of them, (..., examples, examples).

    It is the Cholesky factor after ``JITTER``. Where rounding has left a kernel that is not positive, as of examples
    that are copies of each other, its negative eigenvalues count as 0.

    Raises
    ------
    AssumptionError
        Where a covariance is not finite.
    """
    if not np.isfinite(kernel).all():
        raise AssumptionError(
            "outputs too large for their gradients to be told from rounding: a covariance to draw from is not finite: "
            "use a smaller initialiser, or measure instead"
        )
    largest = np.diagonal(kernel, axis1=-2, axis2=-1).max(axis=-1)[..., np.newaxis, np.newaxis]
    jitter = np.eye(kernel.shape[-1]) * (JITTER * np.where(largest > 0, largest, 1.0))
    try:
        return np.asarray(np.linalg.cholesky(kernel + jitter))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(kernel)
        return np.asarray(vectors * np.sqrt(np.clip(values, 0, None))[..., np.newaxis, :])


def correlated_draws(kernel: Array, draws: int, random: np.random.Generator) -> Array:
    """Return draws of N(0, kernel), (..., examples, draws)."""
    return np.asarray(covariance_root(kernel) @ random.normal(size=(*kernel.shape[:-1], draws)))
