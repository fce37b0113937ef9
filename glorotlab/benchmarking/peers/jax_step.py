"""The training step in JAX, and a block of steps: one jitted function of donated weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import numpy as np

from glorotlab.arrays import FloatArray, Labels
from glorotlab.benchmarking.peers.peer import Peer, StepByStep
from glorotlab.network.mlp import Network

ACTIVATIONS = ("tanh", "relu", "sigmoid", "silu", "softplus")
"""Activations that ``jax.nn`` has under our name, as the same function."""

UNROLLED = 4
"""Number of steps in one iteration of the compiled loop."""


class JaxStep(StepByStep):
    """A copy of a network whose whole step, cost to update, is one compiled function.

    Weights are donated, so they are updated where they stand; the learning rate is a constant of the compiled code.

    Parameters
    ----------
    network : Network
        Layers of `ACTIVATIONS`, softmax and log-likelihood.
    batch : int
        Not used.
    """

    def __init__(self, network: Network, batch: int) -> None:
        import jax
        import jax.numpy as jnp

        self._jax, activation = jax, getattr(jax.nn, network.spec.activation)
        pairs = zip(network.weights, network.biases, strict=True)
        self._parameters = [(jnp.array(weight, copy=True), jnp.array(bias, copy=True)) for weight, bias in pairs]

        def cost(parameters: Any, x: Any, labels: Any) -> Any:
            *hidden, (weight, bias) = parameters
            for below, its_bias in hidden:
                x = activation(x @ below + its_bias)
            logs = jax.nn.log_softmax(x @ weight + bias)
            chosen = jax.nn.one_hot(labels, logs.shape[1], dtype=logs.dtype)
            return -(chosen * logs).sum(axis=1).mean()

        def step(parameters: Any, x: Any, labels: Any, learning_rate: float) -> Any:
            value, gradients = jax.value_and_grad(cost)(parameters, x, labels)
            return jax.tree.map(lambda p, g: p - learning_rate * g, parameters, gradients), value

        def block(parameters: Any, x: Any, labels: Any, learning_rate: float, count: Any) -> Any:
            def one(_: Any, state: Any) -> Any:
                return step(state[0], x, labels, learning_rate)

            def several(_: Any, state: Any) -> Any:
                return reduce(lambda state, index: one(index, state), range(UNROLLED), state)

            start = parameters, jnp.zeros((), x.dtype)
            state = jax.lax.fori_loop(0, count // UNROLLED, several, start)
            return jax.lax.fori_loop(0, count % UNROLLED, one, state)

        self._step = jax.jit(step, donate_argnums=0, static_argnums=3)
        self._block = jax.jit(block, donate_argnums=0, static_argnums=3)

    @property
    def weights(self) -> Sequence[FloatArray]:
        """Matrices of shape (fan_in, fan_out)."""
        return [self._copy(weight) for weight, _ in self._parameters]

    @property
    def biases(self) -> Sequence[FloatArray]:
        """Vectors of shape (fan_out,)."""
        return [self._copy(bias) for _, bias in self._parameters]

    def _copy(self, array: Any) -> FloatArray:
        """Return a copy that shares no memory with the array, because arrays with views cannot be donated."""
        return np.array(self._jax.numpy.array(array, copy=True))

    def prepare(self, x: FloatArray, labels: Labels) -> tuple[Any, Any]:
        """Return the batch as JAX's arrays."""
        return self._jax.numpy.array(x), self._jax.numpy.array(labels)

    def train_step(self, x: Any, labels: Any, learning_rate: float) -> Any:
        """Make one step and return the cost, which may not be computed yet."""
        self._parameters, cost = self._step(self._parameters, x, labels, learning_rate)
        return cost


class JaxScan(JaxStep):
    """The training step in JAX, a whole block of steps in one call: a compiled loop that carries the weights.

    It does what ``jax.lax.scan(unroll=4)`` does, but the number of steps is an argument of the compiled code, which is
    then compiled once. A loop of single steps is slower.
    """

    def train_steps(self, x: Any, labels: Any, learning_rate: float, count: int) -> Any:
        """Make ``count`` steps in one call and return the last cost, which may not be computed yet."""
        self._parameters, cost = self._block(self._parameters, x, labels, learning_rate, count)
        return cost


@contextmanager
def _limited(threads: int) -> Iterator[None]:
    """Restart JAX, which starts a thread for each CPU only once. Earlier arrays cannot be used afterwards."""
    import jax
    from jax.extend.backend import clear_backends

    wide = jax.config.jax_enable_x64
    clear_backends()
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", wide)
        clear_backends()


PEERS = (
    Peer("jax", "jax", JaxStep, _limited, activations=ACTIVATIONS),
    Peer("jax_scan", "jax", JaxScan, _limited, activations=ACTIVATIONS),
)
