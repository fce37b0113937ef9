"""Checks of single arguments, which name the value and what is allowed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.errors import InvalidValueError


def whole_number(what: str, value: object, low: int, high: int | None = None, high_text: str = "") -> int:
    """Return ``value`` as an int; a bool is no number.

    Parameters
    ----------
    what : str
        Name of the value in the message.
    value : object
    low, high : int
        Smallest and largest that are allowed; no ``high`` is no limit.
    high_text : str
        Text of ``high`` in the message, such as ``2**64 - 1``.

    Raises
    ------
    InvalidValueError
        Where it is not a whole number from ``low`` to ``high``.
    """
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or value < low or (high is not None and value > high):  # type: ignore[operator]
        end = "" if high is None else f" to {high_text or high}"
        raise InvalidValueError(f"{what} {value!r:.60}: allowed are whole numbers from {low}{end}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def as_array(what: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return ``values`` as an array; InvalidValueError, naming ``what`` it is, where its rows differ in length."""
    try:
        return np.asarray(values)
    except ValueError:
        raise InvalidValueError(f"{what}: allowed is an array, not rows of unequal length") from None
