"""A batch for the theory: the inputs of the first layer, from real examples or assumed ones.

Every public function that takes data, or a second moment instead, builds one ``Batch`` and hands it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array, Targets
from glorotlab.checks import real_number
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST, second_moments
from glorotlab.threads import single_threaded_blas

MAX_EXAMPLES = 4096
"""Largest batch; kernels have examples^2 numbers per layer, which must fit a small machine."""

SAME_CLASS, OTHER_CLASS = 0.53, 0.39
"""Correlations assumed without data: means over 1,000 MNIST digits of the same class and of different classes."""

CLASSES, CLASS_SIZE = 10, 10
"""Largest number of classes assumed without data, and the number of examples per class."""


@dataclass(frozen=True)
class Batch:
    """Moments and labels of a batch of inputs.

    Parameters
    ----------
    second_moment, mean, fourth_moment : (examples,)
        Means of x^2, x and x^4 over the inputs of each example.
    labels : (examples,) int or (examples, outputs) float, optional
        Classes, or targets; of an autoencoder zeros.
    targets : (examples, outputs), optional
        What the outputs are compared with, as ``NetworkSpec.target_matrix`` has it; without it there are no gradients.
    inputs : (examples, fan_in), optional
        The data; None where a second moment stands in for data.
    correlation : (examples, examples), optional
        Without data: correlations between examples, all of one second moment.
    assumption : str
        What stands in for data; empty where the data are real.
    """

    second_moment: Array
    mean: Array
    fourth_moment: Array
    labels: Targets | None
    targets: Array | None = None
    inputs: npt.NDArray[np.floating[Any]] | None = None
    correlation: Array | None = None
    assumption: str = ""

    @classmethod
    def one(cls, second_moment: float, labels: Targets | None = None, targets: Array | None = None) -> Batch:
        """Return one example of mean zero and this second moment, whose inputs are Gaussian."""
        square = np.full(1, second_moment)
        return cls(square, np.zeros(1), 3 * square**2, labels, targets, correlation=np.ones((1, 1)))

    @property
    def examples(self) -> int:
        """Size of the batch."""
        return len(self.mean)

    @property
    def mean_second_moment(self) -> float:
        """The mean of E x^2 over the batch."""
        return float(self.second_moment.mean())

    @property
    def kernel(self) -> Array:
        """M^0_ab = x_a.x_b / n_0, (examples, examples); InvalidValueError where the batch is too large for pairs."""
        return self.covariance.kernel

    @cached_property
    def covariance(self) -> Covariance:
        """M^0 with its gaps; InvalidValueError where the batch is too large for pairs."""
        if self.inputs is None:
            assert self.correlation is not None  # noqa: S101
            return Covariance.of(self.second_moment * self.correlation)
        _check_size(self.examples)
        return Covariance.of_inputs(self.inputs.astype(np.float64))


def _check_one_source(inputs: npt.ArrayLike | None, second_moment: float | None) -> None:
    """Refuse a batch with both sources, or with none."""
    if (inputs is None) == (second_moment is None):
        how = "neither inputs nor" if inputs is None else "both inputs and"
        raise InvalidValueError(f"{how} input_second_moment: allowed is one of the two")


def _check_biases(spec: NetworkSpec) -> None:
    if spec.bias_initializer.mean:
        raise AssumptionError(
            f"biases {spec.bias} have mean {spec.bias_initializer.mean:g}: allowed is 0, so that pre-activations have "
            "mean 0; measure instead"
        )


def check_signal(batch: Batch, bias_variance: float, instead: str) -> None:
    """Raise AssumptionError, with its index, for an example whose inputs and biases are all 0."""
    silent = np.flatnonzero(batch.second_moment + bias_variance == 0)
    if len(silent):
        more = f" and {len(silent) - 1} more" if len(silent) > 1 else ""
        raise AssumptionError(f"inputs[{silent[0]}]{more}: an example whose inputs are all 0 has no signal: {instead}")


def _check_size(examples: int) -> None:
    if examples > MAX_EXAMPLES:
        raise InvalidValueError(f"{examples} examples: allowed are 1 to {MAX_EXAMPLES}")


def _check_size_of_inputs(x: Array, second_moment: Array) -> None:
    """Raise InvalidValueError at the first example whose second moment is beyond what may stand in for data."""
    beyond = np.flatnonzero(~(second_moment <= LARGEST))
    if len(beyond):
        first = int(beyond[0])
        raise InvalidValueError(
            f"inputs[{first}] has second moment {second_moment[first]:.3g}, its largest input being "
            f"{np.abs(x[first]).max():.3g} in size: allowed are second moments up to {LARGEST:g}: scale the inputs"
        )


@single_threaded_blas()
def batch_of(
    spec: NetworkSpec,
    *,
    inputs: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    input_second_moment: float | None = None,
    gradients: bool = True,
) -> Batch:
    """Return the batch of inputs and labels, or one example of mean zero with the second moment.

    The example's inputs are Gaussian and its label is 0 unless another is asked for: all are alike. An autoencoder's
    example has no gradients there, since its targets are inputs that nobody has given, and a batch of one has none
    where ``gradients`` are not wanted.

    Raises
    ------
    InvalidValueError
        Where both or neither of the sources are there, a shape or number is not allowed, or an example's second moment
        is above 1e30.
    """
    _check_biases(spec)
    _check_one_source(inputs, input_second_moment)
    if inputs is None:
        q = real_number("input second moment", input_second_moment, SMALLEST, LARGEST)
        if spec.autoencoder:
            return Batch.one(q)
        one = spec.check_labels(np.zeros(1, dtype=np.int64) if labels is None else labels, 1)
        return Batch.one(q, one, spec.target_matrix(one))
    data = spec.check_inputs(inputs)
    answers, targets = None, None
    if labels is not None or (spec.autoencoder and gradients):  # gradients need pairs
        _check_size(len(data))
        spec.check_targets(data)
        answers = spec.check_labels(labels, len(data))
        targets = spec.target_matrix(answers, data)
    x = data.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # refused in the next line
        squares = x * x
        moments = squares.mean(axis=1), x.mean(axis=1), (squares**2).mean(axis=1)  # NumPy's x**4 takes longer
    _check_size_of_inputs(x, moments[0])
    return Batch(*moments, answers, targets, data)


@single_threaded_blas()
def labelled_batch(
    spec: NetworkSpec,
    inputs: npt.ArrayLike | None,
    labels: npt.ArrayLike | None,
    input_second_moment: float | None,
) -> Batch:
    """Return a batch with at least two classes or targets: inputs with labels, or assumed examples of a second moment.

    Raises
    ------
    InvalidValueError
        Where both or neither of the sources are there, labels are missing or all alike, or a shape or number is not
        allowed.
    AssumptionError
        Where an example's inputs are all 0, or an autoencoder has no inputs.
    """
    _check_biases(spec)
    _check_one_source(inputs, input_second_moment)
    if input_second_moment is not None and spec.autoencoder:
        raise AssumptionError("an autoencoder without inputs has no targets: give inputs")
    if input_second_moment is not None:
        return _stand_in(spec, float(second_moments(input_second_moment, "input_second_moment")))
    if labels is None and not spec.autoencoder:
        spec.check_inputs(inputs)  # type: ignore[arg-type]
        raise InvalidValueError("inputs without labels: allowed are both, or input_second_moment")
    batch = batch_of(spec, inputs=inputs, labels=labels)
    assert batch.labels is not None and batch.targets is not None  # noqa: S101, PT018
    if (batch.targets == batch.targets[0]).all():
        same = "of one target" if batch.labels.ndim == 2 or spec.autoencoder else f"of class {batch.labels[0]}"
        raise InvalidValueError(
            f"{batch.examples} examples, all {same}: allowed are two or more classes or targets: use more examples"
        )
    check_signal(batch, 0.0, "drop it")
    return batch


def _stand_in(spec: NetworkSpec, second_moment: float) -> Batch:
    classes = min(max(spec.classes, 2), CLASSES)
    y = np.repeat(np.arange(classes), CLASS_SIZE)
    correlation = np.where(y[:, np.newaxis] == y, SAME_CLASS, OTHER_CLASS)
    np.fill_diagonal(correlation, 1.0)
    assumption = (
        f"without data: {CLASS_SIZE} examples of each of {classes} classes, all of one second moment and mean zero; "
        f"inputs have correlation {SAME_CLASS} within a class and {OTHER_CLASS} between classes, as MNIST's digits have"
    )
    squares = np.full(len(y), second_moment)
    return Batch(
        squares,
        np.zeros(len(y)),
        3 * squares**2,
        y,
        spec.target_matrix(y),
        correlation=correlation,
        assumption=assumption,
    )
