"""What one batch leaves in a network: forward, backward, gradients."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import FloatArray
from glorotlab.kernels import dense
from glorotlab.threads import num_threads


@dataclass
class ForwardPass:
    """What a batch leaves in every layer; index l - 1 is layer l.

    Parameters
    ----------
    inputs : (batch, fan_in)
    preactivations, activations : lists of (batch, units of the layer)
        s and z = f(s); the last activation is the network's output (probabilities for softmax).
    """

    inputs: FloatArray
    preactivations: list[FloatArray]
    activations: list[FloatArray]

    @property
    def output(self) -> FloatArray:
        """The network's output, shape (batch, classes)."""
        return self.activations[-1]

    def below(self, layer: int) -> FloatArray:
        """Return what enters the weight matrix with index ``layer``: the inputs where it is 0, else an activation."""
        return self.activations[layer - 1] if layer else self.inputs


@dataclass
class BackwardPass(ForwardPass):
    """A forward pass and what came back through it.

    Parameters
    ----------
    cost : (batch,) float64
        Cost of each example.
    backprop : list of (batch, units of the layer)
        dC/ds of each example's own cost.
    """

    cost: npt.NDArray[np.float64]
    backprop: list[FloatArray]

    def weight_gradient(self, layer: int) -> FloatArray:
        """Return dC/dW of the batch-mean cost for the matrix with index ``layer``, shape (fan_in, fan_out); eq. 3."""
        below, d = self.below(layer), self.backprop[layer]
        out = np.empty((below.shape[1], d.shape[1]), dtype=d.dtype)
        dense.weight_gradient(d, below, out, 1 / len(d), num_threads())
        return out

    def bias_gradient(self, layer: int) -> FloatArray:
        """Return dC/db of the batch-mean cost for the layer with index ``layer``, shape (fan_out,)."""
        return np.asarray(self.backprop[layer].mean(axis=0, dtype=np.float64).astype(self.backprop[layer].dtype))


@dataclass
class Gradients:
    """Gradients of the batch-mean cost.

    Parameters
    ----------
    weights, biases : lists of arrays shaped as the network's
    cost : float
        The batch-mean cost.
    """

    weights: list[FloatArray]
    biases: list[FloatArray]
    cost: float
