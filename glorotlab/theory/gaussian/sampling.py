"""Draws of Gaussian vectors: a root of their covariance, and independent normal numbers by a Sobol rule."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.streams import Purpose

JITTER = 1e-10
"""Variance added to every element, relative to the largest, so that equal examples have a Cholesky factor."""


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
            "outputs so large that their gradients drown in rounding, with a covariance that is not finite: "
            "use a smaller initializer, or measure instead"
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


@lru_cache(maxsize=8)
def sobol_normal(elements: int, draws: int) -> Array:
    """Return independent standard normal numbers by a Sobol rule, (elements, draws)."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    rule = qmc.Sobol(elements, scramble=True, seed=int(Purpose.WINDOWS))
    uniform = rule.random(draws)
    normal = ndtri(np.clip(uniform, 1e-12, 1 - 1e-12)).T
    normal -= normal.mean(axis=1, keepdims=True)
    normal /= normal.std(axis=1, keepdims=True)
    return np.ascontiguousarray(normal)
