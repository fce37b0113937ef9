"""How a claim is decided: confidence intervals of what was measured against a range stated beforehand.

A claim passes where every interval lies inside the range, fails where at least one lies wholly outside, and is
undecided otherwise: the data then allow both. Intervals are Student's over independently drawn networks; one network
alone has no interval and decides nothing. The intervals of a claim of n parts are Bonferroni's: each has confidence
1 - (1 - CONFIDENCE) / n, so that all of them together hold what they estimate with ``CONFIDENCE`` at least.

What is computed rather than sampled, such as the maximum of a function, or what holds in every network that was drawn,
has no interval: such a claim passes where every number lies inside the range, and fails otherwise.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from glorotlab.averages import mean_and_error
from glorotlab.experiments.experiment import Claim, Verdict

CONFIDENCE = 0.99
"""Confidence of all the intervals of one claim together."""

MARGIN = " ±"
"""Suffix of the name of a number's margin."""


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
    mean, error = mean_and_error(sample)
    if sample.size < 2:
        return Estimate(float(mean), math.inf)
    return Estimate(float(mean), _student_quantile(parts, sample.size) * float(error))


@functools.cache
def _student_quantile(parts: int, networks: int) -> float:
    """Return how many standard errors the interval of one part reaches to each side."""
    return float(student.isf((1 - CONFIDENCE) / (2 * parts), networks - 1))


def verdict(estimates: Mapping[str, Estimate], low: float, high: float) -> Verdict:
    """Return whether every interval lies in [low, high], one lies wholly outside, or neither."""
    intervals = [(part.value - part.margin, part.value + part.margin) for part in estimates.values()]
    if any(start > high or end < low for start, end in intervals):
        return "fail"
    return "pass" if intervals and all(low <= start and end <= high for start, end in intervals) else "undecided"


def numbers(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """Return the finite numbers of estimates: each value, and its margin as ``name ±``."""
    pairs: dict[str, float] = {}
    for name, part in estimates.items():
        pairs |= {name: part.value, f"{name}{MARGIN}": part.margin}
    return {name: value for name, value in pairs.items() if math.isfinite(value)}


def number_texts(numbers: Mapping[str, float]) -> dict[str, str]:
    """Return the text of each number by name; a number and its margin share one: ``1.235 ± 0.012``."""
    texts = {}
    for name, value in numbers.items():
        if name.endswith(MARGIN) and name.removesuffix(MARGIN) in numbers:
            continue
        margin = numbers.get(f"{name}{MARGIN}")
        texts[name] = f"{value:.4g}" if margin is None else f"{value:.4g} ± {margin:.2g}"
    return texts


def judge(
    experiment: str,
    sentence: str,
    samples: Mapping[str, npt.ArrayLike],
    *,
    low: float = -math.inf,
    high: float = math.inf,
    rule: str,
) -> Claim:
    """Return a claim, decided by ``verdict``, with its numbers.

    Parameters
    ----------
    experiment, sentence : str
        Name of the experiment, and what is claimed.
    samples : mapping of str to array_like, shape (networks,)
        Parts of the claim: one number a network for each.
    low, high : float
        The range that every part must lie in.
    rule : str
        What the range means.
    """
    estimates = {name: estimate(values, parts=len(samples)) for name, values in samples.items()}
    decision = verdict(estimates, low, high)
    family = f" for all {len(estimates)} together" if len(estimates) > 1 else ""
    explanation = f"{rule} ({CONFIDENCE:.0%} intervals over networks{family})"
    if decision == "undecided":
        explanation += "; some interval reaches across that limit"
    return Claim(experiment, sentence, decision, numbers(estimates), explanation)


def judge_computed(
    experiment: str,
    sentence: str,
    values: Mapping[str, float],
    *,
    low: float = -math.inf,
    high: float = math.inf,
    rule: str,
) -> Claim:
    """Return a claim about numbers that are computed, not sampled: they have no interval.

    Parameters
    ----------
    experiment, sentence : str
        Name of the experiment, and what is claimed.
    values : mapping of str to float
        Parts of the claim; where one is not a number the claim is undecided.
    low, high : float
        The range that every part must lie in.
    rule : str
        What the range means.
    """
    explanation = f"{rule} (computed, not sampled: there is no interval)"
    finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
    if len(finite) < len(values):
        return Claim(experiment, sentence, "undecided", finite, f"{explanation}; some number is not finite")
    inside = all(low <= value <= high for value in finite.values())
    return Claim(experiment, sentence, "pass" if inside else "fail", finite, explanation)


def left_open(claim: Claim, reason: str) -> Claim:
    """Return the claim as undecided, with the reason behind its rule."""
    return dataclasses.replace(claim, verdict="undecided", explanation=f"{claim.explanation}; {reason}")


def unless_too_short(claim: Claim, doubted: Collection[Verdict], updates: float, needed: int) -> Claim:
    """Return the claim with its number of updates, and undecided where a longer run may turn its verdict.

    Parameters
    ----------
    claim : Claim
    doubted : collection of str
        Verdicts that only a run of ``needed`` updates allows.
    updates : float
        Length of the run.
    needed : int
    """
    counted = dataclasses.replace(claim, numbers=claim.numbers | {"updates": float(updates)})
    if claim.verdict not in doubted or updates >= needed:
        return counted
    return left_open(counted, f"so far {claim.verdict}, but to decide takes {needed:,} updates")
