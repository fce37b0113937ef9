"""Output activation, cost of each example and dC/ds of the output layer.

All arrays of one call have contiguous rows and share one dtype, float32 or float64, except the costs, which are always
float64. There is at least one class; nothing is checked here.
"""

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Labels
from glorotlab.kernels._types import Matrix

CODES: dict[tuple[str, str], int]
"""(output, cost) of each pair that has a kernel, and its code."""

def output(code: int, s: Matrix, a: Matrix) -> None:
    """Fill ``a`` with the output activation of ``s``, both of shape (batch, classes)."""

def cost_and_gradient(
    code: int,
    s: Matrix,
    labels: Labels,
    cost: npt.NDArray[np.float64],
    d: Matrix,
    targets: Matrix | None = None,
) -> None:
    """Fill the cost of each example, shape (batch,), float64, and ``d`` = dC/ds, shape (batch, classes).

    Labels must lie in [0, classes), or be 0 or 1 of a single output, whose target is then the label. Targets
    (batch, classes), which the softmax does not take, stand in their place.
    """
