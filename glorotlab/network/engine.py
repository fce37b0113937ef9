"""The passes and the steps of a network on the compiled kernels, and the buffers they work in; nothing is checked here.

An activation without a kernel takes the unfused step: the same kernels with f = identity, then NumPy for f and f'.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from glorotlab import activations
from glorotlab.arrays import FloatArray, Labels
from glorotlab.kernels.network import costs, dense, elementwise
from glorotlab.kernels.network.batch_source import BatchSource
from glorotlab.kernels.network.buffers import padded_matrix
from glorotlab.kernels.network.step import Steps
from glorotlab.network.memory import gradient_clearance, parameter_bytes, step_bytes
from glorotlab.network.parameters import Parameters
from glorotlab.resources import check_memory
from glorotlab.spec.training import Descent, UpdateRule
from glorotlab.threads import num_threads

LINEAR = elementwise.CODES["linear"]


@dataclass
class _Workspace:
    """Buffers of one batch size with padded rows, so that a step allocates nothing, and the steps that use them."""

    inputs: FloatArray
    labels: Labels
    targets: FloatArray
    preactivations: list[FloatArray]
    activations: list[FloatArray]
    backprop: list[FloatArray]
    steps: Steps = field(repr=False)


class Engine:
    """Passes and compiled steps that follow from a network's spec and work on its parameters.

    Parameters
    ----------
    parameters : Parameters

    Attributes
    ----------
    fused : bool
        Whether the activation has a kernel.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters, self.spec, self.dtype = parameters, parameters.spec, parameters.dtype
        self._workspaces: dict[int, _Workspace] = {}
        self._cost_code = costs.CODES[self.spec.output, self.spec.cost]
        self._activation = activations.get(self.spec.activation)
        self.fused = self._activation.family in elementwise.CODES
        self._code = elementwise.CODES.get(self._activation.family, LINEAR)
        self._parameter = sum(self._activation.parameters)  # of one, or of none

    def forward(self, inputs: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return s and z of every layer, the last z being the output."""
        s, z = self._buffers(len(inputs)), self._buffers(len(inputs))
        self._run_forward(inputs, s, z)
        costs.output(self._cost_code, s[-1], z[-1])
        return s, z

    def backward(
        self, s: list[FloatArray], z: list[FloatArray], classes: Labels, targets: FloatArray | None
    ) -> tuple[list[FloatArray], npt.NDArray[np.float64]]:
        """Return dC/ds of every layer, and each example's cost, after a forward pass."""
        backprop, cost = self._buffers(len(s[0])), np.empty(len(s[0]))
        costs.cost_and_gradient(self._cost_code, s[-1], classes, cost, backprop[-1], targets)
        for layer in range(len(s) - 1, 0, -1):
            d, weight = backprop[layer - 1], self._parameters.weights[layer]
            dense.backward(
                backprop[layer], weight, s[layer - 1], z[layer - 1], self._code, d, num_threads(), self._parameter
            )
            self._unfused_derivative(s[layer - 1], d)
        return backprop, cost

    def hidden_layer(self, layer: int, below: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return s and z = f(s) of the hidden layer with an index, each (batch, fan_out)."""
        s = np.empty((len(below), self.spec.layer_sizes[layer + 1]), dtype=self.dtype)
        z = np.empty_like(s)
        self._forward_layer(layer, below, s, z)
        return s, z

    def take_steps(
        self, source: BatchSource, updates: int, rule: UpdateRule, batch_size: int
    ) -> npt.NDArray[np.float64]:
        """Take steps on the mini-batches of a source; see ``Network.train_on``."""
        self._check_memory(batch_size, bool(rule.momentum))
        if rule.momentum:
            self._parameters.allocate_velocities()
        work, step_costs, descent = self._workspace(batch_size), np.empty(updates), rule.descent(batch_size)
        if self.fused:
            own = self._parameters
            work.steps.set_velocities(own.weight_velocities, own.bias_velocities)
            work.steps.set_rates(own.weight_rates, own.bias_rates)
            return step_costs[: work.steps.run(source, descent, num_threads(), step_costs)]
        for update in range(updates):
            source.load(update * batch_size, work.inputs, work.labels, work.targets)
            step_costs[update] = self._unfused_step(work, descent, has_targets=source.targets > 0)
            if not np.isfinite(step_costs[update]):
                return step_costs[: update + 1]
        return step_costs

    def _check_memory(self, batch_size: int, momentum: bool) -> None:
        """Refuse steps if there is no memory for velocities and buffers that do not exist yet."""
        missing: dict[str, float] = {}
        if momentum and self._parameters.weight_velocities[0] is None:
            missing["velocities"] = parameter_bytes(self.spec, self.dtype)
        if batch_size not in self._workspaces:
            missing["buffers of a step"] = step_bytes(self.spec, self.dtype, batch_size)
        if missing:
            check_memory(f"training layers {self.spec.layers} in batches of {batch_size}", missing)

    def _unfused_step(self, work: _Workspace, descent: Descent, *, has_targets: bool) -> float:
        """Take one step on the mini-batch in the buffers, f and f' by NumPy."""
        self._run_forward(work.inputs, work.preactivations, work.activations)
        cost, targets = work.steps.costs, work.targets if has_targets else None
        targets = work.inputs if self.spec.autoencoder else targets
        costs.cost_and_gradient(self._cost_code, work.preactivations[-1], work.labels, cost, work.backprop[-1], targets)
        self._run_backward_update(work, descent)
        return float(cost.mean())

    def _run_backward_update(self, work: _Workspace, descent: Descent) -> None:
        """Fill dC/ds of every layer and update its weights and biases."""
        own = self._parameters
        for layer in range(len(self._parameters.weights) - 1, -1, -1):
            s = work.preactivations[layer - 1] if layer else None
            z = work.activations[layer - 1] if layer else work.inputs
            d = work.backprop[layer - 1] if layer else None
            dense.backward_update(
                work.backprop[layer],
                self._parameters.weights[layer],
                self._parameters.biases[layer],
                s,
                z,
                self._code,
                d,
                own.weight_velocities[layer],
                own.bias_velocities[layer],
                *descent,
                num_threads(),
                self._parameter,
                own.weight_rates[layer],
                own.bias_rates[layer],
            )
            if s is not None and d is not None:
                self._unfused_derivative(s, d)

    def _run_forward(self, inputs: FloatArray, s: list[FloatArray], z: list[FloatArray]) -> None:
        """Fill s of every layer and z of every hidden one."""
        below = inputs
        for layer in range(len(self._parameters.weights)):
            self._forward_layer(layer, below, s[layer], z[layer])
            below = z[layer]

    def _forward_layer(self, layer: int, below: FloatArray, s: FloatArray, z: FloatArray) -> None:
        """Fill s, and z of a hidden layer."""
        hidden = layer < len(self._parameters.weights) - 1
        code, out = (self._code, z) if hidden else (LINEAR, s)
        dense.forward(
            below,
            self._parameters.weights[layer],
            self._parameters.biases[layer],
            code,
            s,
            out,
            num_threads(),
            self._parameter,
        )
        if hidden and not self.fused:
            z[...] = self._activation.function(s)

    def _unfused_derivative(self, s: FloatArray, d: FloatArray) -> None:
        if not self.fused:
            d *= self._activation.derivative(s)

    def _buffers(self, batch: int) -> list[FloatArray]:
        return [np.empty((batch, size), dtype=self.dtype) for size in self.spec.layer_sizes[1:]]

    def _workspace(self, batch: int) -> _Workspace:
        if batch not in self._workspaces:

            def padded(clearance: int = 1) -> list[FloatArray]:
                return [padded_matrix(batch, size, self.dtype, clearance) for size in self.spec.layer_sizes[1:]]

            inputs = padded_matrix(batch, self.spec.fan_in, self.dtype)
            targets = np.empty((batch, self.spec.classes), dtype=self.dtype)
            gradients = padded(gradient_clearance(batch))
            buffers = inputs, np.empty(batch, dtype=np.int64), targets, padded(), padded(), gradients
            codes = self._code, self._parameter, self._cost_code, self.spec.autoencoder
            steps = Steps(self._parameters.weights, self._parameters.biases, *buffers, *codes)
            self._workspaces = {batch: _Workspace(*buffers, steps)}
        return self._workspaces[batch]
