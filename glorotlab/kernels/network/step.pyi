"""Training steps of one network on one batch size, many in one call.

All arrays of a network share one dtype, float32 or float64, have contiguous rows, and are kept alive. Callers have
checked shapes and labels: nothing is checked here.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Labels
from glorotlab.kernels._types import Matrix, Vector
from glorotlab.kernels.network.batch_source import BatchSource
from glorotlab.spec.training import Descent

class Steps:
    """A network's arrays and the buffers of one batch size.

    Parameters
    ----------
    weights : sequence of (fan_in, fan_out)
        Changed in place by ``run``, and so are the biases.
    biases : sequence of (fan_out,)
    inputs : Matrix
        Buffer of a mini-batch, shape (batch, fan_in).
    labels : Labels
        Buffer of its labels.
    targets : Matrix
        Buffer of its targets, shape (batch, outputs), where the source has some.
    preactivations, activations, backprop : sequences of (batch, fan_out)
        Buffers; what the last step leaves there is s, z and dC/ds.
    activation : int
        A code of ``elementwise.CODES``.
    parameter : float
        Of the activation.
    cost_code : int
        A code of ``costs.CODES``.
    reconstructs : bool
        Whether the targets are the inputs; the labels then count for nothing.

    Attributes
    ----------
    costs : (batch,) float64
        Cost of each example of the last step.
    """

    costs: npt.NDArray[np.float64]

    def __init__(
        self,
        weights: Sequence[Matrix],
        biases: Sequence[Vector],
        inputs: Matrix,
        labels: Labels,
        targets: Matrix,
        preactivations: Sequence[Matrix],
        activations: Sequence[Matrix],
        backprop: Sequence[Matrix],
        activation: int,
        parameter: float,
        cost_code: int,
        reconstructs: bool = False,
    ) -> None: ...
    def set_velocities(
        self, weight_velocities: Sequence[Matrix | None], bias_velocities: Sequence[Vector | None]
    ) -> None:
        """Step through these velocities from now on; where they are None, without."""

    def set_rates(self, weight_rates: Sequence[Matrix | None], bias_rates: Sequence[Vector | None]) -> None:
        """Step at these factors of the learning rate from now on, one for each weight and bias; with None all at 1."""

    def run(self, source: BatchSource, descent: Descent, threads: int, costs: npt.NDArray[np.float64]) -> int:
        """Take as many steps as ``costs`` has room for, and return how many were taken.

        Parameters
        ----------
        source : BatchSource
            Example k of mini-batch u is number u * batch + k. Each thread loads some rows of a mini-batch.
        descent : Descent
            Numbers of a step, which ``UpdateRule.descent`` makes; include/descent.h has the formulas.
        threads : int
        costs : ndarray of float64, shape (updates,)
            Filled with the mean cost of each mini-batch before its step. The first one that is not finite is the last.

        Raises
        ------
        InvalidValueError
            Where the source has no examples of this dtype; nothing is then changed.
        """
