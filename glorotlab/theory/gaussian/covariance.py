"""Covariances of a batch that keep the digits of examples that are alike, or mirror images of each other.

The correlation of two examples rounds to 1 long before they are the same: with it go their distance and all that rests
on it. So the squared distance to the nearer of the other example and its mirror image is carried beside the covariance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array

RESOLUTION = 16 * float(np.finfo(float).eps)
"""Relative size below which a difference of two numbers is rounding."""

ALIKE = 1e-3
"""Relative distance of two examples below which it is computed from differences instead of scalar products."""

BLOCK = 2**16
"""Number of differences taken at a time, so that they stay in the cache."""


@dataclass(frozen=True)
class Covariance:
    """Second moments of one unit over the examples of a batch.

    Parameters
    ----------
    kernel : (examples, examples)
        E s_a s_b.
    gap : (examples, examples)
        E (s_a - s_b)^2 where E s_a s_b >= 0, else E (s_a + s_b)^2. It is exactly 0 for examples that are copies or
        mirror images of each other.
    """

    kernel: Array
    gap: Array

    @classmethod
    def of(cls, kernel: Array) -> Covariance:
        """Return a covariance of which nothing but the kernel is known; what rounding explains counts as 0."""
        q = np.diagonal(kernel)
        unlike = 1 - np.minimum(np.abs(correlation(kernel)), 1)
        unlike[unlike <= RESOLUTION] = 0
        gap = 2 * _scale(q) * unlike + _radial(q)
        gap[gap <= RESOLUTION * np.add.outer(q, q)] = 0
        return cls(kernel, gap)

    @classmethod
    def of_inputs(cls, x: Array) -> Covariance:
        """Return the means over inputs of x_a x_b and of (x_a -+ x_b)^2, for inputs (examples, fan_in)."""
        with np.errstate(over="ignore", invalid="ignore"):  # refused where the pre-activations are
            kernel, q = x @ x.T / x.shape[1], (x * x).mean(axis=1)
            np.fill_diagonal(kernel, q)
            sums = np.add.outer(q, q)
            gap = np.maximum(sums - 2 * np.abs(kernel), 0)
            a, b = np.nonzero(np.triu(gap < ALIKE * sums))
            signs = np.where(kernel[a, b] < 0, -1.0, 1.0)
            step = max(1, BLOCK // x.shape[1])
            for start in range(0, len(a), step):
                rows, columns, sign = (part[start : start + step] for part in (a, b, signs))
                own = ((x[rows] - sign[:, np.newaxis] * x[columns]) ** 2).mean(axis=1)
                gap[rows, columns] = gap[columns, rows] = own
                kernel[rows, columns] = kernel[columns, rows] = sign * (sums[rows, columns] - own) / 2
        return cls(kernel, gap)

    @property
    def q(self) -> Array:
        """Second moment of every example, (examples,)."""
        return np.diagonal(self.kernel)

    @cached_property
    def sign(self) -> Array:
        """1 where the gap is the distance to the other example, -1 where it is that to its mirror image."""
        return np.where(self.kernel < 0, -1.0, 1.0)

    @cached_property
    def unlike(self) -> Array:
        """1 - |rho| of the correlations rho: exactly 0 where examples are in proportion."""
        rest = self.gap - _radial(self.q)
        rest[rest <= RESOLUTION * self.gap] = 0
        return np.minimum(rest / (2 * _scale(self.q)), 1)

    @property
    def rho(self) -> Array:
        """Correlations."""
        return self.sign * (1 - self.unlike)

    @property
    def same(self) -> npt.NDArray[np.bool_]:
        """Mask of the pairs of examples that are copies or mirror images of each other."""
        return np.asarray(self.gap == 0)

    def distance(self) -> Array:
        """Return E (s_a - s_b)^2."""
        sums = np.add.outer(self.q, self.q)
        return np.where(self.sign > 0, self.gap, 2 * sums - self.gap)

    def passed_on(self, gain: float, bias: float) -> Covariance:
        """Return the covariance of the layer above, gain * kernel + bias with a bias that all examples share."""
        with np.errstate(over="ignore", invalid="ignore"):  # refused where the second moments are
            kernel = gain * self.kernel + bias
            if not bias:
                return Covariance(kernel, gain * self.gap)
            mirrored = gain * self.gap + 4 * bias
            turned = np.where(kernel < 0, mirrored, gain * self.distance())
            return Covariance(kernel, np.where(self.sign < 0, turned, gain * self.gap))


def covariance_of(kernel: Array | Covariance) -> Covariance:
    """Return a covariance as it is, and a kernel as one."""
    return kernel if isinstance(kernel, Covariance) else Covariance.of(kernel)


def correlation(kernel: Array) -> Array:
    """Return the correlations of a covariance matrix, clipped to [-1, 1]."""
    return np.asarray(np.clip(kernel / _scale(np.diagonal(kernel)), -1, 1))


def _scale(q: Array) -> Array:
    """Return sqrt(q_a q_b)."""
    root = np.sqrt(q)
    return np.asarray(root[:, np.newaxis] * root)


def _radial(q: Array) -> Array:
    """Return (sqrt(q_a) - sqrt(q_b))^2, the part of the gap that is due to the examples' sizes."""
    root = np.sqrt(q)
    with np.errstate(divide="ignore", invalid="ignore"):  # of two examples that are 0
        difference = np.subtract.outer(q, q) / np.add.outer(root, root)
    return np.nan_to_num(difference) ** 2
