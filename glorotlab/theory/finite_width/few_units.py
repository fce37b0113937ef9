"""The factor that one layer gives a gradient's second moment T where few of its units carry the gradient.

T is in proportion to the mean over a layer's n units of x = y' w y, with y = f'(s) h their gradients over the batch
(``fluctuations``). Units that are saturated have x near 0: of tanh units on pre-activations of second moment q a share
of the order of 1 / sqrt(q) is left, so that Var(x) / n is large, and the mean of n such x is no log-normal variable: it
may have no active unit at all. Its law is then that of means over n units drawn from the sample.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glorotlab.arrays import Array
from glorotlab.streams import Purpose, generator

LOG_NORMAL = 0.05
"""Relative variance of a layer's factor up to which it is taken as log-normal: bands of 95 % hold 93 % there, and 81 %
at ten times as much."""

DRAWS = 2**12
"""Number of values that represent the distribution of a factor."""

SATURATED, MAX_VARIANCE = 0.5, 4.0
"""Variance of a factor beyond which it is saturation that makes it, as ten ReLU units have as much, and the largest one
that has a band."""

TOGETHER = 2**20
"""Number of units drawn at a time."""


class Factor(NamedTuple):
    """Distribution of a layer's factor.

    Parameters
    ----------
    values : (draws,)
        Values of equal probability and mean 1.
    variance : float
        Their variance in the sample of units.
    error : float
        Standard error of the variance that the size of the sample leaves.
    """

    values: Array
    variance: float
    error: float


def factor(units: Array, met: Array | None, expected: Array) -> Factor | None:
    """Return the distribution of the mean over the units of one network, or None if a log-normal one suffices.

    Parameters
    ----------
    units : (networks, units)
        x of drawn units.
    met : (networks, units), optional
        What x is without f', if its mean over the units of a network is in the draws of the outputs already.
    expected : (networks,)
        What the mean of x is in proportion to, given the layer above in each network; those of 0 are left out.
    """
    known = expected > 0
    if not known.any():
        return None
    own = _over_mean(units[known], expected[known])
    given = np.ones_like(own) if met is None else _over_mean(met[known], expected[known])
    difference = own - given if met is not None else own - 1
    count = own.shape[1]
    variance = float((difference**2).mean()) / count
    if not variance > LOG_NORMAL:
        return None
    error = float(((difference**4).mean() / difference.size) ** 0.5) / count
    values, random = np.empty(DRAWS), generator(0, Purpose.FEW_UNITS)
    step = max(1, TOGETHER // count)
    for start in range(0, DRAWS, step):
        chosen = random.integers(0, own.size, size=(min(step, DRAWS - start), count))
        values[start : start + step] = own.ravel()[chosen].mean(axis=1) / given.ravel()[chosen].mean(axis=1)
    return Factor(values / values.mean(), variance, error)


def _over_mean(x: Array, expected: Array) -> Array:
    """Return x relative to each network's value, with mean 1."""
    relative = x / expected[:, np.newaxis]
    return np.asarray(relative / relative.mean())
