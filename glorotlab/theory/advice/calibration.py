"""Coefficients by which training is foretold, as fitted to networks that were trained.

``benchmarks/accuracy/trainability_runs.py`` trained the networks on 29 November 2026, and ``trainability.py`` beside it
fitted these numbers to two thirds of their families, an activation with a kind of initializer; the scores are those of
the other third. docs/advice.md has them in full.
"""

from __future__ import annotations

from dataclasses import dataclass

NETWORKS = 397
"""Number of networks, of 183 families, of which 141 were held out."""

AUROC, BRIER, CALIBRATION_ERROR = 0.961, 0.066, 0.063
"""Scores on held-out families: that of ranking, the mean squared error, and the expected calibration error."""


@dataclass(frozen=True)
class Coefficient:
    """What a predictor adds to the log odds.

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
"""By the names of ``Predictors``."""

FARTHEST = 3.0
"""Standard deviations from the mean beyond which networks count as if they were there: none were trained."""

MAX_OUTPUTS = 1e10
"""Outputs of a larger second moment count as refused."""

REFUSED = 0.05
"""Probability where signals or kernels leave the range of float64, so that theory has no numbers: none of 9 trained."""

RATE = Rate(0.697, -0.3648, -0.5204, -0.3868)
"""Fitted to the best rates of the networks that train: off by a factor of 2.5 in the median of held-out families."""

LEAST_CURVATURE = 1e-9
"""Smaller curvatures, of saturated outputs, count as this."""
