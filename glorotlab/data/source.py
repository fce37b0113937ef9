"""A source of examples, finite or endless, which training and measurement read."""

import hashlib
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glorotlab.arrays import FloatArray, Labels, Targets
from glorotlab.checks import as_array, finite_inputs, refuse_infinite, whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.kernels.network.batch_source import BatchSource
from glorotlab.resources import check_memory
from glorotlab.spec.targets import is_regression

MAX_CLASSES = 1_000_000
"""Largest number of classes; a larger label is a mistake, and counting by class would fill the memory."""

Inputs: TypeAlias = NDArray[np.float32 | np.float64]


class Source(Protocol):
    """Examples with positions 0, 1, 2, ...: the same position always holds the same example.

    ``length`` is ``math.inf`` for an endless stream.
    """

    @property
    def length(self) -> int | float:
        """Number of examples."""
        ...

    @property
    def fan_in(self) -> int:
        """Number of inputs of one example."""
        ...

    @property
    def classes(self) -> int:
        """Number of classes; labels lie in [0, classes). 0 where examples have targets."""
        ...

    def batch(self, start: int, size: int) -> tuple[Inputs, Targets]:
        """Return examples start, ..., start + size - 1: x of shape (size, fan_in), y of shape (size,).

        Where the source has an attribute ``targets``, and it is not 0, y are so many numbers an example.
        """
        ...


def targets_of(source: Source) -> int:
    """Return the number of targets per example of a source, 0 if examples have classes."""
    return int(getattr(source, "targets", 0))


@runtime_checkable
class CompiledSource(Protocol):
    """A source that offers its examples to compiled loops, which load them without Python in between."""

    def batch_source(self, start: int) -> BatchSource:
        """Return the examples start, start + 1, ... as compiled loops take them."""
        ...


class ArraySource:
    """Examples held in memory, checked once and read-only from then on.

    Parameters
    ----------
    x : array_like, shape (n, ...)
        Real inputs, finite; an example of several dimensions is flattened. float32 and float64 keep their
        precision, everything else becomes float32. They are copied: later edits by the caller change nothing.
    y : array_like, shape (n,) or (n, targets)
        Whole numbers, one an example, are labels in [0, classes). Floats, and rows of any numbers, are targets: finite
        numbers for the outputs to reach; of one output they may be (n,). Copied.
    classes : int, optional
        Number of classes; by default the largest label plus 1. Targets have none.
    names : (str, str)
        Names of ``x`` and ``y`` in error messages.

    Attributes
    ----------
    x : ndarray, shape (n, fan_in), float32 or float64, C-contiguous, read-only
    y : ndarray of int64, shape (n,), or of float32 or float64, shape (n, targets), read-only
    length, fan_in, classes, targets : int
        ``classes`` is 0 where there are targets, ``targets`` is 0 where there are labels.

    Raises
    ------
    InvalidValueError
        Where shapes, types or values are outside the above; the first bad position is named.
    """

    def __init__(
        self, x: ArrayLike, y: ArrayLike, classes: int | None = None, names: tuple[str, str] = ("x", "y")
    ) -> None:
        self.x = _checked_inputs(x, names[0])
        self.y: Targets = _checked_answers(y, len(self.x), classes, names)
        self.targets = self.y.shape[1] if self.y.ndim == 2 else 0
        self.classes = 0 if self.targets else int(self.y.max()) + 1 if classes is None else int(classes)
        self.x.flags.writeable = False
        self.y.flags.writeable = False

    def __repr__(self) -> str:
        answers = f"{self.targets} targets" if self.targets else f"{self.classes} classes"
        return f"ArraySource({self.length} examples, {self.fan_in} inputs, {answers})"

    @property
    def length(self) -> int:
        """Number of examples."""
        return len(self.x)

    @property
    def fan_in(self) -> int:
        """Number of inputs of one example."""
        return int(self.x.shape[1])

    def batch(self, start: int, size: int) -> tuple[Inputs, Targets]:
        """Return examples start, ..., start + size - 1 as read-only views.

        Parameters
        ----------
        start, size : int
            From 0, with start + size <= length.

        Returns
        -------
        x : ndarray, shape (size, fan_in)
        y : ndarray, shape (size,) or (size, targets)

        Raises
        ------
        InvalidValueError
            Where the batch reaches outside the source.
        """
        stop = start + size
        if not 0 <= start <= stop <= self.length:
            raise InvalidValueError(
                f"batch of {size} examples from {start}: allowed are batches within the {self.length} there are"
            )
        return self.x[start:stop], self.y[start:stop]

    def digest(self) -> str:
        """Return the SHA-256 of precision, shape and values, hexadecimal; the same on every machine."""
        answers = f"targets {self.y.dtype.name} {self.targets}" if self.targets else f"{self.classes}"
        digest = hashlib.sha256(f"{self.x.dtype.name} {self.x.shape} {answers}\n".encode())
        for array in (self.x, self.y):
            digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
        return digest.hexdigest()


def _checked_inputs(x: ArrayLike, name: str) -> Inputs:
    """Return a finite C-contiguous copy of shape (n, fan_in)."""
    values = as_array(name, x)
    if values.dtype.kind not in "biuf":
        raise InvalidValueError(f"{name} has dtype {values.dtype}: allowed are real numbers")
    if values.ndim < 2 or values.size == 0:
        raise InvalidValueError(
            f"{name} has shape {values.shape}: allowed are (examples, inputs), at least one of each"
        )
    precision: type[np.float32 | np.float64] = np.float64 if np.issubdtype(values.dtype, np.float64) else np.float32
    itemsize = np.dtype(precision).itemsize
    check_memory(f"{name} of shape {values.shape}", {"a copy": values.size * (itemsize + 1.0)})
    with np.errstate(over="ignore"):  # a value that overflows float32 becomes inf, which is refused
        copy: NDArray[Any] = np.array(values, dtype=precision, order="C").reshape(len(values), -1)
    refuse_infinite(name, copy, values)
    return copy


def _checked_answers(y: ArrayLike, length: int, classes: int | None, names: tuple[str, str]) -> Targets:
    """Return a copy of labels, or of targets."""
    values = as_array(names[1], y)
    if is_regression(values):
        return _checked_targets(values, length, classes, names)
    return _checked_labels(values, length, classes, names)


def _checked_targets(y: NDArray[Any], length: int, classes: int | None, names: tuple[str, str]) -> FloatArray:
    """Return a finite C-contiguous copy of shape (length, targets), in float32 where it came so, else in float64."""
    x_name, name = names
    values = y[:, np.newaxis] if y.ndim == 1 else y
    if values.ndim != 2 or len(values) != length or not values.shape[1]:
        raise InvalidValueError(
            f"{name} has shape {y.shape} and dtype {y.dtype}: allowed are ({length},) or ({length}, targets), numbers "
            f"for each example of {x_name}, or whole numbers ({length},), its class"
        )
    if classes is not None:
        raise InvalidValueError(
            f"{name} has dtype {y.dtype} and shape {y.shape}: allowed with classes {classes} are integer labels"
        )
    return np.array(finite_inputs(name, values), order="C")


def _checked_labels(labels: NDArray[Any], length: int, classes: int | None, names: tuple[str, str]) -> Labels:
    """Return an int64 copy of shape (length,) with every label in [0, classes)."""
    x_name, name = names
    if labels.dtype.kind not in "iu":
        raise InvalidValueError(f"{name} has dtype {labels.dtype}: allowed are integer labels")
    if labels.shape != (length,):
        raise InvalidValueError(
            f"{name} has shape {labels.shape}: allowed is ({length},), one label per example of {x_name}"
        )
    if classes is not None:
        classes = whole_number("classes", classes, 1)
    highest = (MAX_CLASSES if classes is None else min(classes, MAX_CLASSES)) - 1
    bad = (labels < 0) | (labels > highest)
    if bad.any():
        index = int(np.argmax(bad))
        raise InvalidValueError(f"{name}[{index}] is {labels[index]}: allowed are labels from 0 to {highest}")
    return np.array(labels, dtype=np.int64)
