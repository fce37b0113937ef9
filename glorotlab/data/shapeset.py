"""Shapeset-3x2: 32 x 32 gray images of one or two triangles, parallelograms or ellipses; nine classes.

The task of Glorot & Bengio (2010, section 2.1), drawn without end from a stream that can be entered anywhere.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from glorotlab.checks import whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.kernels.shapeset import ImageStream, render
from glorotlab.resources import check_memory
from glorotlab.streams import MAX_SEED, Purpose, check_seed

CLASS_NAMES = (
    "triangle",
    "parallelogram",
    "ellipse",
    "triangle + parallelogram",
    "parallelogram + ellipse",
    "triangle + ellipse",
    "two triangles",
    "two parallelograms",
    "two ellipses",
)

CLASS_PROBABILITIES = (1 / 6, 1 / 6, 1 / 6, 1 / 9, 1 / 9, 1 / 9, 1 / 18, 1 / 18, 1 / 18)
"""Class probabilities before rejection, which turns about one image in a million into a one-object image."""

PIXELS = 32 * 32


@dataclass(frozen=True)
class ShapesetSource:
    """A stream of Shapeset-3x2 images: image i is a function of (seed, purpose, i) alone.

    Parameters
    ----------
    seed : int
        Seed in [0, 2**64).
    purpose : Purpose
        Stream of the seed: training, validation or test.
    length : int or math.inf
        Number of images.

    Raises
    ------
    InvalidValueError
        Where seed or length is outside its range.
    """

    seed: int
    purpose: Purpose = Purpose.SHAPESET_TRAIN
    length: float = math.inf
    fan_in: ClassVar[int] = PIXELS
    classes: ClassVar[int] = len(CLASS_NAMES)

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.length != math.inf:
            _whole("length", self.length)

    def batch(self, start: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the images start, ..., start + size - 1 and their classes.

        Parameters
        ----------
        start : int
            Index of the first image, from 0.
        size : int
            Number of images, from 0.

        Returns
        -------
        x : float32 array of shape (size, 1024)
            Gray levels, row by row, as level / 255 * 2 - 1 in [-1, 1].
        y : int64 array of shape (size,)
            Classes, numbered as in CLASS_NAMES.

        Raises
        ------
        InvalidValueError
            Where start or size is not a whole number from 0, or the batch reaches beyond the source's length.
        """
        start, size = _whole("start", start), _whole("size", size)
        if start + size > self.length:
            raise InvalidValueError(
                f"batch of {size} images from {start}: allowed are batches within the {self.length} there are"
            )
        check_memory(f"{size} images of Shapeset", {"pixels": 4.0 * PIXELS * size, "labels": 8.0 * size})
        x, y = np.empty((size, PIXELS), np.float32), np.empty(size, np.int64)
        render(self.seed, self.purpose, start, x, y)
        return x, y

    def batch_source(self, start: int) -> ImageStream:
        """Return the images start, start + 1, ... as compiled loops take them."""
        return ImageStream(self.seed, self.purpose, start)


def shapeset(n: int, seed: int = 0, start: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return ``n`` images of the training stream of ``seed``, beginning with image ``start``.

    The images are those of Glorot & Bengio (2010, section 2.1), Shapeset-3x2: one or two shapes on 32 x 32 pixels.

    Parameters
    ----------
    n : int
        Number of images, from 0.
    seed : int
        Seed in [0, 2**64).
    start : int
        Index of the first image, from 0.

    Returns
    -------
    x : float32 array of shape (n, 1024)
        Gray levels, row by row, as level / 255 * 2 - 1 in [-1, 1].
    y : int64 array of shape (n,)
        Classes from 0 to 8: a triangle, a parallelogram, an ellipse; triangle and parallelogram, parallelogram and
        ellipse, triangle and ellipse; two triangles, two parallelograms, two ellipses.

    Raises
    ------
    InvalidValueError
        Where an argument is not a whole number in its range.

    Examples
    --------
    >>> import glorotlab as gl
    >>> x, y = gl.shapeset(5, seed=0)
    >>> x.shape, x.dtype.name, y.shape
    ((5, 1024), 'float32', (5,))
    >>> last, label = gl.shapeset(1, seed=0, start=4)  # the stream can be entered anywhere
    >>> bool((last[0] == x[4]).all())
    True
    """
    return ShapesetSource(seed).batch(start, _whole("n", n))


def _whole(name: str, value: object) -> int:
    return whole_number(name, value, 0, MAX_SEED, "2**64 - 1")
