"""Denoising autoencoders: a hidden layer of a network learns to undo a corruption of its input.

With v the input of the layer and v~ the same with some components set to 0 (Vincent, Larochelle, Bengio & Manzagol
2008), y = f(v~ W + b), a = y W' + c and r = g(a), where dC/da = r - v. docs/theory/updates.md has g, C and gradients.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import FloatArray
from glorotlab.kernels.network import dense
from glorotlab.kernels.network.elementwise import CODES
from glorotlab.network.mlp import Network
from glorotlab.spec.training import UpdateRule
from glorotlab.threads import num_threads

LINEAR = CODES["linear"]


class DenoisingAutoencoder:
    """A hidden layer of a network with what it needs to reconstruct its input.

    Parameters
    ----------
    network : Network
        Its weights and biases of the layer are those that are trained.
    layer : int
        Index of the layer, from 0; not the output layer.

    Attributes
    ----------
    bias : ndarray, shape (fan_in,)
        c, at first 0.
    """

    def __init__(self, network: Network, layer: int) -> None:
        self.network, self.layer = network, layer
        self.bias: FloatArray = np.zeros(network.spec.fans[layer][0], dtype=network.dtype)
        bound = network.spec.activation_record.bound
        self._within_one = layer == 0 or (bound is not None and bound <= 1)

    def below(self, x: npt.ArrayLike) -> FloatArray:
        """Return v, the input of the layer, shape (batch, fan_in)."""
        v = self.network.inputs(x)
        for index in range(self.layer):
            _, v = self.network.hidden_layer(index, v)
        return v

    def train_step(self, v: FloatArray, kept: npt.NDArray[np.bool_], rule: UpdateRule) -> float:
        """Take one step on the batch-mean cost, in place, and return that cost.

        Parameters
        ----------
        v : ndarray, shape (batch, fan_in)
            What enters the layer, in the network's dtype.
        kept : ndarray of bool, shape (batch, fan_in)
            Which components are not set to 0.
        rule : UpdateRule
            A rule without momentum and without l2.

        Returns
        -------
        float
            The batch-mean cost before the step.
        """
        with self.network.guard.training():
            return self._train_step(v, kept, rule)

    def _train_step(self, v: FloatArray, kept: npt.NDArray[np.bool_], rule: UpdateRule) -> float:
        weight, bias = self.network.weights[self.layer], self.network.biases[self.layer]
        corrupted = v * kept
        s, y = self.network.hidden_layer(self.layer, corrupted)
        cost, residual = self._cost_and_residual(self._reconstructed(y), v)
        d = np.empty_like(s)
        dense.forward(residual, weight, np.zeros_like(bias), LINEAR, d, d, num_threads())
        d *= self.network.spec.activation_record.derivative(s)
        descent = rule.descent(len(v))
        _update(d, weight, bias, corrupted, rule)
        _update(y, weight, np.zeros_like(bias), residual, rule)  # which has no biases of its own
        self.bias -= (descent.rate * residual.sum(axis=0, dtype=np.float64)).astype(self.bias.dtype)
        return cost

    def _reconstructed(self, y: FloatArray) -> FloatArray:
        """Return a = y W' + c, shape (batch, fan_in)."""
        a = np.empty((len(y), len(self.bias)), dtype=y.dtype)
        dense.backward(y, self.network.weights[self.layer], a, a, LINEAR, a, num_threads())
        a += self.bias
        return a

    def _cost_and_residual(self, a: FloatArray, v: FloatArray) -> tuple[float, FloatArray]:
        """Return the batch-mean cost, and r - v = dC/da of each example's own."""
        if not self._within_one:
            residual = a - v
            return float((residual.astype(np.float64) ** 2).sum() / 2 / len(v)), residual
        cost = (np.logaddexp(0, 2 * a) - (1 + v) * a).sum(dtype=np.float64) / len(v)
        return float(cost), np.tanh(a) - v


def _update(d: FloatArray, weight: FloatArray, bias: FloatArray, below: FloatArray, rule: UpdateRule) -> None:
    """W <- W - rate below' d and b <- b - rate sum(d)."""
    rate, decay, momentum, nesterov = rule.descent(len(d))
    dense.backward_update(
        d, weight, bias, None, below, LINEAR, None, None, None, rate, decay, momentum, nesterov, num_threads()
    )
