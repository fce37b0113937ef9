"""predict: LayerStatistics at initialisation from a spec and a batch of real data, or an input second moment.

Every number is the expectation over networks of the statistic that ``measure`` takes of one network: pooled over
units and examples, so that the variance subtracts the expected square of one network's own mean, which is not
zero when units are few or examples alike.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from glorotlab import initializers
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.schema import digests, layer_statistics
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory import jacobian, mean_field
from glorotlab.theory.mean_field import LayerKernels
from glorotlab.theory.moments import LARGEST, SMALLEST
from glorotlab.theory.output_gradient import OutputGradient, output_gradient
from glorotlab.theory.quadrature import Array
from glorotlab.threads import single_threaded_blas

if TYPE_CHECKING:
    import xarray as xr

ASSUMPTIONS = (
    "weights and biases are as initialised: before any training step",
    "layers are wide: corrections of relative size 1/width are left out",
    "gradient independence: weights met backward are taken as independent of the forward pass",
)

MAX_NUMERICAL_ERROR = 0.01
"""Largest relative numerical error of a prediction that is given."""

WIDTH_FACTOR, MAX_FINITE_WIDTH_ERROR = 5.0, 1.0
"""Relative variance a layer of n units adds to a second moment, times n, and the largest sum over layers allowed."""

MAX_EXAMPLES = 4096
"""Pair kernels take examples^2 numbers a layer; beyond this they would not fit a small machine."""


@single_threaded_blas()
def predict(
    spec: NetworkSpec,
    *,
    inputs: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    input_second_moment: float | None = None,
) -> xr.Dataset:
    """Predict per-layer statistics at initialisation by mean-field theory.

    Parameters
    ----------
    spec : NetworkSpec
    inputs : (examples, fan_in), optional
        Real data; give either this or ``input_second_moment``.
    labels : (examples,) int, optional
        With inputs; without labels the gradients are not predicted.
    input_second_moment : float, optional
        E[x^2] of one example whose inputs have mean zero, from 1e-100 to 1e30; gradients are then those of a batch
        of one.

    Returns
    -------
    xarray.Dataset
        LayerStatistics with dimension ``layer``. Attribute ``assumptions`` lists what it rests on;
        ``numerical_error`` bounds (for sampled logits: is one standard error of) the relative error of the numerics,
        ``finite_width_error`` is the order of magnitude of what the limit of wide layers leaves out, see
        ``finite_width_error``.

    Raises
    ------
    InvalidValueError
        Where an argument has the wrong shape, is not finite, or both or neither of the sources are given.
    AssumptionError
        Where the theory has nothing to say: all inputs zero with zero biases; a signal or gradient that vanishes or
        explodes beyond the range of float64; layers so narrow that ``finite_width_error`` exceeds 1; a numerical
        error above 1 %. The last comes from pairs of examples, but is raised for all statistics: those that need no
        pairs, second moments of one example, are predicted from ``input_second_moment``.
    """
    kernel, mean = _input_kernel(spec, inputs, input_second_moment)
    y = _labels(spec, labels, len(kernel), scalar=inputs is None)
    if not (np.diagonal(kernel) + initializers.get_bias(spec.bias).variance > 0).all():
        raise AssumptionError(
            "an example whose inputs are all 0 has no pre-activation to predict: drop it, or give biases"
        )
    layers, error = mean_field.forward(spec, kernel, mean)
    _check_error(error)
    width_error = finite_width_error(spec)
    if width_error > MAX_FINITE_WIDTH_ERROR:
        raise AssumptionError(
            f"layers {spec.layers} are too narrow: relative corrections for finite width of order {width_error:.2g}, "
            f"allowed is {MAX_FINITE_WIDTH_ERROR:g}: use wider or fewer hidden layers, or measure instead"
        )
    values = [_forward_values(spec, index, layer) for index, layer in enumerate(layers)]
    if y is not None:
        top = output_gradient(spec.output, spec.cost, layers[-1].preactivation, y, spec.classes)
        mean_field.backward(spec, layers, top)
        error = max(error, top.error)
        _check_error(error)
        for index, layer in enumerate(layers):
            values[index] |= _backward_values(spec, index, layer, top if index == len(layers) - 1 else None)
    columns = {name: np.array([value[name] for value in values]) for name in values[0]}
    return layer_statistics(
        columns,
        attributes={
            "kind": "prediction",
            "spec": spec.model_dump(mode="json"),
            "assumptions": _assumptions(spec, scalar=inputs is None),
            "examples": len(kernel),
            "numerical_error": error,
            "finite_width_error": width_error,
        }
        | ({} if inputs is None else digests(inputs, y)),
    )


def finite_width_error(spec: NetworkSpec) -> float:
    """Return the order of magnitude of the relative corrections that the limit of wide layers leaves out.

    It is the relative variance between networks of a second moment, to which shifts of its mean are proportional:
    each hidden layer of n units adds (E f^4 / (E f^2)^2 - 1) / n to it (Yaida 2020; Roberts, Yaida & Hanin 2022),
    5 / n for ReLU, 2 / n for linear units and less where units saturate. The 5 is taken for all. Outputs do not
    count: moments over few of them are integrated.
    """
    return sum(WIDTH_FACTOR / fan_out for _, fan_out in spec.fans[:-1])


def _check_error(error: float) -> None:
    if not error <= MAX_NUMERICAL_ERROR:
        raise AssumptionError(
            f"pair moments of the examples cannot be trusted: relative error up to {error:.2g}, allowed is "
            f"{MAX_NUMERICAL_ERROR:g}: measure instead, or predict one example from its input second moment"
        )


def _assumptions(spec: NetworkSpec, scalar: bool) -> list[str]:
    found = list(ASSUMPTIONS)
    if initializers.get(spec.initializer).distribution == "sparse":
        found.append("each unit receives many weights k: corrections of relative size 1/k are left out")
    if scalar:
        found.append("inputs have mean zero, and the batch is one example")
    return found


def _input_kernel(spec: NetworkSpec, inputs: npt.ArrayLike | None, second_moment: float | None) -> tuple[Array, Array]:
    """M^0 and the mean over inputs of each example."""
    if (inputs is None) == (second_moment is None):
        raise InvalidValueError("give either inputs or input_second_moment to predict from")
    if inputs is None:
        if not (isinstance(second_moment, Real) and SMALLEST <= second_moment <= LARGEST):
            raise InvalidValueError(
                f"input second moment {second_moment}: allowed are positive numbers from {SMALLEST:g} to {LARGEST:g}"
            )
        return np.full((1, 1), float(second_moment)), np.zeros(1)
    x = spec.check_inputs(inputs).astype(np.float64)
    if len(x) > MAX_EXAMPLES:
        raise InvalidValueError(f"{len(x)} examples: allowed are 1 to {MAX_EXAMPLES}")
    with np.errstate(over="ignore"):  # refused where the pre-activations are
        return x @ x.T / spec.fan_in, x.mean(axis=1)


def _labels(
    spec: NetworkSpec, labels: npt.ArrayLike | None, examples: int, scalar: bool
) -> npt.NDArray[np.int64] | None:
    if labels is None:
        return np.zeros(1, dtype=np.int64) if scalar else None
    return spec.check_labels(labels, examples)


def _moments(name: str, second: float, mean: float, mean_square: float) -> dict[str, float]:
    """Build the schema's three numbers of one tensor; ``mean_square`` is E of one network's squared mean."""
    return {f"{name}_mean": mean, f"{name}_second_moment": second, f"{name}_variance": second - mean_square}


def _forward_values(spec: NetworkSpec, index: int, layer: LayerKernels) -> dict[str, float]:
    fan_in, fan_out = spec.fans[index]
    q = np.diagonal(layer.preactivation)
    values = {"fan_in": float(fan_in), "fan_out": float(fan_out), "weight_variance": layer.variance}
    values |= _moments("preactivation", q.mean(), 0.0, layer.preactivation.mean() / fan_out)
    mean = float(layer.activation_mean.mean())
    between_units = layer.activation.mean() - mean**2
    values |= _moments("activation", np.diagonal(layer.activation).mean(), mean, mean**2 + between_units / fan_out)
    values["jacobian_singular_value_mean"] = _jacobian(spec, index, layer, q)
    return values


def _jacobian(spec: NetworkSpec, index: int, layer: LayerKernels, q: Array) -> float:
    """Mean over examples and singular values; NaN where no spectrum is known, or the output is no activation."""
    record, initializer = spec.layer_activation(index), initializers.get(spec.initializer)
    if record is None:
        return float("nan")
    fan_in, fan_out = spec.fans[index]
    if initializer.independent:
        return float(jacobian.mean_singular_value(record, q, fan_in, fan_out, layer.variance).mean())
    if initializer.distribution == "orthogonal" and fan_in >= fan_out:
        gain = float(np.sqrt(fan_in * layer.variance))
        return float(jacobian.orthogonal_mean_singular_value(record, q, gain).mean())
    return float("nan")


def _backward_values(
    spec: NetworkSpec, index: int, layer: LayerKernels, top: OutputGradient | None
) -> dict[str, float]:
    """Gradients of one layer; ``top`` is the output layer's, whose units are few and need not have mean 0."""
    fan_in, fan_out = spec.fans[index]
    z, d, d_means = layer.below, layer.backprop, layer.backprop_mean
    d_mean_products = top.mean_products if top else _mean_products(d, d_means, fan_out)
    # of the inputs the mean over the units is known exactly
    z_mean_products = _mean_products(z, layer.below_mean, fan_in if index else math.inf)
    example, batch = (np.diagonal(z) * np.diagonal(d)).mean(), (z * d).mean()
    d_mean, d_mean_square = float(d_means.mean()), d_mean_products.mean()
    weight_mean, weight_mean_square = (layer.below_mean * d_means).mean(), (z_mean_products * d_mean_products).mean()
    values = _moments("backprop_gradient", np.diagonal(d).mean(), d_mean, d_mean_square)
    values |= _moments("example_weight_gradient", example, weight_mean, weight_mean_square)
    values |= _moments("batch_weight_gradient", batch, weight_mean, weight_mean_square)
    values |= _moments("batch_bias_gradient", d.mean(), d_mean, d_mean_square)
    return values


def _mean_products(kernel: Array, means: Array, units: float) -> Array:
    """E of the product of two examples' means over finitely many independent units."""
    expected = np.outer(means, means)
    return expected + (kernel - expected) / units
