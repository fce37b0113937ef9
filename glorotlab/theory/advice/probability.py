"""The probability that a network trains, and the learning rate to begin with, by the numbers of ``calibration``."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from glorotlab.theory.advice import calibration
from glorotlab.theory.advice.numbers import Numbers
from glorotlab.theory.advice.predictors import predictors


@dataclass(frozen=True)
class Term:
    """The contribution of one predictor to the log odds that a network trains.

    Parameters
    ----------
    name : str
        As of ``Predictors``.
    value : float
        10 to the power of the predictor.
    log_odds : float
        Against the average network that was trained for the calibration: below 0 where it makes training less likely.
    """

    name: str
    value: float
    log_odds: float


def terms(numbers: Numbers) -> tuple[Term, ...]:
    """Return the contributions of a network's predictors, the largest first."""
    added = []
    for name, value in asdict(predictors(numbers)).items():
        coefficient = calibration.COEFFICIENTS[name]
        deviations = (value - coefficient.mean) / coefficient.deviation
        within = min(max(deviations, -calibration.FARTHEST), calibration.FARTHEST)
        added.append(Term(name, 10**value, within * coefficient.log_odds))
    return tuple(sorted(added, key=lambda term: -abs(term.log_odds)))


def probability(added: tuple[Term, ...]) -> float:
    """Return the probability that a network trains, from what its predictors add to the log odds."""
    log_odds = calibration.INTERCEPT + sum(term.log_odds for term in added)
    return 1 / (1 + math.exp(-log_odds))


def recommended_rate(numbers: Numbers) -> float:
    """Return the learning rate to begin with: powers of the largest curvature, the depth and the gradient's growth.

    Stability alone would be 2 / curvature (LeCun et al. 1998), for a cost that stays as it is at initialization. It
    does so less the deeper the network, and the more its gradient grows on the way back.
    """
    rate = calibration.RATE
    largest, growth = max(numbers.curvature, calibration.LEAST_CURVATURE), max(numbers.gradient_ratio, 1.0)
    return float(rate.constant * largest**rate.curvature * numbers.hidden_layers**rate.depth * growth**rate.growth)
