"""The same training step in NumPy, written as well as NumPy allows: the peer the kernels are timed against.

Every product, activation and update goes into buffers allocated once (for tanh, which is what is timed; other
activations allocate what their NumPy records do); BLAS runs on as many threads as it is given.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from glorotlab import activations, costs
from glorotlab.arrays import FloatArray, Labels
from glorotlab.benchmarking.peers.peer import Peer, StepByStep
from glorotlab.network.mlp import Network


class NumpyNetwork(StepByStep):
    """A copy of a network that trains by plain gradient descent in NumPy.

    Parameters
    ----------
    network : Network
        Its weights and biases are copied.
    batch : int
        Examples of every step.
    """

    def __init__(self, network: Network, batch: int) -> None:
        spec, dtype = network.spec, network.dtype
        self.weights = [weight.copy() for weight in network.weights]
        self.biases = [bias.copy() for bias in network.biases]
        self._record = activations.get(spec.activation)
        self._cost = costs.get(spec.output, spec.cost)
        self._classes = np.eye(spec.classes)
        self._s = [np.empty((batch, size), dtype) for size in spec.layer_sizes[1:]]
        self._z = [np.empty((batch, size), dtype) for size in spec.layer_sizes[1:-1]]
        self._d = [np.empty((batch, size), dtype) for size in spec.layer_sizes[1:]]
        self._weight_gradients = [np.empty_like(weight) for weight in self.weights]

    def prepare(self, x: FloatArray, labels: Labels) -> tuple[FloatArray, Labels]:
        """Return the batch as it is."""
        return x, labels

    def train_step(self, x: FloatArray, labels: Labels, learning_rate: float) -> float:
        """Make one step on the batch-mean cost, in place, and return that cost."""
        layers = range(len(self.weights))
        below = [x]
        for layer in layers:
            s = np.matmul(below[-1], self.weights[layer], out=self._s[layer])
            s += self.biases[layer]
            if layer < layers[-1]:
                below.append(self._activate(s, self._z[layer]))
        logits, y = self._s[-1].astype(np.float64), self._classes[labels]
        self._d[-1][...] = self._cost.gradient(logits, y)
        rate = self.weights[0].dtype.type(-learning_rate / len(x))
        for layer in reversed(layers):
            d = self._d[layer]
            if layer:
                np.matmul(d, self.weights[layer].T, out=self._d[layer - 1])
                self._d[layer - 1] *= self._slope(self._s[layer - 1], below[layer])
            gradient = np.matmul(below[layer].T, d, out=self._weight_gradients[layer])
            gradient *= rate
            self.weights[layer] += gradient
            self.biases[layer] += rate * d.sum(axis=0)
        return float(self._cost.value(logits, y).mean())

    def _activate(self, s: FloatArray, z: FloatArray) -> FloatArray:
        if isinstance(self._record.function, np.ufunc):
            return np.asarray(self._record.function(s, out=z))
        z[...] = self._record.function(s)
        return z

    def _slope(self, s: FloatArray, z: FloatArray) -> FloatArray:
        """Return f'(s); for tanh 1 - z^2, over s, which is not needed again."""
        if self._record.name != "tanh":
            return self._record.derivative(s)
        np.multiply(z, z, out=s)
        return np.asarray(np.subtract(1, s, out=s))


PEERS = (Peer("numpy", "numpy", NumpyNetwork, partial(threadpool_limits, user_api="blas"), activations=None),)
