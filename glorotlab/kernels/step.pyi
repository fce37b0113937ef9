"""Training steps of one network on one batch size, many in one call.

All arrays of a network share one dtype, float32 or float64, have contiguous rows, and are kept alive. Callers have
checked shapes and labels: nothing is checked here.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glorotlab.kernels._types import ImageStream, Matrix, Vector

class Steps:
    """A network's arrays and the buffers of one batch size.

    Parameters
    ----------
    weights : sequence of (fan_in, fan_out)
        Changed in place by ``run``, and so are the biases.
    biases : sequence of (fan_out,)
    inputs : (batch, fan_in)
        Buffer of a mini-batch.
    preactivations, activations, backprop : sequences of (batch, fan_out)
        Buffers; what the last step leaves there is s, z and dC/ds.
    activation : int
        A code of ``elementwise.CODES``.
    parameter : float
        Of the activation.
    cost_code : int
        A code of ``costs.CODES``.

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
        preactivations: Sequence[Matrix],
        activations: Sequence[Matrix],
        backprop: Sequence[Matrix],
        activation: int,
        parameter: float,
        cost_code: int,
    ) -> None: ...
    def set_velocities(
        self, weight_velocities: Sequence[Matrix | None], bias_velocities: Sequence[Vector | None]
    ) -> None:
        """Step through these velocities from now on; where they are None, without."""

    def run(
        self,
        x: Matrix | ImageStream,
        y: npt.NDArray[np.int64] | None,
        order: npt.NDArray[np.int64] | None,
        rate: float,
        decay: float,
        momentum: float,
        nesterov: bool,
        threads: int,
        costs: npt.NDArray[np.float64],
    ) -> int:
        """Take as many steps as ``costs`` has room for, and return how many were taken.

        Without a velocity W <- (1 - decay) W - rate z' d and b <- b - rate sum(d), of d = dC/ds of each example's cost;
        with one V <- momentum V + S of the step S = -decay W - rate z' d, and W <- W + V, or Nesterov's
        W <- W + momentum V + S; likewise b (biases do not decay). For the batch-mean cost ``rate`` is learning rate /
        batch size.

        Parameters
        ----------
        x : (examples, fan_in) or ImageStream
            Images are drawn into the buffer of the inputs, by each thread some rows, mini-batch after mini-batch.
        y : (examples,) int64
            Not read where x is an ImageStream.
        order : (updates * batch,) int64 or None
            Rows of x, mini-batch after mini-batch; None takes the rows as they stand.
        rate, decay, momentum : float
        nesterov : bool
        threads : int
        costs : (updates,) float64
            Filled with the mean cost of each mini-batch before its step. The first one that is not finite is the last.
        """
