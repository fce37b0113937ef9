"""Array types of the kernels' Python face."""

from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating[Any]]
"""Array of shape (rows, columns) with contiguous rows, float32 or float64; arrays of one call share their dtype."""

Vector = npt.NDArray[np.floating[Any]]
"""A contiguous array of one axis, float32 or float64."""
