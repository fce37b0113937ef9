"""predict: LayerStatistics at initialisation from a spec and a batch of real data, or an input second moment.

Every number is the expectation over networks of the statistic that ``measure`` takes of one network, so that a variance
subtracts the expected square of one network's own mean, which is not zero when units are few or examples alike. Only
quantiles are those of all networks together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from glorotlab import initializers
from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.schema import QUANTILES, SATURATION_THRESHOLD, describe, digests, layer_statistics
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.distributions.pushforward import quantiles_and_saturation
from glorotlab.theory.finite_width import bands
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST
from glorotlab.theory.mean_field import backward, forward, validity
from glorotlab.theory.mean_field.kernels import LayerKernels
from glorotlab.theory.mean_field.output_gradient import OutputGradient, output_gradient
from glorotlab.theory.mean_field.output_sampling import learning_speeds
from glorotlab.theory.spectra import mean_singular_value
from glorotlab.threads import single_threaded_blas

if TYPE_CHECKING:
    import xarray as xr

ASSUMPTIONS = (
    "weights and biases are as initialised: before any training step",
    "layers are wide: corrections of relative size 1/width are left out",
    "pre-activations are Gaussian: their excess kurtosis, which few or sparse weights leave, is left out",
    "gradient independence: weights met backward depend on the forward pass by their part along the signal alone",
)

MAX_NUMERICAL_ERROR = 0.01
"""Largest relative numerical error of a prediction that is given."""

MAX_FINITE_WIDTH_ERROR, MAX_GAUSSIANITY_ERROR = 1.0, 0.5
"""Largest orders of what the limit of wide layers and of Gaussian pre-activations may leave out; see ``limits``."""

MAX_EXAMPLES = 4096
"""Pair kernels take examples^2 numbers a layer; beyond this they would not fit a small machine."""


@single_threaded_blas()
def predict(
    spec: NetworkSpec,
    *,
    inputs: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    input_second_moment: float | None = None,
    level: float | None = None,
    networks: int = 1,
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
    level : float, optional
        Probability of bands, such as .95. Second moments and ``learning_speed`` then have ``V_low`` and ``V_high`` for
        one network drawn once, its standard deviation ``V_std``, the ``V_shift`` of its mean at finite width, and the
        errors of all that, ``V_quadrature_error``, ``V_expansion_error`` and ``V_sampling_error``; see ``bands``.
    networks : int
        The bands are for the mean of as many; ``V_std`` is always of one.

    Returns
    -------
    xarray.Dataset
        LayerStatistics with dimension ``layer``; V itself is the mean-field value, without shift. Attribute
        ``assumptions`` lists what it rests on;
        ``numerical_error`` bounds (for sampled logits: is one standard error of) the relative error of the numerics,
        ``finite_width_error`` is the relative variance of second moments between networks, and the order of
        magnitude of what the limit of wide layers leaves out; ``gaussianity_error`` of what Gaussian pre-activations
        leave out (both: see ``limits``).

    Raises
    ------
    InvalidValueError
        Where an argument has the wrong shape, is not finite, or both or neither of the sources are given.
    AssumptionError
        Where the theory has nothing to say: bands of weights that depend on each other, or of layers so narrow that a
        logarithm's variance exceeds 1.5; all inputs zero with zero biases; a signal or gradient that vanishes or
        explodes beyond the range of float64; layers so narrow that the activations' part of ``finite_width_error``
        exceeds 1; pre-activations so far from Gaussian that ``gaussianity_error`` exceeds .5; a numerical error
        above 1 %. The last comes from pairs of examples or from drawn logits, but is raised for all statistics: those
        that need no pairs, second moments of one example, are predicted from ``input_second_moment``, those that need
        no gradients without labels.
    """
    if level is None and networks != 1:
        raise InvalidValueError(f"networks {networks} without a level: give the level of the bands")
    banded = level is not None  # units are then sampled layer by layer, and narrow layers are refused by ``bands``
    found = propagate(
        spec,
        inputs=inputs,
        labels=labels,
        input_second_moment=input_second_moment,
        pairs=banded,
        narrow=banded,
    )
    values = [_forward_values(spec, layer) for layer in found.layers]
    if found.labels is not None:
        for index, layer in enumerate(found.layers):
            values[index] |= _backward_values(layer, found.top if layer is found.layers[-1] else None, first=not index)
    columns = {name: np.concatenate([_rows(value[name], name) for value in values]) for name in values[0]}
    errors = {
        "numerical_error": found.error,
        "finite_width_error": found.finite_width,
        "gaussianity_error": found.gaussianity,
    }
    if found.labels is not None:
        columns["learning_speed"], errors["learning_speed_error"] = learning_speeds(spec, found.layers, found.labels)
    if level is not None:
        x = None if inputs is None else np.asarray(inputs, dtype=np.float64)
        _, _, fourth = _input_kernel(spec, inputs, input_second_moment)
        columns |= bands.bands(spec, found.layers, fourth, x, found.labels, columns, level, networks, found.error)
        errors |= {"level": level, "networks": networks}
    return layer_statistics(
        columns,
        attributes={
            "kind": "prediction",
            "spec": spec.model_dump(mode="json"),
            "assumptions": _assumptions(spec, scalar=inputs is None),
            "examples": found.examples,
            "saturation_threshold": SATURATION_THRESHOLD,
        }
        | errors
        | ({} if inputs is None else digests(inputs, found.labels)),
    )


@dataclass(frozen=True)
class Propagation:
    """Kernels of every layer (or, of one example, of the stack of hidden layers and of the output layer).

    Parameters
    ----------
    layers : list of LayerKernels
    top : OutputGradient or None
        None without labels.
    labels : (examples,) or None
    examples : int
    error : float
        The largest relative numerical error.
    finite_width, gaussianity : float
        See ``limits``.
    """

    layers: list[LayerKernels]
    top: OutputGradient | None
    labels: npt.NDArray[np.int64] | None
    examples: int
    error: float
    finite_width: float
    gaussianity: float


@single_threaded_blas()
def propagate(
    spec: NetworkSpec,
    *,
    inputs: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    input_second_moment: float | None = None,
    pairs: bool = False,
    narrow: bool = False,
) -> Propagation:
    """Carry kernels forward and backward; arguments and errors as of ``predict``.

    ``pairs``: keep kernels of one example as matrices too; ``narrow``: do not refuse narrow layers.
    """
    kernel, mean, fourth = _input_kernel(spec, inputs, input_second_moment)
    y = _labels(spec, labels, len(kernel), scalar=inputs is None)
    if not (np.diagonal(kernel) + initializers.get_bias(spec.bias).variance > 0).all():
        raise AssumptionError(
            "an example whose inputs are all 0 has no pre-activation to predict: drop it, or give biases"
        )
    chained = len(kernel) == 1 and not pairs
    if chained:
        layers, error = forward.chain(spec, float(kernel[0, 0]), float(mean[0]))
    else:
        layers, error = forward.forward(spec, kernel, mean)
    _check_error(error, "pair moments of the examples", "predict one example from its input second moment")
    limit = math.inf if narrow else MAX_FINITE_WIDTH_ERROR
    width, gaussianity = _distances(spec, layers, fourth, limit, gradients=y is not None)
    if y is None:
        return Propagation(layers, None, None, len(kernel), error, width, gaussianity)
    output_kernel = layers[-1].preactivation[0] if chained else layers[-1].preactivation
    top = output_gradient(spec.output, spec.cost, output_kernel, y, spec.classes)
    logits = float(np.diagonal(output_kernel).max())
    _check_error(
        top.error,
        f"gradients of {spec.output} outputs with {spec.cost} cost at logits of second moment {logits:.2g}",
        "use smaller weights or another cost, or predict without labels",
    )
    (backward.backward_chain if chained else backward.backward)(spec, layers, top)
    error = max(error, top.error)
    return Propagation(layers, top, y, len(kernel), error, width, gaussianity)


def _distances(
    spec: NetworkSpec, layers: list[LayerKernels], fourth: Array, limit: float, *, gradients: bool
) -> tuple[float, float]:
    """Return the errors of ``limits``, or refuse."""
    forward, backward = validity.relative_variances(layers)
    width = float(forward.max())
    if not width <= limit:
        raise AssumptionError(
            f"layers {spec.layers} are too narrow: relative corrections for finite width of order {width:.2g}, "
            f"allowed is {limit:g}: use wider or fewer hidden layers, or measure instead"
        )
    gaussianity = validity.gaussianity_error(spec, layers, fourth)
    if not gaussianity <= MAX_GAUSSIANITY_ERROR:
        raise AssumptionError(
            f"pre-activations of {spec.initializer} weights and {spec.bias} biases are far from Gaussian: relative "
            f"corrections of order {gaussianity:.2g}, allowed is {MAX_GAUSSIANITY_ERROR:g}: use more weights a unit "
            "or normal weights and biases, or measure instead"
        )
    return float((forward + backward).max()) if gradients else width, gaussianity


def _check_error(error: float, what: str, instead: str) -> None:
    if not error <= MAX_NUMERICAL_ERROR:
        raise AssumptionError(
            f"{what} cannot be trusted: relative error up to {error:.2g}, allowed is {MAX_NUMERICAL_ERROR:g}: "
            f"measure instead, or {instead}"
        )


def _assumptions(spec: NetworkSpec, scalar: bool) -> list[str]:
    found = list(ASSUMPTIONS)
    if scalar:
        found.append("inputs have mean zero, and the batch is one example")
    return found


def _input_kernel(
    spec: NetworkSpec, inputs: npt.ArrayLike | None, second_moment: float | None
) -> tuple[Array, Array, Array]:
    """M^0, and the means over the inputs of each example of x and x^4: normal ones stand for a second moment."""
    if (inputs is None) == (second_moment is None):
        raise InvalidValueError("give either inputs or input_second_moment to predict from")
    if inputs is None:
        if not (isinstance(second_moment, Real) and SMALLEST <= second_moment <= LARGEST):
            raise InvalidValueError(
                f"input second moment {second_moment}: allowed are positive numbers from {SMALLEST:g} to {LARGEST:g}"
            )
        return np.full((1, 1), float(second_moment)), np.zeros(1), np.full(1, 3 * float(second_moment) ** 2)
    x = spec.check_inputs(inputs).astype(np.float64)
    if len(x) > MAX_EXAMPLES:
        raise InvalidValueError(f"{len(x)} examples: allowed are 1 to {MAX_EXAMPLES}")
    with np.errstate(over="ignore"):  # refused where the pre-activations are
        return x @ x.T / spec.fan_in, x.mean(axis=1), ((x * x) ** 2).mean(axis=1)  # NumPy's x**4 takes longer


def _labels(
    spec: NetworkSpec, labels: npt.ArrayLike | None, examples: int, scalar: bool
) -> npt.NDArray[np.int64] | None:
    if labels is None:
        return np.zeros(1, dtype=np.int64) if scalar else None
    return spec.check_labels(labels, examples)


def _rows(value: Array | float, name: str) -> Array:
    """Return a variable of a layer or a stack of them with the axis of layers in front."""
    own = len(describe(name).dims) - 1
    array = np.asarray(value, dtype=np.float64)
    return array if array.ndim > own else array[np.newaxis]


def _moments(name: str, second: Array, mean: Array, mean_squares: tuple[Array, Array, Array]) -> dict[str, Array]:
    """Build the schema's numbers of one tensor.

    ``mean_squares`` are expectations over networks of squared means, one for each estimator: of all elements, of those
    of one unit, of those of one example.
    """
    variances = np.stack([np.broadcast_to(second - square, np.shape(second)) for square in mean_squares], axis=-1)
    return {f"{name}_mean": mean, f"{name}_second_moment": second, f"{name}_variance": variances}


def _diagonal(kernel: Array) -> Array:
    return np.diagonal(kernel, axis1=-2, axis2=-1)


def _over_pairs(kernel: Array) -> Array:
    return np.asarray(kernel.mean(axis=(-2, -1)))


def _mean_squares(kernel: Array, means: Array, units: Array | float) -> tuple[Array, Array, Array]:
    """E of squared means over finitely many independent units of one kernel, for ``_moments``."""
    mean, pairs = means.mean(axis=-1), _over_pairs(kernel)
    example, square = _diagonal(kernel).mean(axis=-1), (means**2).mean(axis=-1)
    return mean**2 + (pairs - mean**2) / units, pairs, square + (example - square) / units


def _forward_values(spec: NetworkSpec, layer: LayerKernels) -> dict[str, Array]:
    q = _diagonal(layer.preactivation)
    values = {"fan_in": layer.fan_in, "fan_out": layer.fan_out, "weight_variance": layer.variance}
    squares = _mean_squares(layer.preactivation, np.zeros_like(q), layer.fan_out)
    values |= _moments("preactivation", q.mean(axis=-1), np.zeros(q.shape[:-1]), squares)
    mean = layer.activation_mean.mean(axis=-1)
    squares = _mean_squares(layer.activation, layer.activation_mean, layer.fan_out)
    values |= _moments("activation", _diagonal(layer.activation).mean(axis=-1), mean, squares)
    values["jacobian_singular_value_mean"] = _jacobian(spec, layer, q)
    values["activation_quantile"], values["activation_saturation"] = _quantiles(layer.record, q)
    return values


def _quantiles(record: Activation | None, q: Array) -> tuple[Array, Array]:
    """Quantiles and saturation; NaN where the output is no activation."""
    if record is None:
        return np.full((*q.shape[:-1], len(QUANTILES)), np.nan), np.full(q.shape[:-1], np.nan)
    quantiles, saturation = quantiles_and_saturation(record, q.reshape(-1, q.shape[-1]))
    return quantiles.reshape(*q.shape[:-1], -1), saturation.reshape(q.shape[:-1])


def _jacobian(spec: NetworkSpec, layer: LayerKernels, q: Array) -> Array:
    """Mean over examples and singular values; NaN where no spectrum is known, or the output is no activation."""
    record, initializer = layer.record, initializers.get(spec.initializer)
    shapes = np.stack([np.ravel(each) for each in (layer.fan_in, layer.fan_out, layer.variance)], axis=-1)
    rows, found = q.reshape(len(shapes), -1), np.full(len(shapes), np.nan)
    orthogonal = initializer.distribution == "orthogonal"
    if record is None or not (initializer.independent or orthogonal):
        return found.reshape(q.shape[:-1])
    for shape in np.unique(shapes, axis=0):
        where = (shapes == shape).all(axis=1)
        fan_in, fan_out, variance = int(shape[0]), int(shape[1]), float(shape[2])
        values = mean_singular_value.mean_singular_value(
            record, rows[where].ravel(), fan_in, fan_out, variance, orthogonal=orthogonal
        )
        found[where] = values.reshape(rows[where].shape).mean(axis=1)
    return found.reshape(q.shape[:-1])


def _backward_values(layer: LayerKernels, top: OutputGradient | None, *, first: bool) -> dict[str, Array]:
    """Gradients of one layer; ``top`` is the output layer's, whose units are few and need not have mean 0."""
    z, d, d_means = layer.below, layer.backprop, layer.backprop_mean
    d_mean, second = d_means.mean(axis=-1), _diagonal(d).mean(axis=-1)
    d_products = _mean_products(d, d_means, layer.fan_out)
    squares = _mean_squares(d, d_means, layer.fan_out)
    if top:
        d_products = np.broadcast_to(top.mean_products, d.shape)
        squares = _over_pairs(d_products), _over_pairs(d), _diagonal(d_products).mean(axis=-1)
    # of the inputs the mean over the units is known exactly
    z_products = _mean_products(z, layer.below_mean, _without_inputs(layer.fan_in) if first else layer.fan_in)
    products = z_products * d_products
    weight_mean, pairs = (layer.below_mean * d_means).mean(axis=-1), _over_pairs(z * d)
    weight_squares = _over_pairs(products), pairs, _diagonal(products).mean(axis=-1)
    nothing = np.full_like(second, np.nan)
    values = _moments("backprop_gradient", second, d_mean, squares)
    example = (_diagonal(z) * _diagonal(d)).mean(axis=-1)
    values |= _moments("example_weight_gradient", example, weight_mean, weight_squares)
    values |= _moments("batch_weight_gradient", pairs, weight_mean, (weight_squares[0], nothing, nothing))
    values |= _moments("batch_bias_gradient", _over_pairs(d), d_mean, (squares[0], nothing, nothing))
    return values


def _without_inputs(fan_in: Array) -> Array:
    """Units over which means scatter: of the first layer infinitely many, its inputs being given."""
    units = np.array(fan_in, dtype=np.float64)
    units[(0,) * units.ndim] = math.inf
    return units


def _mean_products(kernel: Array, means: Array, units: Array) -> Array:
    """E of the product of two examples' means over finitely many independent units."""
    expected = means[..., :, np.newaxis] * means[..., np.newaxis, :]
    return np.asarray(expected + (kernel - expected) / np.asarray(units)[..., np.newaxis, np.newaxis])
