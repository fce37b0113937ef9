"""Types of arrays and callbacks that many signatures name."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
"""Real numbers of the theory and of statistics: float64."""

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
"""Real numbers of a network: float32 or float64."""

Labels: TypeAlias = npt.NDArray[np.int64]
"""Classes of examples, or row numbers."""

Targets: TypeAlias = npt.NDArray[Any]
"""Classes of examples, int64 (examples,), or floating targets of the outputs, (examples, outputs)."""

Progress: TypeAlias = Callable[[int, int], None]
"""Function that long work calls with the number of steps done and their total."""
