"""A trial: the comparison of a result with the mean over networks drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CRITICAL = 5.5
"""The number of standard errors by which a trial may be off.

A true result fails once in 26 million trials where means are normal; the skewness of squares, and ten trials a
derivation, raise that to about once in a million derivations.
"""

POWER = 2.33
"""An error of the result that is this many standard errors beyond ``CRITICAL`` is found 99 times in 100."""


@dataclass(frozen=True)
class Trial:
    """One number of a result, and the same measured.

    Attributes
    ----------
    statement : str
        What is measured.
    predicted, measured : float
        The number of the result, and the mean over networks.
    standard_error : float
        The standard error of ``measured``.
    """

    statement: str
    predicted: float
    measured: float
    standard_error: float

    @classmethod
    def of(cls, statement: str, predicted: float, samples: npt.NDArray[np.floating]) -> Trial:
        """Return the trial of independent samples, one a network, whose mean is predicted."""
        error = float(samples.std(ddof=1) / np.sqrt(len(samples)))
        return cls(statement, float(predicted), float(samples.mean()), error)

    @property
    def z_score(self) -> float:
        """Return (measured - predicted) / standard error; 0 where both agree to rounding."""
        distance = self.measured - self.predicted
        if abs(distance) <= 1e-9 * abs(self.predicted):
            return 0.0
        return distance / self.standard_error if self.standard_error else float(np.copysign(np.inf, distance))

    @property
    def detectable(self) -> float:
        """Return the relative error of the result that is found 99 times in 100."""
        return (CRITICAL + POWER) * self.standard_error / abs(self.predicted)

    @property
    def passed(self) -> bool:
        """Whether the result is within ``CRITICAL`` standard errors."""
        return abs(self.z_score) <= CRITICAL

    def __str__(self) -> str:
        numbers = f"{self.measured:.4g} measured, {self.predicted:.4g} predicted"
        return f"{self.statement}: {numbers}, z = {self.z_score:+.1f}; finds errors of {self.detectable:.1%}"
