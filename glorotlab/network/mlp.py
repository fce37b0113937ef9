"""Network: a multi-layer perceptron on the compiled kernels.

An activation without a kernel takes the unfused step: the same kernels with f = identity, then NumPy for f and f'.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from glorotlab import activations, initializers
from glorotlab.arrays import FloatArray, Labels
from glorotlab.checks import as_array, whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.kernels import costs, dense, elementwise
from glorotlab.kernels._types import CLASSES, PIXELS, ImageStream
from glorotlab.kernels.buffers import STORED, padded_matrix, padded_zeros
from glorotlab.kernels.shapeset import render
from glorotlab.kernels.step import Steps
from glorotlab.network.checks import check_order, check_state, check_step, count_updates
from glorotlab.network.passes import BackwardPass, ForwardPass, Gradients
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, check_seed, generator
from glorotlab.threads import num_threads, single_threaded_blas

DTYPES = ("float32", "float64")
LINEAR = elementwise.CODES["linear"]


@dataclass
class _Workspace:
    """Buffers of one batch size, rows padded, so that a step allocates nothing, and the steps that use them."""

    inputs: FloatArray
    preactivations: list[FloatArray]
    activations: list[FloatArray]
    backprop: list[FloatArray]
    steps: Steps = field(repr=False)


class Network:
    """A network with its weights.

    Parameters
    ----------
    spec : NetworkSpec
    seed : int
        Weights and biases of layer l are a function of (seed, l) and the layer's shape; the same in both dtypes up to
        rounding.
    dtype : str
        ``float32`` or ``float64``.

    Raises
    ------
    InvalidValueError
        Where seed or dtype is not allowed.
    """

    def __init__(self, spec: NetworkSpec, seed: int = 0, dtype: str = "float32") -> None:
        if dtype not in DTYPES:
            raise InvalidValueError(f"dtype {dtype!r}: allowed are {', '.join(DTYPES)}")
        self.spec, self.seed, self.dtype = spec, check_seed(seed), np.dtype(dtype)
        drawn = self._draw()
        self._weights, self._biases = (tuple(arrays) for arrays in zip(*drawn, strict=True))
        self._weight_velocities: list[FloatArray | None] = [None] * len(self.weights)
        self._bias_velocities: list[FloatArray | None] = [None] * len(self.biases)
        self._workspaces: dict[int, _Workspace] = {}
        self._cost_code = costs.CODES[spec.output, spec.cost]
        self._activation = activations.get(spec.activation)
        self._fused = self._activation.family in elementwise.CODES
        self._code = elementwise.CODES.get(self._activation.family, LINEAR)
        self._parameter = sum(self._activation.parameters)  # of one, or of none

    def _draw(self) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield weights and biases of every layer."""
        initializer, bias = initializers.get(self.spec.initializer), initializers.get_bias(self.spec.bias)
        with single_threaded_blas():  # orthogonal matrices come from a QR factorisation
            for layer, (fan_in, fan_out) in enumerate(self.spec.fans, start=1):
                weights = padded_matrix(fan_in, fan_out, self.dtype, STORED)
                initializer.fill(generator(self.seed, Purpose.WEIGHTS, layer), weights)
                biases = bias.sample(generator(self.seed, Purpose.BIASES, layer), fan_out)
                yield weights, np.ascontiguousarray(biases, dtype=self.dtype)

    @property
    def weights(self) -> tuple[FloatArray, ...]:
        """Matrices of shape (fan_in, fan_out); edit them in place, the kernels rely on their memory."""
        return self._weights

    @property
    def biases(self) -> tuple[FloatArray, ...]:
        """Vectors of shape (fan_out,); edit them in place."""
        return self._biases

    def forward(self, x: npt.ArrayLike) -> ForwardPass:
        """Run a batch forward.

        Parameters
        ----------
        x : (batch, fan_in)

        Raises
        ------
        InvalidValueError
            Where x has another shape.
        """
        inputs = self._inputs(x)
        s, z = self._buffers(len(inputs)), self._buffers(len(inputs))
        self._run_forward(inputs, s, z)
        costs.output(self._cost_code, s[-1], z[-1])
        records = [self.spec.layer_activation(layer) for layer in range(len(self.weights))]
        return ForwardPass(inputs, s, z, self.weights, records)

    def backpropagate(self, x: npt.ArrayLike, labels: npt.ArrayLike) -> BackwardPass:
        """Run a batch forward and each example's cost back to the pre-activations.

        Parameters
        ----------
        x : (batch, fan_in)
        labels : (batch,) int
            In [0, classes).

        Raises
        ------
        InvalidValueError
            Where a shape or a label is not allowed, or the batch is empty.
        """
        inputs = self._inputs(x)
        y = self.spec.check_labels(labels, len(inputs))
        passed = self.forward(inputs)
        backprop, cost = self._buffers(len(inputs)), np.empty(len(inputs))
        costs.cost_and_gradient(self._cost_code, passed.preactivations[-1], y, cost, backprop[-1])
        for layer in range(len(self.weights) - 1, 0, -1):
            s, z, d = passed.preactivations[layer - 1], passed.activations[layer - 1], backprop[layer - 1]
            dense.backward(backprop[layer], self.weights[layer], s, z, self._code, d, num_threads(), self._parameter)
            self._unfused_derivative(s, d)
        return BackwardPass(**vars(passed), cost=cost, backprop=backprop)

    def gradients(self, x: npt.ArrayLike, labels: npt.ArrayLike) -> Gradients:
        """Return the gradients of the batch-mean cost; arguments as for ``backpropagate``."""
        passed = self.backpropagate(x, labels)
        layers = passed.layers
        return Gradients(
            [layer.weight_gradient() for layer in layers],
            [layer.bias_gradient() for layer in layers],
            float(passed.cost.mean()),
        )

    def train_step(
        self,
        x: npt.ArrayLike,
        labels: npt.ArrayLike,
        learning_rate: float,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        l2: float = 0.0,
    ) -> float:
        """Take one step of gradient descent on the batch-mean cost, in place, and return that cost.

        W <- (1 - learning_rate l2) W - learning_rate dC/dW, or through a velocity, classical or Nesterov's, where
        momentum is not 0 (``TrainingSpec`` has the formulas); biases do not decay. No weight gradient is stored.

        Raises
        ------
        InvalidValueError
            Where an argument is not allowed; the weights are then unchanged.
        """
        check_step(learning_rate, momentum, nesterov, l2)
        inputs = self._inputs(x)
        y = self.spec.check_labels(labels, len(inputs))
        descent = learning_rate, momentum, nesterov, l2
        return float(self._steps(inputs, y, None, len(inputs), 1, descent)[0])

    def train_steps(
        self,
        x: npt.ArrayLike,
        labels: npt.ArrayLike,
        learning_rate: float,
        *,
        batch_size: int,
        order: npt.ArrayLike | None = None,
        momentum: float = 0.0,
        nesterov: bool = False,
        l2: float = 0.0,
    ) -> npt.NDArray[np.float64]:
        """Take as many steps as there are mini-batches, as ``train_step`` does, without Python in between.

        Parameters
        ----------
        x : (examples, fan_in)
            Not copied where it has the network's dtype and is contiguous.
        labels : (examples,) int
        learning_rate : float
        batch_size : int
            Divides the number of examples, or the length of ``order``.
        order : (updates * batch_size,) int, optional
            Rows of x, mini-batch after mini-batch; by default all, as they stand.
        momentum, l2 : float
        nesterov : bool

        Returns
        -------
        (updates,) float64
            Cost of each mini-batch before its step. It ends with the first one that is not finite.

        Raises
        ------
        InvalidValueError
            Where an argument is not allowed; the weights are then unchanged.
        """
        check_step(learning_rate, momentum, nesterov, l2)
        inputs = self._inputs(x)
        y = self.spec.check_labels(labels, len(inputs))
        if order is not None:
            order = check_order(order, len(inputs))
        updates = count_updates(len(inputs) if order is None else len(order), batch_size)
        return self._steps(inputs, y, order, int(batch_size), updates, (learning_rate, momentum, nesterov, l2))

    def train_on_shapeset(
        self,
        stream: ImageStream,
        updates: int,
        learning_rate: float,
        *,
        batch_size: int,
        momentum: float = 0.0,
        nesterov: bool = False,
        l2: float = 0.0,
    ) -> npt.NDArray[np.float64]:
        """Take steps on the images of a stream: the bits of ``train_steps``, without an array of all the images.

        An activation without a kernel has them drawn first. Arguments and costs are those of ``train_steps``;
        InvalidValueError also where the network is not for these images.
        """
        check_step(learning_rate, momentum, nesterov, l2)
        if self.spec.fan_in != PIXELS or self.spec.classes < CLASSES:
            raise InvalidValueError(f"layers {self.spec.layers}: Shapeset needs {PIXELS} inputs and {CLASSES} outputs")
        for number in (stream.seed, stream.first):
            check_seed(number)
        updates = whole_number("updates", updates, 0)
        count_updates(batch_size, batch_size)
        no_labels = np.empty(0, dtype=np.int64)
        descent = learning_rate, momentum, nesterov, l2
        return self._steps(stream, no_labels, None, int(batch_size), int(updates), descent)

    def _steps(
        self,
        inputs: FloatArray | ImageStream,
        labels: Labels,
        order: Labels | None,
        batch_size: int,
        updates: int,
        descent: tuple[float, float, bool, float],
    ) -> npt.NDArray[np.float64]:
        """Take steps on arguments that have been checked; ``descent`` is learning rate, momentum, nesterov and l2."""
        learning_rate, momentum, nesterov, l2 = descent
        if momentum:
            self._allocate_velocities()
        work, found = self._workspace(batch_size), np.empty(updates)
        rule = learning_rate / batch_size, learning_rate * l2, momentum, bool(nesterov)
        if self._fused:
            work.steps.set_velocities(self._weight_velocities, self._bias_velocities)
            done = work.steps.run(inputs, labels, order, *rule, num_threads(), found)
            return found[:done]
        if isinstance(inputs, ImageStream):
            stream, examples = inputs, updates * batch_size
            inputs, labels = np.empty((examples, PIXELS), self.dtype), np.empty(examples, np.int64)
            render(*stream, inputs, labels, num_threads())
        for update in range(updates):
            rows = slice(update * batch_size, (update + 1) * batch_size)
            chosen = rows if order is None else order[rows]
            found[update] = self._unfused_step(work, inputs[chosen], labels[chosen], rule)
            if not np.isfinite(found[update]):
                return found[: update + 1]
        return found

    def _unfused_step(
        self, work: _Workspace, inputs: FloatArray, labels: Labels, rule: tuple[float, float, float, bool]
    ) -> float:
        """Take one step, f and f' by NumPy."""
        work.inputs[...] = inputs
        self._run_forward(work.inputs, work.preactivations, work.activations)
        cost = work.steps.costs
        costs.cost_and_gradient(self._cost_code, work.preactivations[-1], labels, cost, work.backprop[-1])
        self._run_backward_update(work, rule)
        return float(cost.mean())

    def _run_backward_update(self, work: _Workspace, rule: tuple[float, float, float, bool]) -> None:
        for layer in range(len(self.weights) - 1, -1, -1):
            s = work.preactivations[layer - 1] if layer else None
            z = work.activations[layer - 1] if layer else work.inputs
            d = work.backprop[layer - 1] if layer else None
            dense.backward_update(
                work.backprop[layer],
                self.weights[layer],
                self.biases[layer],
                s,
                z,
                self._code,
                d,
                self._weight_velocities[layer],
                self._bias_velocities[layer],
                *rule,
                num_threads(),
                self._parameter,
            )
            if s is not None and d is not None:
                self._unfused_derivative(s, d)

    def _run_forward(self, inputs: FloatArray, s: list[FloatArray], z: list[FloatArray]) -> None:
        """Fill s of every layer and z of every hidden one."""
        below, threads, last = inputs, num_threads(), len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            code, out = (self._code, z[layer]) if layer < last else (LINEAR, s[layer])
            dense.forward(below, weight, bias, code, s[layer], out, threads, self._parameter)
            if layer < last and not self._fused:
                z[layer][...] = self._activation.function(s[layer])
            below = z[layer]

    def _unfused_derivative(self, s: FloatArray, d: FloatArray) -> None:
        if not self._fused:
            d *= self._activation.derivative(s)

    def state(self) -> dict[str, FloatArray]:
        """Return copies of what training changes, by name.

        ``weight_1``, ``bias_1``, ... and, once a step had momentum, ``weight_velocity_1``, ``bias_velocity_1``, ...
        """
        return {name: own.copy() for name, own in self._arrays().items()}

    def load_state(self, state: Mapping[str, FloatArray]) -> None:
        """Take over what ``state`` returned, bit for bit.

        Raises
        ------
        InvalidValueError
            Where the arrays are not those of a network of this spec and dtype; nothing is then changed.
        """
        check_state(state, self.spec, str(self.dtype))
        if "weight_velocity_1" in state:
            self._allocate_velocities()
        else:
            self._weight_velocities, self._bias_velocities = [None] * len(self.weights), [None] * len(self.biases)
        for name, own in self._arrays().items():
            np.copyto(own, state[name], casting="no")

    def _arrays(self) -> dict[str, FloatArray]:
        found: dict[str, FloatArray] = {}
        names = ("weight", "bias", "weight_velocity", "bias_velocity")
        held = (self.weights, self.biases, self._weight_velocities, self._bias_velocities)
        for name, arrays in zip(names, held, strict=True):
            found |= {f"{name}_{k}": own for k, own in enumerate(arrays, start=1) if own is not None}
        return found

    def _allocate_velocities(self) -> None:
        if self._weight_velocities[0] is None:
            self._weight_velocities = [
                padded_zeros(weight.shape[0], weight.shape[1], self.dtype, STORED) for weight in self.weights
            ]
            self._bias_velocities = [np.zeros_like(bias) for bias in self.biases]

    def _buffers(self, batch: int) -> list[FloatArray]:
        return [np.empty((batch, size), dtype=self.dtype) for size in self.spec.layer_sizes[1:]]

    def _workspace(self, batch: int) -> _Workspace:
        if batch not in self._workspaces:

            def padded() -> list[FloatArray]:
                return [padded_matrix(batch, size, self.dtype) for size in self.spec.layer_sizes[1:]]

            inputs = padded_matrix(batch, self.spec.fan_in, self.dtype)
            buffers = inputs, padded(), padded(), padded()
            steps = Steps(self.weights, self.biases, *buffers, self._code, self._parameter, self._cost_code)
            self._workspaces = {batch: _Workspace(*buffers, steps)}
        return self._workspaces[batch]

    def _inputs(self, x: npt.ArrayLike) -> FloatArray:
        given = as_array("inputs", x)
        if given.dtype.kind not in "biuf":
            raise InvalidValueError(f"inputs of dtype {given.dtype}: allowed are real numbers")
        inputs = np.ascontiguousarray(given, dtype=self.dtype)
        if inputs.ndim != 2 or inputs.shape[1] != self.spec.fan_in:
            raise InvalidValueError(
                f"inputs of shape {inputs.shape}: allowed is (examples, {self.spec.fan_in}) "
                f"for layers {self.spec.layers}"
            )
        return inputs
