"""Coefficients by which training is foretold, as fitted to networks that were trained.

``python benchmarks/accuracy/trainability.py RUNS.csv`` fits them anew and prints this file's numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "benchmarks/accuracy/trainability.py"


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


INTERCEPT = 0.0
"""Log odds of a network that is average in every predictor."""

COEFFICIENTS = {
    "updates": Coefficient(3.0, 2.0, -2.0),
    "fluctuation": Coefficient(-0.5, 0.5, -1.0),
    "separation": Coefficient(-1.0, 0.5, 1.0),
}
"""By the names of ``Predictors``."""

FARTHEST = 3.0
"""Standard deviations from the mean beyond which networks count as if they were there: none were trained."""

MAX_OUTPUTS = 1e10
"""Outputs of a larger second moment count as refused."""

REFUSED = 0.02
"""Probability where theory has no numbers, since signals or kernels leave the range of float64."""

RATE = 1.0, -0.5, -0.5
"""A constant, and the powers of the largest curvature and of the number of hidden layers, of the recommended rate."""

LEAST_CURVATURE = 1e-9
"""Smaller curvatures, of saturated outputs, count as this."""
