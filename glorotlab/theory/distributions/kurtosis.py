"""The law of a pre-activation that is not quite Gaussian: mean 0, variance 1 and a given excess kurtosis.

Few weights that are uniform leave a negative excess: the law is a uniform variable plus a Gaussian one, exact for a
single uniform weight, a one-hot input, and for none. Sparse weights leave a positive one: the law is two Gaussians of
variances 1 + r and 1 - r, as the variance of what a unit receives differs from unit to unit.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr, ndtri

from glorotlab.arrays import Array
from glorotlab.theory.gaussian.root_finding import newton

UNIFORM = -6 / 5
"""Excess kurtosis of a uniform variable, the least that occurs."""

LARGEST = 2.9
"""Bound on the excess kurtosis of a mixture of two Gaussians, one of which may have variance 0."""

SMALLEST = 1e-10
"""Size of the excess kurtosis below which a distribution counts as Gaussian."""

NARROWEST = 1e-8
"""Smallest deviation of the Gaussian part beside a uniform one."""


def cdf(t: Array, excess: Array | float) -> Array:
    """Return P(T <= t), elementwise."""
    t, excess = np.broadcast_arrays(t, excess)
    width, narrow = _uniform_and_gaussian(excess)
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = narrow * (_integral((t + width) / narrow) - _integral((t - width) / narrow)) / (2 * width)
    wide, slim = _two_gaussians(excess)
    peaked = (ndtr(t / wide) + ndtr(t / slim)) / 2
    return _chosen(excess, np.clip(flat, 0, 1), ndtr(t), peaked)


def density(t: Array, excess: Array | float) -> Array:
    """Return the density at t, elementwise."""
    t, excess = np.broadcast_arrays(t, excess)
    width, narrow = _uniform_and_gaussian(excess)
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = (ndtr((t + width) / narrow) - ndtr((t - width) / narrow)) / (2 * width)
    wide, slim = _two_gaussians(excess)
    peaked = (_gaussian(t / wide) / wide + _gaussian(t / slim) / slim) / 2
    return _chosen(excess, flat, _gaussian(t), peaked)


def quantile(p: Array, excess: Array | float) -> Array:
    """Return t with P(T <= t) = p, elementwise."""
    p, excess = np.broadcast_arrays(p, excess)
    start = ndtri(p)
    if not _is_not_gaussian(excess).any():
        return np.asarray(start)
    reach = 2 * np.abs(start) + 2  # two Gaussians reach less than sqrt(2) times as far, a uniform one sqrt(3)
    return newton(lambda t: cdf(t, excess) - p, lambda t: density(t, excess), -reach, reach, start, 1e-15)


def _is_not_gaussian(excess: Array) -> Array:
    return np.asarray(np.abs(excess) > SMALLEST)


def _chosen(excess: Array, flat: Array, gaussian: Array, peaked: Array) -> Array:
    return np.where(_is_not_gaussian(excess), np.where(excess < 0, flat, peaked), gaussian)


def _uniform_and_gaussian(excess: Array) -> tuple[Array, Array]:
    """Return the half-width of the uniform part and the deviation of the Gaussian part.

    A share u of the variance that is uniform has the kurtosis -6/5 u^2.
    """
    share = np.sqrt(np.clip(excess / UNIFORM, 0, 1))
    return np.sqrt(3 * share), np.maximum(np.sqrt(1 - share), NARROWEST)


def _two_gaussians(excess: Array) -> tuple[Array, Array]:
    """Return the deviations of the two Gaussians; variances 1 + r and 1 - r have the kurtosis 3 r^2."""
    r = np.sqrt(np.clip(excess, 0, LARGEST) / 3)
    return np.sqrt(1 + r), np.sqrt(1 - r)


def _gaussian(t: Array) -> Array:
    return np.asarray(np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi))


def _integral(t: Array) -> Array:
    """Return the integral of the Gaussian distribution function from -inf to t."""
    return np.asarray(t * ndtr(t) + _gaussian(t))
