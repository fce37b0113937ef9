"""Exponents of the width: slopes of ln size on ln width, with their errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array


@dataclass(frozen=True)
class Slope:
    """An exponent of the width.

    Parameters
    ----------
    exponent : float
    error : float
        Its standard error.
    freedom : float
        Degrees of freedom of that error; inf where it is known.
    """

    exponent: float
    error: float
    freedom: float

    def reach(self, probability: float) -> float:
        """Return the largest distance of the slope from the true one at a probability."""
        from scipy.special import ndtri, stdtrit

        upper = (1 + probability) / 2
        quantile = ndtri(upper) if np.isinf(self.freedom) else stdtrit(self.freedom, upper)
        return float(quantile * self.error)


def weights_of(widths: Array) -> Array:
    """Return c with which the slope of y by least squares is c . y, (widths,)."""
    logs = np.log(widths) - np.log(widths).mean()
    return np.asarray(logs / (logs**2).sum())


def slope(widths: Array, sizes: Array, scatter: Array | None = None) -> Slope:
    """Return the exponent of the root of the mean square over networks.

    Networks of different widths are independent: the slope's error has that of ln mean square at each width, with the
    degrees of freedom of Welch (1947) and Satterthwaite (1946).

    Parameters
    ----------
    widths : (widths,)
    sizes : (widths, networks)
        Root mean squares, not 0 in all networks of a width.
    scatter : (widths,), optional
        Relative variance of the mean square between networks, where theory has it; measured otherwise.
    """
    squares, networks = sizes**2, sizes.shape[1]
    mean = squares.mean(axis=1)
    known = scatter is not None
    relative = scatter if scatter is not None else squares.var(axis=1, ddof=1) / mean**2
    weights = weights_of(widths)
    parts = weights**2 * relative / (4 * networks)
    total = float(parts.sum())
    squared = float((parts**2).sum())
    freedom = np.inf if known or not squared else total**2 * (networks - 1) / squared
    return Slope(float(weights @ np.log(mean)) / 2, total**0.5, freedom)
