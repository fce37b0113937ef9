"""What the outputs of a network are compared with: classes, numbers that the data give, or the inputs themselves."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array, FloatArray, Labels, Targets
from glorotlab.checks import as_array, finite_inputs
from glorotlab.errors import InvalidValueError


class Outputs(Protocol):
    """The part of a ``NetworkSpec`` that this module uses."""

    @property
    def layers(self) -> str: ...  # noqa: D102
    @property
    def output(self) -> str: ...  # noqa: D102
    @property
    def cost(self) -> str: ...  # noqa: D102
    @property
    def classes(self) -> int: ...  # noqa: D102
    @property
    def most_classes(self) -> int: ...  # noqa: D102
    @property
    def autoencoder(self) -> bool: ...  # noqa: D102
    @property
    def extra_outputs(self) -> bool: ...  # noqa: D102
    def fits(self, inputs: int, classes: int, targets: int = 0) -> bool: ...  # noqa: D102


def is_regression(labels: npt.NDArray[Any]) -> bool:
    """Return whether labels are targets (floats, or rows of any numbers) instead of classes."""
    return labels.dtype.kind == "f" or (labels.ndim == 2 and labels.dtype.kind in "iu")


def check_labels(spec: Outputs, labels: npt.ArrayLike | None, examples: int) -> Targets:
    """Return labels as int64, or targets as a floating matrix; see ``NetworkSpec.check_labels``."""
    if not examples:
        raise InvalidValueError("batch of 0 examples: allowed are 1 or more")
    if spec.autoencoder:
        return np.zeros(examples, dtype=np.int64)
    values = as_array("labels", () if labels is None else labels)
    if labels is not None and is_regression(values) and spec.output != "softmax":
        return _check_numbers(spec, values, examples)
    return _check_classes(spec, values, examples)


def _check_classes(spec: Outputs, classes: npt.NDArray[Any], examples: int) -> Labels:
    if classes.shape != (examples,) or classes.dtype.kind not in "iu":
        raise InvalidValueError(
            f"labels of shape {classes.shape} and dtype {classes.dtype}: allowed is one whole number for each "
            f"of {examples} examples"
        )
    if not (classes.min() >= 0 and classes.max() < spec.most_classes):
        wrong = classes[(classes < 0) | (classes >= spec.most_classes)][0]
        hint = "" if spec.output == "softmax" else "; numbers for the outputs to reach are floats"
        raise InvalidValueError(f"label {wrong}: allowed are 0 to {spec.most_classes - 1}{hint}")
    return np.ascontiguousarray(classes, dtype=np.int64)


def _check_numbers(spec: Outputs, values: npt.NDArray[Any], examples: int) -> FloatArray:
    if values.ndim == 1 and spec.classes == 1:
        values = values[:, np.newaxis]
    if values.shape != (examples, spec.classes):
        raise InvalidValueError(
            f"targets of shape {values.shape} and dtype {values.dtype}: allowed is ({examples}, {spec.classes}), one "
            "number for each output, or one whole number an example, its class"
        )
    targets = finite_inputs("labels", values)
    check_probabilities(spec, "labels", targets)
    return targets


def check_probabilities(spec: Outputs, what: str, targets: FloatArray) -> None:
    """Refuse targets of cross-entropy outside of [0, 1]; ``what`` is their name."""
    if spec.cost == "cross_entropy" and targets.size:
        low, high = float(targets.min()), float(targets.max())
        if not 0 <= low <= high <= 1:
            raise InvalidValueError(f"{what} from {low:g} to {high:g} as targets of cross-entropy: allowed are 0 to 1")


def target_matrix(spec: Outputs, labels: Targets, inputs: FloatArray | None) -> Array:
    """Return the numbers that the outputs are compared with, (examples, outputs), float64.

    Parameters
    ----------
    spec : Outputs
    labels : ndarray
        What ``check_labels`` returned: a class becomes a row of zeros with a one, or of a single output its number.
    inputs : ndarray, shape (examples, fan_in), or None
        Targets of an autoencoder; None where it is none.
    """
    if spec.autoencoder:
        assert inputs is not None  # noqa: S101
        return inputs.astype(np.float64)
    if labels.ndim == 2:
        return labels.astype(np.float64)
    if spec.classes == 1:
        return labels[:, np.newaxis].astype(np.float64)
    one_hot = np.zeros((len(labels), spec.classes))
    one_hot[np.arange(len(labels)), labels] = 1
    return one_hot


def check_fits(spec: Outputs, data: str, inputs: int, classes: int, targets: int) -> None:
    """Raise InvalidValueError where a network is not made for data; see ``NetworkSpec.check_fits``."""
    if targets and spec.output == "softmax" and not spec.autoencoder:
        raise InvalidValueError(
            f"layers {spec.layers} with softmax outputs: dataset {data!r} has targets (labels that are floats): "
            "allowed are sigmoid or linear outputs (output, --output), or labels that are whole numbers"
        )
    if not spec.fits(inputs, classes, targets):
        outputs = f"{targets} outputs, one a target" if targets else f"{classes} outputs"
        raise InvalidValueError(f"layers {spec.layers}: dataset {data!r} needs {inputs} inputs and {outputs}")
    if not (spec.extra_outputs or spec.autoencoder or targets) and spec.classes > max(classes, 2):
        raise InvalidValueError(
            f"layers {spec.layers}: {spec.classes} outputs for the {classes} classes of dataset {data!r}: allowed are "
            f"{classes}, or more with extra_outputs (--extra-outputs)"
        )
