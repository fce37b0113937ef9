"""Logistic regression, and the numbers that say how good probabilities are; for the scripts beside it.

scikit-learn has most of it, but not a calibration error, and the package that is calibrated does without scikit-learn.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

STEPS, TOLERANCE = 100, 1e-10


def fit(x: Array, y: Array, ridge: float = 1.0) -> Array:
    """Return intercept and coefficients of the largest likelihood less ridge / 2 |coefficients|^2, by Newton's method.

    Parameters
    ----------
    x : (n, predictors)
        Standardized, since the penalty counts all alike; the intercept is free of it.
    y : (n,)
        0 or 1.
    ridge : float
        Precision of a normal prior of the coefficients.
    """
    design = np.column_stack([np.ones(len(x)), x])
    penalty = ridge * np.diag([0.0, *np.ones(x.shape[1])])
    beta = np.zeros(design.shape[1])
    value = _loss(design, y, beta, penalty)
    for _ in range(STEPS):
        p = probabilities(design @ beta)
        gradient = design.T @ (p - y) + penalty @ beta
        hessian = design.T @ (design * (p * (1 - p))[:, np.newaxis]) + penalty
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while (after := _loss(design, y, beta - size * step, penalty)) > value and size > TOLERANCE:
            size /= 2
        beta, before, value = beta - size * step, value, after
        if before - value < TOLERANCE * (1 + abs(value)):
            break
    return beta


def _loss(design: Array, y: Array, beta: Array, penalty: Array) -> float:
    z = design @ beta
    return float((np.logaddexp(0, z) - y * z).sum() + beta @ penalty @ beta / 2)


def probabilities(log_odds: Array) -> Array:
    """Return 1 / (1 + exp(-log odds))."""
    return np.exp(-np.logaddexp(0, -log_odds))


def auroc(p: Array, y: Array) -> float:
    """Return the chance that one that is 1 has a larger p than one that is 0; ties count half."""
    positive, negative = p[y == 1], p[y == 0]
    larger = (positive[:, np.newaxis] > negative).mean() + (positive[:, np.newaxis] == negative).mean() / 2
    return float(larger)


def brier(p: Array, y: Array) -> float:
    """Return the mean of (p - y)^2."""
    return float(((p - y) ** 2).mean())


def reliability(p: Array, y: Array, bins: int = 10) -> Iterator[tuple[float, float, int, float, float]]:
    """Yield ends, number, mean probability and share of ones of each bin of equal width that is not empty."""
    places = np.minimum((p * bins).astype(int), bins - 1)
    for place in range(bins):
        inside = places == place
        if inside.any():
            ends = place / bins, (place + 1) / bins
            yield *ends, int(inside.sum()), float(p[inside].mean()), float(y[inside].mean())


def calibration_error(p: Array, y: Array, bins: int = 10) -> float:
    """Return the expected calibration error: |mean probability - share of ones| of the bins, by their numbers."""
    return sum(count * abs(mean - share) for _, _, count, mean, share in reliability(p, y, bins)) / len(p)
