"""Passes: the tensors of every layer for one batch, forward and backward, and the gradients that follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from glorotlab.activations import Activation
from glorotlab.arrays import FloatArray
from glorotlab.kernels.network import dense
from glorotlab.threads import num_threads


@dataclass(frozen=True)
class LayerTensors:
    """The tensors of one batch in one layer, s = z_below W + b and z = f(s), as the estimators need them.

    The layer may belong to a ``Network`` or to any other model whose tensors can be read.

    Parameters
    ----------
    weight : ndarray, shape (fan_in, fan_out)
        W itself, not a copy.
    below : ndarray, shape (batch, fan_in)
        What enters W: the activations of the layer below, or the inputs.
    preactivation, activation : ndarray, shape (batch, fan_out)
        s and z.
    backprop : ndarray, shape (batch, fan_out), or None
        dC/ds of each example's own cost; None after a forward pass alone.
    record : Activation or None
        f; None where z is no function of s unit by unit, as in a softmax output.
    """

    weight: FloatArray
    below: FloatArray
    preactivation: FloatArray
    activation: FloatArray
    backprop: FloatArray | None
    record: Activation | None

    @property
    def gradient(self) -> FloatArray:
        """Return ``backprop``; ValueError where only a forward pass was made."""
        if self.backprop is None:
            raise ValueError("no gradients: only a forward pass was made")
        return self.backprop

    def derivative(self) -> FloatArray:
        """Return f'(s), shape (batch, fan_out); ValueError where z is no function of s unit by unit."""
        if self.record is None:
            raise ValueError("no derivative: the output of this layer is no activation")
        return self.record.derivative(self.preactivation)

    def weight_gradient(self) -> FloatArray:
        """Return dC/dW of the batch-mean cost, shape (fan_in, fan_out); eq. 3. It is worked out once, and kept."""
        return self._weight_gradient

    @cached_property
    def _weight_gradient(self) -> FloatArray:
        d = self.gradient
        out = np.empty((self.below.shape[1], d.shape[1]), dtype=d.dtype)
        dense.weight_gradient(d, self.below, out, 1 / len(d), num_threads())
        return out

    def bias_gradient(self) -> FloatArray:
        """Return dC/db of the batch-mean cost, shape (fan_out,)."""
        d = self.gradient
        return np.asarray(d.mean(axis=0, dtype=np.float64).astype(d.dtype))


@dataclass
class ForwardPass:
    """The tensors of a forward pass; index l - 1 of each list is layer l.

    Parameters
    ----------
    inputs : ndarray, shape (batch, fan_in)
    preactivations, activations : list of ndarray, each of shape (batch, units of the layer)
        s and z = f(s); the last activation is the network's output (probabilities for softmax).
    weights : sequence of ndarray, each of shape (fan_in, fan_out)
        The network's own: training changes them.
    records : sequence of Activation or None
        f of every layer, as ``LayerTensors`` has it.
    """

    inputs: FloatArray
    preactivations: list[FloatArray]
    activations: list[FloatArray]
    weights: Sequence[FloatArray]
    records: Sequence[Activation | None]

    @property
    def output(self) -> FloatArray:
        """The network's output, shape (batch, classes)."""
        return self.activations[-1]

    @property
    def layers(self) -> list[LayerTensors]:
        """The tensors of every layer, without ``backprop``."""
        return self._layers([None] * len(self.preactivations))

    def _layers(self, backprop: Sequence[FloatArray | None]) -> list[LayerTensors]:
        below = [self.inputs, *self.activations[:-1]]
        columns = (self.weights, below, self.preactivations, self.activations, backprop, self.records)
        return [LayerTensors(*tensors) for tensors in zip(*columns, strict=True)]

    def below(self, layer: int) -> FloatArray:
        """Return the input of the weight matrix with index ``layer``: the inputs for 0, else an activation."""
        return self.activations[layer - 1] if layer else self.inputs


@dataclass
class BackwardPass(ForwardPass):
    """The tensors of a forward and a backward pass.

    Parameters
    ----------
    cost : ndarray of float64, shape (batch,)
        Cost of each example.
    backprop : list of ndarray, each of shape (batch, units of the layer)
        dC/ds of each example's own cost.
    """

    cost: npt.NDArray[np.float64]
    backprop: list[FloatArray]

    @property
    def layers(self) -> list[LayerTensors]:
        """The tensors of every layer."""
        return self._layers(self.backprop)

    def weight_gradient(self, layer: int) -> FloatArray:
        """Return dC/dW of the batch-mean cost for the matrix with index ``layer``, shape (fan_in, fan_out); eq. 3."""
        return self.layers[layer].weight_gradient()

    def bias_gradient(self, layer: int) -> FloatArray:
        """Return dC/db of the batch-mean cost for the layer with index ``layer``, shape (fan_out,)."""
        return self.layers[layer].bias_gradient()


@dataclass
class Gradients:
    """Gradients of the batch-mean cost.

    Parameters
    ----------
    weights, biases : list of ndarray
        Shaped as the network's.
    cost : float
        The batch-mean cost.
    """

    weights: list[FloatArray]
    biases: list[FloatArray]
    cost: float
