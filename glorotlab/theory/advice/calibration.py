"""Coefficients that predict whether a network trains, fitted to networks that were trained.

``benchmarks/accuracy/trainability_runs.py`` trained the networks on 29 November 2026, and ``trainability.py`` beside it
fitted these numbers to two thirds of their families, an activation with a kind of initializer; the scores are those of
the other third. docs/advice.md has them in full.
"""

from __future__ import annotations

from dataclasses import dataclass

NETWORKS = 397
"""Number of networks, of 183 families, of which 141 were held out."""

AUROC, BRIER, CALIBRATION_ERROR = 0.961, 0.066, 0.063
"""Scores on held-out families: of the ranking, the mean squared error, and the expected calibration error."""


@dataclass(frozen=True)
class Coefficient:
    """The coefficient of a predictor in the log odds.

    Parameters
    ----------
    mean, deviation : float
        Of the predictor over the networks.
    log_odds : float
        Added for each standard deviation above the mean.
    """

    mean: float
    deviation: float
    log_odds: float


@dataclass(frozen=True)
class Rate:
    """The recommended learning rate: a constant times powers.

    Parameters
    ----------
    constant : float
    curvature, depth, growth : float
        Powers of ``Numbers.curvature``, of the number of hidden layers, and of the gradient ratio where it is above 1.
    """

    constant: float
    curvature: float
    depth: float
    growth: float


INTERCEPT = 1.767
"""Log odds of a network that is average in every predictor."""

COEFFICIENTS = {
    "updates": Coefficient(2.871, 2.802, -4.803),
    "fluctuation": Coefficient(-0.3895, 0.5206, -0.8945),
    "coherence": Coefficient(-0.9733, 1.899, 0.7407),
    "separation": Coefficient(-1.349, 0.5476, 0.9419),
}
"""Coefficients of the regression by the names of ``Predictors``."""

FARTHEST = 3.0
"""Standard deviations from the mean at which predictors are clipped; no network was trained beyond."""

MAX_OUTPUTS = 1e10
"""Largest second moment of the outputs that the regression covers."""

REFUSED = 0.05
"""Probability if signals or kernels leave the range of float64: none of 9 such networks trained."""

RATE = Rate(0.697, -0.3648, -0.5204, -0.3868)
"""Coefficients of the learning rate, fitted to the best rates of the networks that train."""

LEAST_CURVATURE = 1e-9
"""Least curvature; smaller ones, of saturated outputs, are raised to it."""
