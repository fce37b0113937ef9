"""How a claim is decided: confidence intervals of what was measured against a range stated beforehand.

A claim passes where every interval lies inside the range, fails where at least one lies wholly outside, and is
undecided otherwise: the data then allow both. Intervals are Student's over independently drawn networks; one network
alone has no interval and decides nothing. The intervals of a claim of n parts are Bonferroni's: each has confidence
1 - (1 - CONFIDENCE) / n, so that all of them together hold what they estimate with ``CONFIDENCE`` at least.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from glorotlab.experiments.experiment import Claim, Verdict

CONFIDENCE = 0.99
"""Of all the intervals of one claim together."""


@dataclass(frozen=True)
class Estimate:
    """A mean over networks and its confidence interval, ``value`` +- ``margin``."""

    value: float
    margin: float


def estimate(values: npt.ArrayLike, parts: int = 1) -> Estimate:
    """Return the mean of one number a network, with Student's interval for one of ``parts`` parts of a claim."""
    sample = np.asarray(values, dtype=np.float64)
    if not np.isfinite(sample).all() or not sample.size:
        return Estimate(math.nan, math.inf)
    if sample.size < 2:
        return Estimate(float(sample.mean()), math.inf)
    quantile = float(student.isf((1 - CONFIDENCE) / (2 * parts), sample.size - 1))
    return Estimate(float(sample.mean()), quantile * float(sample.std(ddof=1)) / math.sqrt(sample.size))


def verdict(found: Mapping[str, Estimate], low: float, high: float) -> Verdict:
    """Return whether every interval lies in [low, high], one lies wholly outside, or neither."""
    if any(e.value - e.margin > high or e.value + e.margin < low for e in found.values()):
        return "fail"
    inside = [low <= e.value - e.margin and e.value + e.margin <= high for e in found.values()]
    return "pass" if inside and all(inside) else "undecided"


def numbers(found: Mapping[str, Estimate]) -> dict[str, float]:
    """Return the finite numbers of estimates: each value, and its margin as ``name ±``."""
    pairs = {key: number for name, e in found.items() for key, number in ((name, e.value), (f"{name} ±", e.margin))}
    return {key: number for key, number in pairs.items() if math.isfinite(number)}


def judge(
    experiment: str,
    sentence: str,
    samples: Mapping[str, npt.ArrayLike],
    *,
    low: float = -math.inf,
    high: float = math.inf,
    rule: str,
) -> Claim:
    """Return the claim, decided by ``verdict`` with its numbers.

    Parameters
    ----------
    experiment, sentence : str
    samples : mapping of str to (networks,)
        The parts of the claim: one number a network for each.
    low, high : float
        The range that every part must lie in.
    rule : str
        What the range means.
    """
    found = {name: estimate(values, parts=len(samples)) for name, values in samples.items()}
    decided, family = verdict(found, low, high), f" for all {len(found)} together" if len(found) > 1 else ""
    explanation = f"{rule} ({CONFIDENCE:.0%} intervals over networks{family})"
    if decided == "undecided":
        explanation += "; some interval reaches across that limit"
    return Claim(experiment, sentence, decided, numbers(found), explanation)
