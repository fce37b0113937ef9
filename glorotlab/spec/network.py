"""NetworkSpec: layer sizes, activation, initializer, bias initializer, output and cost of a network."""

import functools
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, TypeGuard

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from glorotlab import activations, costs, initializers
from glorotlab.arrays import Array, FloatArray, Targets
from glorotlab.checks import finite_inputs, shown, whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.spec.base import Spec
from glorotlab.spec.targets import check_fits, check_labels, check_probabilities, target_matrix

Layers = str | Sequence[int]
"""Layer sizes as a user may write them."""

MAX_WIDTH = 2**24
MAX_LAYERS = 100_000


_activation = functools.lru_cache(activations.get)
_initializer = functools.lru_cache(initializers.get)
_bias_initializer = functools.lru_cache(initializers.get_bias)
_cost = functools.lru_cache(costs.get)


def fold_layers(sizes: Iterable[int]) -> str:
    """Return layer sizes as text, which ``parse_layers`` reads: runs of equal ones folded."""
    counted = [(size, len(list(run))) for size, run in itertools.groupby(sizes)]
    return ",".join(f"{size}x{times}" if times > 1 else str(size) for size, times in counted)


def parse_layers(text: str) -> tuple[int, ...]:
    """Read layer sizes such as ``784,1000x5,10``: inputs, five hidden layers of 1,000 units, ten outputs.

    Raises
    ------
    InvalidValueError
        Where a part is not ``N`` or ``NxTIMES`` with whole numbers from 1.
    """
    sizes: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})\s*(?:x\s*(\d{1,9})\s*)?", part)
        width, times = (int(match[1]), int(match[2] or 1)) if match else (0, 0)
        if not (1 <= width <= MAX_WIDTH and 1 <= times <= MAX_LAYERS + 1):
            raise InvalidValueError(
                f"layers {text[:60]!r}: {part.strip()[:40]!r} is not a size; allowed are whole numbers from 1 "
                f"to {MAX_WIDTH}, repeated as in 1000x5"
            )
        sizes += [width] * times
        if len(sizes) > MAX_LAYERS + 1:
            raise InvalidValueError(f"layers {text[:60]!r}: allowed are at most {MAX_LAYERS} after the inputs")
    return tuple(sizes)


class NetworkSpec(Spec):
    """A multi-layer perceptron as it stands before training.

    Parameters
    ----------
    layer_sizes : tuple of int
        Inputs, hidden layers, outputs.
    activation : str
        Activation of the hidden layers, a name of ``glorotlab.activations``.
    initializer : str
        Initializer of the weights, a name of ``glorotlab.initializers``, parameters in brackets.
    bias : str, optional
        Initializer of the biases: ``zeros``, ``normal(std=)`` or ``uniform(bound=)``; by default the one that goes
        with the initializer of the weights.
    output : str
        ``softmax``, ``sigmoid`` or ``linear``.
    cost : str, optional
        ``log_likelihood``, ``cross_entropy`` or ``quadratic``; by default the first that goes with the output.
    autoencoder : bool
        Whether the outputs are compared with the inputs, in place of the one-hot label: there are as many of both, and
        outputs are sigmoid or linear.
    extra_outputs : bool
        Whether more outputs than the data have classes are meant; without it a dataset of fewer classes is refused.

    Raises
    ------
    InvalidValueError
        Where a field is not allowed, or fields do not go together.

    Examples
    --------
    >>> import glorotlab as gl
    >>> spec = gl.NetworkSpec(layer_sizes=(784, 1000, 1000, 10), activation="relu", initializer="he_normal")
    >>> spec.layers, spec.fans
    ('784,1000x2,10', ((784, 1000), (1000, 1000), (1000, 10)))
    >>> spec.weight_initializer.variance(1000, 1000)  # 2 / fan_in
    0.002
    >>> spec.bias, spec.cost  # what goes with the initializer and the output
    ('zeros', 'log_likelihood')
    """

    added_fields: ClassVar[frozenset[str]] = frozenset({"autoencoder", "extra_outputs"})

    layer_sizes: tuple[int, ...] = Field(min_length=2, max_length=MAX_LAYERS + 1)
    activation: str = "tanh"
    initializer: str = "glorot_uniform"
    bias: str = ""
    output: str = "softmax"
    cost: str = ""
    autoencoder: bool = False
    extra_outputs: bool = False

    @model_validator(mode="before")
    @classmethod
    def _canonical(cls, fields: Any) -> Any:
        """Replace aliases and defaults by canonical names, so that equal networks are equal specs."""
        if not isinstance(fields, (dict, NetworkSpec)):
            raise InvalidValueError(f"network {str(fields)[:60]!r}: allowed is a table of fields")
        fields = dict(fields)
        initializer = initializers.get(str(fields.get("initializer") or "glorot_uniform"))
        output = str(fields.get("output") or "softmax")
        cost = str(fields.get("cost") or costs.default_cost(output))
        fields["activation"] = activations.get(str(fields.get("activation", "tanh"))).name
        fields["initializer"] = initializer.name
        fields["bias"] = initializers.get_bias(str(fields.get("bias") or initializer.bias)).name
        fields["output"], fields["cost"] = output, costs.get(output, cost).name
        return fields

    @model_validator(mode="after")
    def _check_sizes(self) -> "NetworkSpec":
        for size in self.layer_sizes:
            if not 1 <= size <= MAX_WIDTH:
                raise InvalidValueError(f"layer size {size}: allowed are whole numbers from 1 to {MAX_WIDTH}")
        if self.output == "softmax" and self.layer_sizes[-1] < 2:
            raise InvalidValueError(f"{self.layer_sizes[-1]} softmax output: allowed are 2 or more")
        return self

    @model_validator(mode="after")
    def _check_autoencoder(self) -> "NetworkSpec":
        if self.autoencoder and (self.output == "softmax" or self.classes != self.fan_in):
            raise InvalidValueError(
                f"autoencoder with {self.fan_in} inputs and {self.classes} {self.output} outputs: "
                "allowed are as many outputs as inputs, sigmoid or linear"
            )
        return self

    @classmethod
    def parse(cls, layers: Layers, /, **fields: Any) -> "NetworkSpec":
        """Build a spec from layers and the other fields by name.

        Parameters
        ----------
        layers : str or sequence of int
            Written as ``784,1000x5,10``, or a number for each layer.
        **fields
            The other fields of a NetworkSpec.

        Returns
        -------
        NetworkSpec

        Raises
        ------
        InvalidValueError
            Where layers or a field are not allowed.

        Examples
        --------
        >>> import glorotlab as gl
        >>> spec = gl.NetworkSpec.parse("784,1000x5,10", activation="relu", initializer="he_normal")
        >>> spec.layer_sizes
        (784, 1000, 1000, 1000, 1000, 1000, 10)
        >>> gl.NetworkSpec.parse([784, 30, 10]).layers
        '784,30,10'
        """
        if "layer_sizes" in fields:
            raise InvalidValueError(f"layers {shown(layers)} together with layer_sizes: allowed is one of the two")
        if isinstance(layers, str):
            return cls(layer_sizes=parse_layers(layers), **fields)
        if not _is_row(layers):
            raise InvalidValueError(
                f"layers {shown(layers)}: allowed are a text such as '784,1000x5,10', or a list of sizes"
            )
        return cls(layer_sizes=tuple(whole_number("layer size", size, 1, MAX_WIDTH) for size in layers), **fields)

    @property
    def layers(self) -> str:
        """The layer sizes as text, runs of equal hidden layers folded: ``784,1000x5,10``."""
        return fold_layers(self.layer_sizes)

    @property
    def fans(self) -> tuple[tuple[int, int], ...]:
        """(fan_in, fan_out) of every weight matrix."""
        return tuple(zip(self.layer_sizes[:-1], self.layer_sizes[1:], strict=True))

    @property
    def fan_in(self) -> int:
        """Number of inputs."""
        return self.layer_sizes[0]

    @property
    def classes(self) -> int:
        """Number of outputs."""
        return self.layer_sizes[-1]

    @property
    def most_classes(self) -> int:
        """Number of classes that the outputs can tell apart: as many as there are, and two of a single one."""
        return max(self.classes, 2)

    def fits(self, inputs: int, classes: int, targets: int = 0) -> bool:
        """Return whether the network takes examples of these inputs and classes, or targets.

        Parameters
        ----------
        inputs : int
            Number of inputs of an example.
        classes : int
            Number of classes, which does not matter to an autoencoder.
        targets : int
            How many numbers an example gives the outputs to reach; 0 where it has a class.

        Returns
        -------
        bool

        Examples
        --------
        >>> import glorotlab as gl
        >>> spec = gl.NetworkSpec.parse("784,100,10")
        >>> spec.fits(784, classes=10), spec.fits(3072, classes=10)
        (True, False)
        """
        if self.fan_in != inputs or self.autoencoder:
            return self.fan_in == inputs
        if targets:
            return self.output != "softmax" and self.classes == targets
        return self.most_classes >= classes

    def check_fits(self, data: str, inputs: int, classes: int, targets: int = 0) -> None:
        """Refuse data that the network is not made for, among them those with fewer classes than it has outputs.

        Parameters
        ----------
        data : str
            Name of the data in the message.
        inputs, classes, targets : int
            As of ``fits``.

        Raises
        ------
        InvalidValueError
            Where ``fits`` says no, or where there are more outputs than classes without ``extra_outputs``.

        Examples
        --------
        >>> import glorotlab as gl
        >>> gl.NetworkSpec.parse("784,100,10").check_fits("photographs", inputs=3072, classes=10)
        Traceback (most recent call last):
        ...
        glorotlab.errors.InvalidValueError: layers 784,100,10: dataset 'photographs' needs 3072 inputs and 10 outputs
        """
        check_fits(self, data, inputs, classes, targets)

    # The records are looked up by name and remembered outside of the spec: what functools.cached_property keeps in an
    # instance would follow it through pickle (records hold functions) and, out of date, through model_copy(update=...).

    @property
    def activation_record(self) -> activations.Activation:
        """The activation of the hidden layers."""
        return _activation(self.activation)

    @property
    def output_activation(self) -> activations.Activation | None:
        """The activation of the output layer, None of a softmax output, which mixes units."""
        return _activation(self.output) if self.output != "softmax" else None

    @property
    def weight_initializer(self) -> initializers.Initializer:
        """The initializer of the weights."""
        return _initializer(self.initializer)

    @property
    def bias_initializer(self) -> initializers.BiasInitializer:
        """The initializer of the biases."""
        return _bias_initializer(self.bias)

    @property
    def cost_record(self) -> costs.Cost:
        """The cost of the output."""
        return _cost(self.output, self.cost)

    def layer_activation(self, index: int) -> activations.Activation | None:
        """Return the activation of one layer.

        Parameters
        ----------
        index : int
            0 for the first layer.

        Returns
        -------
        Activation or None
            None for a softmax output, which mixes units. A sigmoid or linear output is an activation like any other.

        Examples
        --------
        >>> import glorotlab as gl
        >>> spec = gl.NetworkSpec.parse("784,100,10", activation="relu")
        >>> spec.layer_activation(0).name, spec.layer_activation(1)
        ('relu', None)
        """
        return self.activation_record if index < len(self.layer_sizes) - 2 else self.output_activation

    def check_inputs(self, x: npt.ArrayLike) -> npt.NDArray[np.floating[Any]]:
        """Return inputs as a floating array, all finite.

        Parameters
        ----------
        x : array_like, shape (examples, fan_in)
            At least one example.

        Returns
        -------
        ndarray of float32 or float64, shape (examples, fan_in)

        Raises
        ------
        InvalidValueError
            Where x has another shape, or a number is not finite; the message names the first and its place.

        Examples
        --------
        >>> import glorotlab as gl
        >>> gl.NetworkSpec.parse("3,2").check_inputs([[0, 1, 2]])
        array([[0., 1., 2.]])
        """
        inputs = finite_inputs("inputs", x)
        if inputs.ndim != 2 or inputs.shape[1] != self.fan_in or not len(inputs):
            raise InvalidValueError(
                f"inputs of shape {inputs.shape}: allowed is (examples, {self.fan_in}) for layers {self.layers}"
            )
        return inputs

    def check_targets(self, inputs: npt.NDArray[np.floating[Any]]) -> None:
        """Refuse inputs that are the targets of a sigmoid output with cross-entropy and lie outside of [0, 1].

        Parameters
        ----------
        inputs : ndarray
            What ``check_inputs`` returned.

        Raises
        ------
        InvalidValueError
            Where they do; the message names the least and the largest input.

        Examples
        --------
        >>> import glorotlab as gl
        >>> spec = gl.NetworkSpec.parse("2,1,2", output="sigmoid", cost="cross_entropy", autoencoder=True)
        >>> spec.check_targets(spec.check_inputs([[0.0, 2.0]]))
        Traceback (most recent call last):
        ...
        glorotlab.errors.InvalidValueError: inputs from 0 to 2 as targets of cross-entropy: allowed are 0 to 1
        """
        if self.autoencoder:
            check_probabilities(self, "inputs", inputs)

    def check_labels(self, labels: npt.ArrayLike | None, examples: int) -> Targets:
        """Return classes as int64, or targets, the numbers for the outputs to reach, as floats.

        Parameters
        ----------
        labels : array_like, shape (examples,) or (examples, outputs)
            Whole numbers, one an example, are classes in [0, outputs); a single output tells class 0 from class 1.
            Floats, and rows of any numbers, are targets of sigmoid or linear outputs, of a single one (examples,) too.
            An autoencoder has neither and takes anything.
        examples : int
            Number of examples that there are.

        Returns
        -------
        ndarray of int64, shape (examples,), or of float32 or float64, shape (examples, outputs)
            Zeros of an autoencoder.

        Raises
        ------
        InvalidValueError
            Where there are more or fewer than examples, or one is not allowed.

        Examples
        --------
        >>> import glorotlab as gl
        >>> gl.NetworkSpec.parse("4,3").check_labels([0, 2, 1], examples=3).dtype.name
        'int64'
        >>> gl.NetworkSpec.parse("4,1", output="linear").check_labels([0.5, 2.0], examples=2).shape  # targets
        (2, 1)
        """
        return check_labels(self, labels, examples)

    def target_matrix(self, labels: Targets, inputs: FloatArray | None = None) -> Array:
        """Return the numbers that the outputs are compared with.

        Parameters
        ----------
        labels : ndarray
            What ``check_labels`` returned.
        inputs : ndarray, shape (examples, fan_in), optional
            An autoencoder needs them.

        Returns
        -------
        ndarray of float64, shape (examples, outputs)
            One-hot rows of classes, or 0 and 1 of a single output; targets and inputs as they are.

        Examples
        --------
        >>> import glorotlab as gl
        >>> spec = gl.NetworkSpec.parse("4,3")
        >>> spec.target_matrix(spec.check_labels([0, 2], examples=2)).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
        """
        return target_matrix(self, labels, inputs)


def _is_row(value: object) -> TypeGuard[Sequence[int]]:
    """Return whether a value can be a list of sizes; the bytes of a text are whole numbers but not sizes."""
    return (isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))) or (
        isinstance(value, np.ndarray) and value.ndim > 0
    )


def network_spec(spec: NetworkSpec | Layers) -> NetworkSpec:
    """Return the spec of a network that a user gave: itself, or its layers, all else being at its default.

    Parameters
    ----------
    spec : NetworkSpec, str or sequence of int
        Layers are what `NetworkSpec.parse` takes.

    Raises
    ------
    InvalidValueError
        Where it is none of these, such as a model of another framework, or has no such layers.
    """
    if isinstance(spec, NetworkSpec):
        return spec
    if isinstance(spec, str) or _is_row(spec):
        return NetworkSpec.parse(spec)
    raise InvalidValueError(
        f"network of type {type(spec).__name__}: allowed is a NetworkSpec, such as "
        "NetworkSpec.parse('784,1000x5,10'), or its layers as text or a list of sizes"
    )
