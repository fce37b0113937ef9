"""Tests of whether two networks differ: exact on shared test examples (McNemar), paired over seeds (Student)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, ttest_rel

from glorotlab.averages import mean_and_error

LEVEL = 0.005
"""Level at which table 1 of Glorot & Bengio (2010) calls two networks different."""

ROUNDING = 1e-12
"""Scatter relative to the mean that rounding alone can leave."""


def mcnemar(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return the p-value of McNemar's exact test that two networks err equally often on the same examples.

    Of the examples on which exactly one of the two errs, each is as likely to err: the number of the first's is then
    binomial (McNemar 1947; Dietterich 1998, section 3.1, has the approximate form). Seeds add up, each on its own
    examples. The test is about the networks as trained, not about what other seeds would give.

    Parameters
    ----------
    first, second : array_like of bool
        Whether each example is classified correctly; equal shapes.

    Returns
    -------
    float
        Two-sided; 1 where the two err on the same examples.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape}: allowed are equal ones")
    only_first, only_second = int((~a & b).sum()), int((a & ~b).sum())
    if not only_first + only_second:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def paired_over_seeds(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return the p-value of Student's paired test that two networks have equal errors, one pair a seed.

    Returns
    -------
    float
        Two-sided; NaN of fewer than two seeds. Differences that are equal but for rounding give 0, or 1 where they
        are 0.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.size < 2:
        return float("nan")
    mean, error = mean_and_error(a - b)
    if error <= ROUNDING * abs(mean):
        return 0.0 if mean else 1.0
    return float(ttest_rel(a, b).pvalue)
