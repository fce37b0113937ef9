"""A batch as its theory takes it: kernel, means and labels of real examples, or of a stand-in without data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array, Labels
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.gaussian.moments import second_moments
from glorotlab.theory.predict import MAX_EXAMPLES
from glorotlab.threads import single_threaded_blas

SAME_CLASS, OTHER_CLASS = 0.53, 0.39
"""Correlations of inputs that stand in for data: the means over 1,000 of MNIST's digits, of one class and of two."""

CLASSES, EACH = 10, 10
"""The stand-in has as many classes as the network, from 2 up to this, with so many examples each."""


@dataclass(frozen=True)
class Examples:
    """A batch.

    Parameters
    ----------
    kernel : (examples, examples)
        M^0_ab = x_a.x_b / n_0.
    mean : (examples,)
        Mean over the inputs of each example.
    labels : (examples,) int
    assumption : str
        What stands in for data; empty where it is real.
    """

    kernel: Array
    mean: Array
    labels: Labels
    assumption: str = ""

    @property
    def second_moment(self) -> float:
        """E x^2 over the batch."""
        return float(np.diagonal(self.kernel).mean())


@single_threaded_blas()
def examples(
    spec: NetworkSpec,
    inputs: npt.ArrayLike | None,
    labels: npt.ArrayLike | None,
    input_second_moment: float | None,
) -> Examples:
    """Return the batch of inputs and labels, or what stands in for one of a second moment.

    Raises
    ------
    InvalidValueError
        Where both or neither are given, labels are missing or of one class, or a shape or number is not allowed.
    AssumptionError
        Where an example's inputs are all 0.
    """
    if (inputs is None) == (input_second_moment is None):
        raise InvalidValueError("give either inputs and labels, or input_second_moment")
    if input_second_moment is not None:
        return _stand_in(spec, float(second_moments(input_second_moment, "input_second_moment")))
    assert inputs is not None  # noqa: S101
    x = spec.check_inputs(inputs).astype(np.float64)
    if labels is None:
        raise InvalidValueError("inputs without labels: allowed are both, or input_second_moment")
    y = spec.check_labels(labels, len(x))
    if len(x) > MAX_EXAMPLES:
        raise InvalidValueError(f"{len(x)} examples: allowed are 2 to {MAX_EXAMPLES}")
    if (y == y[0]).all():
        raise InvalidValueError(f"{len(x)} examples, all of class {y[0]}: allowed are two classes or more: take more")
    with np.errstate(over="ignore"):  # refused where the pre-activations are
        kernel = x @ x.T / spec.fan_in
    if not np.diagonal(kernel).all():
        raise AssumptionError("an example whose inputs are all 0 has no signal to follow: drop it")
    return Examples(kernel, x.mean(axis=1), y)


def _stand_in(spec: NetworkSpec, second_moment: float) -> Examples:
    classes = min(max(spec.classes, 2), CLASSES)
    y = np.repeat(np.arange(classes), EACH)
    kernel = np.where(y[:, np.newaxis] == y, SAME_CLASS, OTHER_CLASS)
    np.fill_diagonal(kernel, 1.0)
    assumption = (
        f"without data: {EACH} examples of each of {classes} classes, all of one second moment and mean zero; inputs "
        f"have correlation {SAME_CLASS} within a class and {OTHER_CLASS} between classes, as MNIST's digits have"
    )
    return Examples(second_moment * kernel, np.zeros(len(y)), y, assumption)
