"""Checks of what a user gives: numbers, arrays, paths and functions. Each refusal names the value and what is allowed.

Whatever the package takes from a user passes one of these gates. A bool is no number; what is masked is not
guessed; a number is finite in the precision it is used in.
"""

import math
import sys
from numbers import Real
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array, FloatArray
from glorotlab.errors import InvalidValueError, reason

Function = TypeVar("Function")

PIECE = 8192
"""Number of values that one call squares and sums, on one thread of BLAS."""

LARGEST = sys.float_info.max
"""Largest real number; Python's whole numbers may be larger."""


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
        raise InvalidValueError(f"{what} {shown(value)}: allowed are whole numbers from {low}{end}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def real_number(
    what: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Return ``value`` as a float; a bool is no number, and neither is a text.

    Parameters
    ----------
    what : str
        Name of the value in the message.
    value : object
    low, high : float
        Smallest and largest that are allowed. Infinity is no number.
    open_low, open_high : bool
        Whether that end itself is left out.

    Raises
    ------
    InvalidValueError
        Where it is not a finite number of that interval.
    """
    scalar = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if is_real(scalar) and abs(scalar) <= LARGEST:  # type: ignore[arg-type]
        number = float(scalar)  # type: ignore[arg-type]
        above = number > low if open_low else number >= low
        if above and (number < high if open_high else number <= high):
            return number
    raise InvalidValueError(f"{what} {shown(value)}: allowed are {_interval(low, high, open_low, open_high)}")


def is_real(value: object) -> bool:
    """Return whether a value is a real number, of Python or NumPy; a bool is none."""
    kinds = (float, int, Real, np.floating)  # Real asks its registry, in a microsecond: the common ones come first
    return isinstance(value, kinds) and not isinstance(value, (bool, np.bool_))


def _interval(low: float, high: float, open_low: bool, open_high: bool) -> str:
    if math.isinf(low) and math.isinf(high):
        return "finite numbers"
    if math.isinf(high):
        return f"finite numbers {'above' if open_low else 'from'} {low:g}"
    if open_low and open_high:
        return f"numbers between {low:g} and {high:g}"
    return f"numbers {'above' if open_low else 'from'} {low:g} {'and below' if open_high else 'to'} {high:g}"


def as_array(what: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return ``values`` as an array.

    Raises
    ------
    InvalidValueError
        Naming ``what`` it is, where an element is masked, rows differ in length or it cannot be read as an array.
    """
    _refuse_masked(what, values)
    try:
        return np.asarray(values)
    except ValueError:
        raise InvalidValueError(f"{what}: allowed is an array, not rows of unequal length") from None
    except (TypeError, RuntimeError, OverflowError) as error:  # tensors that need gradients or lie on another device
        raise InvalidValueError(
            f"{what} of type {type(values).__name__}: allowed is an array ({reason(error)})"
        ) from None


def _refuse_masked(what: str, values: object) -> None:
    """Raise InvalidValueError where an element is masked, also in an array within a list: NumPy would use it."""
    if isinstance(values, np.ma.MaskedArray):
        masked = int(np.ma.getmaskarray(values).sum())
        if masked:
            raise InvalidValueError(
                f"{what}: {masked} of {values.size} elements are masked: allowed are arrays without"
            )
    elif isinstance(values, (list, tuple)):
        for part in values:
            if isinstance(part, (list, tuple, np.ma.MaskedArray)):
                _refuse_masked(what, part)


def real_array(
    what: str,
    values: npt.ArrayLike,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> Array:
    """Return numbers as a float64 array, not copied where they are one, all finite and in an interval.

    Parameters
    ----------
    what : str
        Name of the values in the message.
    values : array_like
        Real numbers; neither bools nor texts.
    low, high : float
        Smallest and largest that are allowed.
    open_low, open_high : bool
        Whether that end itself is left out.

    Returns
    -------
    ndarray of float64

    Raises
    ------
    InvalidValueError
        Naming the first that is not allowed.
    """
    allowed = _interval(low, high, open_low, open_high)
    numbers = points(what, values, allowed)
    inside = np.isfinite(numbers) & (numbers > low if open_low else numbers >= low)
    inside &= numbers < high if open_high else numbers <= high
    if not inside.all():
        raise InvalidValueError(f"{what} = {numbers[~inside].flat[0]}: allowed are {allowed}")
    return numbers


def points(what: str, values: npt.ArrayLike, allowed: str = "real numbers") -> Array:
    """Return real numbers as a float64 array, infinite ones too; InvalidValueError where they are none, or masked."""
    array = as_array(what, values)
    if array.dtype.kind not in "iuf":
        raise InvalidValueError(
            f"{what} = {' '.join(str(values).split()):.60} of dtype {array.dtype}: allowed are {allowed}"
        )
    return np.asarray(as_floats(array, np.float64), dtype=np.float64)


def as_floats(values: npt.NDArray[Any], dtype: npt.DTypeLike) -> FloatArray:
    """Return an array in ``dtype``; a number that is too large for it becomes infinite, without a warning."""
    if values.dtype == dtype:
        return values
    with np.errstate(over="ignore"):
        return values.astype(dtype, copy=False)


def finite_inputs(what: str, values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> FloatArray:
    """Return inputs of a network as a floating array, all finite; bools are the numbers 0 and 1 of a binary picture.

    Parameters
    ----------
    what : str
        Name of the inputs in the message.
    values : array_like
        Real numbers.
    dtype : dtype, optional
        float32 or float64; by default float32 stays what it is and everything else is float64.

    Returns
    -------
    ndarray
        Of the shape of ``values``, C-contiguous, not copied where that is not needed.

    Raises
    ------
    InvalidValueError
        Where they are masked, no real numbers, or one is not finite in that dtype: the first is named with its place.
    """
    array = as_array(what, values)
    if array.dtype.kind not in "biuf":
        raise InvalidValueError(f"{what} of dtype {array.dtype}: allowed are real numbers")
    inputs = np.ascontiguousarray(as_floats(array, dtype or (np.float32 if array.dtype == np.float32 else np.float64)))
    inputs = inputs.reshape(array.shape)  # which a single number has lost
    refuse_infinite(what, inputs, array)
    return inputs


def refuse_infinite(what: str, inputs: FloatArray, given: npt.NDArray[Any]) -> None:
    """Raise InvalidValueError at the first input that is not finite, naming it as it was ``given``, of any shape."""
    if not _is_finite(inputs):
        finite = np.isfinite(inputs)
        if finite.all():
            return
        first = int(np.argmin(finite))
        place = [int(index) for index in np.unravel_index(first, inputs.shape)]
        value = given[np.unravel_index(first, given.shape)]
        largest = f"up to {np.finfo(inputs.dtype).max:.2g} in size"
        raise InvalidValueError(
            f"{what}{place} is {value!s}: allowed are finite {inputs.dtype.name} numbers, {largest}"
        )


def _is_finite(values: FloatArray) -> bool:
    """Return whether all values are surely finite: sums of their squares are, which take an eighth of the time."""
    flat = values.reshape(-1)
    pieces = (flat[start : start + PIECE] for start in range(0, flat.size, PIECE))
    return all(math.isfinite(np.vdot(piece, piece)) for piece in pieces)


def progress_function(progress: Function) -> Function:
    """Return ``progress``; InvalidValueError where it is neither a function nor None."""
    if progress is not None and not callable(progress):
        raise InvalidValueError(
            f"progress {shown(progress)}: allowed is a function to be called during the work, or None"
        )
    return progress


def shown(value: object, length: int = 60) -> str:
    """Return the beginning of a value's representation in one line, as a message names it, whatever it is."""
    return " ".join(repr(value).split())[:length]


def instance_of(what: str, value: object, kind: type, allowed: str) -> None:
    """Raise InvalidValueError if a value is not of a type; ``allowed`` says what is, and how it is made."""
    if not isinstance(value, kind):
        raise InvalidValueError(f"{what} of type {type(value).__name__}: allowed is {allowed}")
