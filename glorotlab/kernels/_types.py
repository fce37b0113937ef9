"""Array types of the kernels' Python face."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating[Any]]
"""A (rows, columns) array of contiguous rows, float32 or float64; arrays of one call share their dtype."""

Vector = npt.NDArray[np.floating[Any]]
"""A contiguous array of one axis, float32 or float64."""

PIXELS, CLASSES = 1024, 9
"""Of an image of Shapeset-3x2."""


class ImageStream(NamedTuple):
    """Images first, first + 1, ... of stream (seed, purpose) of Shapeset-3x2, not drawn yet."""

    seed: int
    purpose: int
    first: int
