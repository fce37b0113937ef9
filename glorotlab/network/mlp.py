"""Network: a multi-layer perceptron; arguments are checked here, and ``engine`` computes."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from glorotlab import notebook
from glorotlab.arrays import FloatArray, Labels, Targets
from glorotlab.checks import finite_inputs, real_number, shown, whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.kernels.network.batch_source import BatchSource, RowSource
from glorotlab.network.checks import check_order, check_source, count_updates
from glorotlab.network.engine import Engine
from glorotlab.network.guard import Guard
from glorotlab.network.memory import parameter_bytes, pass_bytes
from glorotlab.network.parameters import Parameters
from glorotlab.network.passes import BackwardPass, ForwardPass, Gradients
from glorotlab.resources import check_memory
from glorotlab.spec.network import Layers, NetworkSpec, network_spec
from glorotlab.spec.training import UpdateRule
from glorotlab.streams import check_seed

DTYPES = ("float32", "float64")
PREPARED = ("guard", "_engine")
"""Attributes of a network that are computed from its spec."""


class Network:
    """A multi-layer perceptron with its weights.

    One thread may train a network, or several may read it; any other use at the same time raises NetworkInUseError.

    Parameters
    ----------
    spec : NetworkSpec, str or sequence of int
        The network, or its layers as ``NetworkSpec.parse`` takes them.
    seed : int
        Weights and biases of layer l are a function of (seed, l) and the layer's shape; the same in both dtypes up to
        rounding.
    dtype : str
        ``float32`` or ``float64``.

    Raises
    ------
    InvalidValueError
        Where the spec, seed or dtype is not allowed.
    NotEnoughMemoryError
        Where there is no memory for the weights.

    Examples
    --------
    Where the last weights are 0 every class has the same probability, and the cost of three is ln 3 = 1.0986:

    >>> import glorotlab as gl
    >>> network = gl.Network("4,5,3", seed=0)
    >>> [weight.shape for weight in network.weights]
    [(4, 5), (5, 3)]
    >>> network.weights[-1][:] = 0  # in place
    >>> round(network.gradients([[1.0, 2.0, 3.0, 4.0]], [2]).cost, 4)
    1.0986
    """

    def __init__(self, spec: NetworkSpec | Layers, seed: int = 0, dtype: str = "float32") -> None:
        if dtype not in DTYPES:
            raise InvalidValueError(f"dtype {shown(dtype)}: allowed are {', '.join(DTYPES)}")
        self.spec, self.seed, self.dtype = network_spec(spec), check_seed(seed), np.dtype(dtype)
        check_memory(f"layers {self.spec.layers}", {"weights": parameter_bytes(self.spec, self.dtype)})
        self._parameters = Parameters(self.spec, self.seed, self.dtype)
        self._prepare()

    def _prepare(self) -> None:
        """Compute the attributes that follow from the others; a copy of the network computes its own."""
        self.guard, self._engine = Guard(), Engine(self._parameters)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs, including its own arrays; the rest follows from the spec."""
        with self.guard.reading():
            return self._given() | {"_parameters": self._parameters.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copied = memo[id(self)] = type(self).__new__(type(self))
        with self.guard.reading():
            copied.__setstate__(copy.deepcopy(self._given(), memo) | {"_parameters": self._parameters.copy()})
        return copied

    def __repr__(self) -> str:
        spec = self.spec
        return f"<Network {spec.layers}, {spec.activation}, {spec.initializer}, seed {self.seed}, {self.dtype}>"

    def _repr_html_(self) -> str:
        head = ("layer", "fan_in", "fan_out", "weights: root mean square", "biases: root mean square")
        rows = [
            (layer, *weight.shape, np.sqrt(np.mean(np.square(weight))), np.sqrt(np.mean(np.square(bias))))
            for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), start=1)
        ]
        return notebook.form(repr(self).strip("<>"), notebook.table(head, rows))

    def _given(self) -> dict[str, Any]:
        """Return the attributes that do not follow from the spec, without the arrays."""
        return {name: value for name, value in vars(self).items() if name not in ("_parameters", *PREPARED)}

    @property
    def weights(self) -> tuple[FloatArray, ...]:
        """Matrices of shape (fan_in, fan_out); edit them in place, the kernels rely on their memory."""
        return self._parameters.weights

    @property
    def biases(self) -> tuple[FloatArray, ...]:
        """Vectors of shape (fan_out,); edit them in place."""
        return self._parameters.biases

    def forward(self, x: npt.ArrayLike) -> ForwardPass:
        """Run a batch forward.

        Parameters
        ----------
        x : array_like, shape (batch, fan_in)
            Finite numbers; they are converted to the network's dtype.

        Returns
        -------
        ForwardPass
            ``preactivations`` and ``activations`` of every layer, each of shape (batch, fan_out), in the network's
            dtype.

        Raises
        ------
        InvalidValueError
            Where x has another shape or is not finite.
        NotEnoughMemoryError
            Where there is no memory for the tensors.

        Examples
        --------
        >>> import glorotlab as gl
        >>> network = gl.Network("4,5,3", seed=0)
        >>> passed = network.forward([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
        >>> [z.shape for z in passed.activations]
        [(2, 5), (2, 3)]
        >>> passed.activations[-1].sum(axis=1).round(4).tolist()  # probabilities of the classes
        [1.0, 1.0]
        """
        inputs = self.inputs(x)
        check_memory(
            f"a pass of {len(inputs)} examples through layers {self.spec.layers}",
            {"its tensors": pass_bytes(self.spec, self.dtype, len(inputs))},
        )
        with self.guard.reading():
            return self._forward(inputs)

    def _forward(self, inputs: FloatArray) -> ForwardPass:
        s, z = self._engine.forward(inputs)
        records = [self.spec.layer_activation(layer) for layer in range(len(self.weights))]
        return ForwardPass(inputs, s, z, self.weights, records)

    def backpropagate(self, x: npt.ArrayLike, labels: npt.ArrayLike | None = None) -> BackwardPass:
        """Run a batch forward and each example's cost back to the pre-activations.

        Parameters
        ----------
        x : array_like, shape (batch, fan_in)
            Finite numbers; they are converted to the network's dtype.
        labels : array_like, shape (batch,) or (batch, outputs), optional
            Classes, or targets, as ``NetworkSpec.check_labels`` says; an autoencoder needs none.

        Returns
        -------
        BackwardPass
            The forward pass, each example's ``cost``, and its gradients dC/ds of every layer, ``backprop``.

        Raises
        ------
        InvalidValueError
            Where a shape or a label is not allowed, or the batch is empty.
        NotEnoughMemoryError
            Where there is no memory for the tensors.

        Examples
        --------
        Through a softmax output dC/ds is what the outputs are, minus 1 in the right class:

        >>> import glorotlab as gl
        >>> network = gl.Network("4,5,3", seed=0)
        >>> passed = network.backpropagate([[1.0, 2.0, 3.0, 4.0]], [2])
        >>> (passed.activations[-1] - passed.backprop[-1]).round(4).tolist()
        [[0.0, 0.0, 1.0]]
        """
        inputs = self.inputs(x)
        y = self.spec.check_labels(labels, len(inputs))
        self.spec.check_targets(inputs)
        with self.guard.reading():
            return self._backpropagate(inputs, y)

    def _backpropagate(self, inputs: FloatArray, y: Targets) -> BackwardPass:
        check_memory(
            f"a pass of {len(inputs)} examples through layers {self.spec.layers}",
            {"its tensors": pass_bytes(self.spec, self.dtype, len(inputs), gradients=True)},
        )
        passed, (classes, targets) = self._forward(inputs), self._classes_and_targets(y)
        targets = inputs if self.spec.autoencoder else targets
        backprop, cost = self._engine.backward(passed.preactivations, passed.activations, classes, targets)
        return BackwardPass(**vars(passed), cost=cost, backprop=backprop)

    def _classes_and_targets(self, labels: Targets) -> tuple[Labels, FloatArray | None]:
        """Return classes, zeros where there are targets, and the targets in the network's dtype, None of classes."""
        if labels.ndim == 1:
            return labels, None
        targets = finite_inputs("labels", labels, self.dtype)
        return np.zeros(len(labels), dtype=np.int64), targets

    def gradients(self, x: npt.ArrayLike, labels: npt.ArrayLike | None = None) -> Gradients:
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
        labels: npt.ArrayLike | None,
        learning_rate: float,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        l2: float = 0.0,
    ) -> float:
        """Take one step of gradient descent on the batch-mean cost, in place, and return that cost.

        W <- (1 - learning_rate l2) W - learning_rate dC/dW, or through a velocity, classical or Nesterov's, where
        momentum is not 0 (``UpdateRule`` has the formulas); biases do not decay. No weight gradient is stored.

        Parameters
        ----------
        x : array_like, shape (batch, fan_in)
            Finite numbers; they are converted to the network's dtype.
        labels : array_like, shape (batch,) or (batch, outputs)
            Classes, or targets, as ``NetworkSpec.check_labels`` says.
        learning_rate : float
            Factor of the batch-mean gradient, from 0.
        momentum : float
            Part of the velocity that is kept, in [0, 1).
        nesterov : bool
            Whether the step is Nesterov's; it needs a momentum above 0.
        l2 : float
            Factor of half the squared length of W in the cost, from 0.

        Returns
        -------
        float
            The batch-mean cost before the step.

        Raises
        ------
        InvalidValueError
            Where an argument is not allowed; the weights are then unchanged.

        Examples
        --------
        >>> import glorotlab as gl
        >>> network = gl.Network("2,3", seed=0)
        >>> network.weights[0][:] = 0
        >>> x, y = [[1.0, 0.0], [0.0, 1.0]], [0, 1]
        >>> round(network.train_step(x, y, learning_rate=1.0), 4)  # three classes at random: ln 3
        1.0986
        >>> network.gradients(x, y).cost < 1.0986
        True
        """
        rule = UpdateRule(learning_rate, momentum, nesterov, l2)
        examples = self.rows(x, labels)
        return float(self.train_on(examples, 1, rule, batch_size=examples.length)[0])

    def train_steps(
        self,
        x: npt.ArrayLike,
        labels: npt.ArrayLike | None,
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
        x : array_like, shape (examples, fan_in)
            Not copied where it has the network's dtype and is contiguous.
        labels : array_like, shape (examples,) or (examples, outputs)
            As of ``train_step``.
        learning_rate : float
            As of ``train_step``.
        batch_size : int
            A divisor of the number of examples, or of the length of ``order``.
        order : array_like of int, shape (updates * batch_size,), optional
            Rows of x, mini-batch after mini-batch; by default all, as they stand.
        momentum : float
            As of ``train_step``.
        nesterov : bool
            As of ``train_step``.
        l2 : float
            As of ``train_step``.

        Returns
        -------
        ndarray of float64, shape (updates,)
            Cost of each mini-batch before its step. It ends with the first one that is not finite.

        Raises
        ------
        InvalidValueError
            Where an argument is not allowed; the weights are then unchanged.

        Examples
        --------
        >>> import glorotlab as gl
        >>> network = gl.Network("2,3", seed=0)
        >>> network.weights[0][:] = 0
        >>> costs = network.train_steps([[1.0, 0.0], [0.0, 1.0]], [0, 1], learning_rate=1.0, batch_size=1)
        >>> costs.shape, round(float(costs[0]), 4)  # ln 3
        ((2,), 1.0986)
        """
        rule = UpdateRule(learning_rate, momentum, nesterov, l2)
        examples = self.rows(x, labels, order)
        updates = count_updates(examples.length, batch_size)
        return self.train_on(examples, updates, rule, batch_size=batch_size)

    def rows(
        self,
        x: npt.ArrayLike,
        labels: npt.ArrayLike | None,
        order: npt.ArrayLike | None = None,
        *,
        looked_at: bool = False,
    ) -> BatchSource:
        """Return the rows of arrays as ``train_on`` takes them.

        Parameters
        ----------
        x : array_like, shape (examples, fan_in)
            As of ``train_steps``.
        labels : array_like, shape (examples,) or (examples, outputs)
            As of ``train_steps``.
        order : array_like of int, shape (n,), optional
            As of ``train_steps``.
        looked_at : bool
            Whether x is known to be finite (``checks.finite_inputs``) and, of an autoencoder, to hold targets that it
            allows (``NetworkSpec.check_targets``): whoever takes many steps from one x looks once.

        Returns
        -------
        BatchSource

        Raises
        ------
        InvalidValueError
            Where an argument is not allowed.

        Examples
        --------
        >>> import glorotlab as gl
        >>> network = gl.Network("2,3")
        >>> network.rows([[1.0, 0.0], [0.0, 1.0]], [0, 2]).length
        2
        """
        inputs = self.inputs(x, finite=looked_at)
        if not looked_at:
            self.spec.check_targets(inputs)
        classes, targets = self._classes_and_targets(self.spec.check_labels(labels, len(inputs)))
        rows = None if order is None else check_order(order, len(inputs))
        return RowSource(inputs, classes, rows, self.spec.most_classes, targets)

    def train_on(
        self, source: BatchSource, updates: int, rule: UpdateRule, *, batch_size: int
    ) -> npt.NDArray[np.float64]:
        """Take steps on mini-batches that a source loads one after the other into the network's own buffer.

        Parameters
        ----------
        source : BatchSource
            Rows of arrays (``rows``) or a stream such as Shapeset's, which draws each mini-batch when it is due.
        updates : int
            Number of steps, from 0; the source has as many mini-batches.
        rule : UpdateRule
            Learning rate, momentum and decay of every step.
        batch_size : int
            Examples of a mini-batch.

        Returns
        -------
        ndarray of float64, shape (updates,)
            Cost of each mini-batch before its step. It ends with the first one that is not finite.

        Raises
        ------
        InvalidValueError
            Where an argument is not allowed or the source does not fit the network; the weights are then unchanged.

        Examples
        --------
        >>> import glorotlab as gl
        >>> from glorotlab.spec.training import UpdateRule
        >>> network = gl.Network("2,3")
        >>> source = network.rows([[1.0, 0.0], [0.0, 1.0]], [0, 2])
        >>> network.train_on(source, updates=2, rule=UpdateRule(learning_rate=0.1), batch_size=1).shape
        (2,)
        """
        batch_size, updates = whole_number("batch_size", batch_size, 1), whole_number("updates", updates, 0)
        check_source(source, self.spec, updates * batch_size)
        with self.guard.training():
            return self._engine.take_steps(source, updates, rule, batch_size)

    def hidden_layer(self, layer: int, below: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return s and z = f(s) of one hidden layer.

        Parameters
        ----------
        layer : int
            Index of a hidden layer, from 0.
        below : ndarray, shape (batch, fan_in)
            What enters it, in the network's dtype; nothing is checked here.

        Returns
        -------
        tuple of ndarray, each of shape (batch, fan_out)

        Examples
        --------
        >>> import glorotlab as gl
        >>> network = gl.Network("2,3,2")
        >>> x = network.inputs([[1.0, 2.0]])
        >>> s, z = network.hidden_layer(0, x)
        >>> bool((z == network.forward(x).activations[0]).all())
        True
        """
        with self.guard.reading():
            return self._engine.hidden_layer(layer, below)

    def set_rates(self, weights: Sequence[FloatArray], biases: Sequence[FloatArray]) -> None:
        """Give each weight and bias its own factor of the learning rate, from the next step on.

        ``network.curvature`` estimates such factors; ``UpdateRule`` says how an update uses them.

        Parameters
        ----------
        weights : sequence of ndarray, each of shape (fan_in, fan_out)
            Factors of the weights, layer by layer, from 0.
        biases : sequence of ndarray, each of shape (fan_out,)
            Factors of the biases, layer by layer, from 0.

        Raises
        ------
        InvalidValueError
            Where a shape is another one, or a factor is negative or not finite; nothing is then changed.

        Examples
        --------
        >>> import glorotlab as gl
        >>> import numpy as np
        >>> network = gl.Network("2,3", seed=0)
        >>> before = network.weights[0].copy()
        >>> network.set_rates([np.zeros((2, 3))], [np.ones(3)])  # only the biases learn
        >>> cost = network.train_step([[1.0, 0.0]], [0], learning_rate=1.0)
        >>> bool((network.weights[0] == before).all()), bool(network.biases[0].any())
        (True, True)
        """
        with self.guard.training():
            self._parameters.set_rates(weights, biases)

    def move_along_velocities(self, amount: float) -> None:
        """Add ``amount`` times its velocity to every weight and bias, where a step has had momentum.

        Nesterov's steps are taken in the point ahead, theta + momentum v: where the momentum changes, so does that
        point (``spec.momentum``).

        Parameters
        ----------
        amount : float
            Factor of the velocities, of either sign.

        Examples
        --------
        >>> import glorotlab as gl
        >>> network = gl.Network("2,3")
        >>> cost = network.train_step([[1.0, 0.0]], [0], learning_rate=0.1, momentum=0.9)
        >>> before, velocity = network.weights[0].copy(), network.state()["weight_velocity_1"]
        >>> network.move_along_velocities(0.5)
        >>> bool(abs(network.weights[0] - (before + 0.5 * velocity)).max() < 1e-6)
        True
        """
        amount = real_number("amount", amount)
        with self.guard.training():
            self._parameters.move_along_velocities(amount)

    def state(self) -> dict[str, FloatArray]:
        """Return copies of what training changes.

        Returns
        -------
        dict of str to ndarray
            ``weight_1``, ``bias_1``, ...; ``weight_velocity_1``, ``bias_velocity_1``, ... once a step had momentum, and
            ``weight_rate_1``, ``bias_rate_1``, ... once ``set_rates`` was called.
        """
        with self.guard.reading():
            return {name: own.copy() for name, own in self._parameters.arrays().items()}

    def load_state(self, state: Mapping[str, FloatArray]) -> None:
        """Load what ``state`` returned, bit for bit.

        Parameters
        ----------
        state : mapping of str to ndarray
            What ``state`` of a network of this spec and dtype returned.

        Raises
        ------
        InvalidValueError
            Where the arrays are not those of a network of this spec and dtype; nothing is then changed.

        Examples
        --------
        >>> import glorotlab as gl
        >>> network = gl.Network("2,3", seed=0)
        >>> state = network.state()
        >>> sorted(state)
        ['bias_1', 'weight_1']
        >>> cost = network.train_step([[1.0, 0.0]], [0], learning_rate=1.0)
        >>> network.load_state(state)  # as if the step had not been taken
        >>> bool((network.weights[0] == gl.Network("2,3", seed=0).weights[0]).all())
        True
        """
        with self.guard.training():
            self._parameters.load(state)

    def inputs(self, x: npt.ArrayLike, *, finite: bool = False) -> FloatArray:
        """Return x as an array that the kernels can read.

        Parameters
        ----------
        x : array_like, shape (examples, fan_in)
            Finite numbers.
        finite : bool
            Whether x is known to be finite; in the network's dtype it is then looked at no more.

        Returns
        -------
        ndarray, shape (examples, fan_in)
            In the network's dtype, C-contiguous.

        Raises
        ------
        InvalidValueError
            Where x is not an array of finite inputs.

        Examples
        --------
        >>> import glorotlab as gl
        >>> gl.Network("2,3", dtype="float32").inputs([[1, 2]])
        array([[1., 2.]], dtype=float32)
        """
        if finite and isinstance(x, np.ndarray) and x.dtype == self.dtype and x.flags.c_contiguous:
            inputs: FloatArray = x
        else:
            inputs = finite_inputs("inputs", x, self.dtype)
        if inputs.ndim != 2 or inputs.shape[1] != self.spec.fan_in:
            raise InvalidValueError(
                f"inputs of shape {inputs.shape}: allowed is (examples, {self.spec.fan_in}) "
                f"for layers {self.spec.layers}"
            )
        return inputs
