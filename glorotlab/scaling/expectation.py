"""The expected exponent of one size: an interval of slopes, and an allowance for the theory's own error.

The order of what a theory leaves out is taken at every width, and the slope of its logarithm is what it may turn a
curve by: corrections in proportion to 1 / width, and higher orders of the first update where they grow with the width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array
from glorotlab.scaling.expected_sizes import ExpectedSizes
from glorotlab.scaling.parametrization import STANDARD, Parametrization
from glorotlab.scaling.slopes import weights_of

LARGEST_CHANGE = 1.0
"""Largest relative change of a hidden layer up to which the first order in the learning rate predicts its growth."""


WITHOUT_LIMIT = "changes grow with the width under standard, and later ones have no limit"
"""Reason for expecting nothing of the second update."""


@dataclass(frozen=True)
class Expectation:
    """The expected exponent of one size of one layer.

    Parameters
    ----------
    low, high : float
        Slopes that are expected; equal where theory says one.
    allowance : float
        How far theory may be off.
    curve : (widths,) or None
        Expected root mean squares, where theory has them.
    scatter : (widths,) or None
        Relative variance of the mean square between networks, where theory has it.
    zero : bool
        Whether the size is exactly 0.
    own : bool
        Whether it is of the change by the layer's own weights alone.
    reason : str
        Why there is no expectation; ``low`` and ``high`` are then NaN.
    """

    low: float
    high: float
    allowance: float = 0.0
    curve: Array | None = None
    scatter: Array | None = None
    zero: bool = False
    own: bool = False
    reason: str = ""


def none_because(reason: str) -> Expectation:
    """Return an expectation without a value, with the reason."""
    return Expectation(np.nan, np.nan, reason=reason)


ZERO = Expectation(np.nan, np.nan, zero=True)


def of_networks(
    widths: Array, sizes: list[ExpectedSizes], parametrization: Parametrization, steps: int
) -> list[list[Expectation]]:
    """Return the expectations for ``gl.Network``: coordinates at update 0, their changes later.

    Parameters
    ----------
    widths : (widths,)
    sizes : list of ExpectedSizes
        One for each width.
    parametrization : Parametrization
    steps : int

    Returns
    -------
    list of list of Expectation
        For updates 0 to ``steps`` a row, with one for every layer.
    """
    weights, layers = weights_of(widths), range(len(sizes[0].change))
    coordinate, change = (np.stack([getattr(one, name) for one in sizes]) for name in ("coordinate", "change"))
    floored = (np.maximum(squares, np.finfo(float).tiny) for squares in (coordinate, change))
    starts, slopes = ((weights @ np.log(squares) / 2).tolist() for squares in floored)
    scatter = None if sizes[0].scatter is None else np.stack([np.asarray(one.scatter) for one in sizes])
    finite = abs(float(weights @ np.array([one.left_out for one in sizes])))  # of a root; half of it at update 0
    silent = all(one.zero[0, -1] for one in sizes)
    still = [all(one.zero[1, layer] for one in sizes) for layer in layers]
    # What an update leaves out is of the order of the relative change of the hidden layers below; the first has none.
    moved = np.sqrt(np.maximum.accumulate((change / coordinate)[:, :-1], axis=1))
    moved = np.concatenate([np.zeros((len(widths), 1)), moved], axis=1)
    turned = np.abs(weights @ np.log1p(moved)).tolist()

    def start(layer: int) -> Expectation:
        if silent and layer == layers[-1]:
            return ZERO
        own = None if scatter is None else scatter[:, layer]
        return Expectation(starts[layer], starts[layer], finite / 2, np.sqrt(coordinate[:, layer]), own)

    def first_change(layer: int) -> Expectation:
        if still[layer]:
            return ZERO
        largest = float(moved[:, layer].max())
        if parametrization is STANDARD and largest > LARGEST_CHANGE:
            return none_because(
                f"the first update changes hidden layers by {largest:.2g} times their size, where its first order in "
                "the learning rate says nothing: take a smaller one"
            )
        curve = np.sqrt(change[:, layer])
        return Expectation(slopes[layer], slopes[layer], finite + turned[layer], curve)

    def later_change(layer: int) -> Expectation:
        if parametrization is STANDARD:
            return none_because(WITHOUT_LIMIT)
        # the slope of small steps is that of the first, and of large ones 0
        ends = [0.0, *(slopes[index] for index in (layer, layers[-1]) if not still[index])]
        return Expectation(min(ends), max(ends), finite + turned[layer])

    rows = [start, first_change, *[later_change] * (steps - 1)]
    return [[row(layer) for layer in layers] for row in rows]
