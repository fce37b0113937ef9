"""predict: LayerStatistics at initialization from a spec and a batch of real data, or an input second moment.

Every number is the expectation over networks of the statistic that ``measure`` takes of one network, so that a variance
subtracts the expected square of one network's own mean, which is not zero when units are few or examples alike. Only
quantiles are those of all networks together.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.errors import InvalidValueError
from glorotlab.schema import QUANTILES, SATURATION_THRESHOLD, digests, layer_statistics
from glorotlab.spec.network import Layers, NetworkSpec, network_spec
from glorotlab.theory.distributions.pushforward import quantiles_and_saturation
from glorotlab.theory.finite_width import bands
from glorotlab.theory.gaussian.covariance import RESOLUTION
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.kernel_covariance import PairScatter
from glorotlab.theory.mean_field.kernels import GradientKernels, SignalKernels, diagonal, mean_over_pairs
from glorotlab.theory.mean_field.learning_speed import learning_speeds
from glorotlab.theory.mean_field.propagate import propagate
from glorotlab.theory.mean_field.validity import excess_kurtosis
from glorotlab.theory.spectra.mean_singular_value import mean_singular_value
from glorotlab.threads import single_threaded_blas

if TYPE_CHECKING:
    import xarray as xr

ASSUMPTIONS = (
    "weights and biases are as initialized: before any training step",
    "layers are wide: corrections of relative size 1/width are left out, but where pairs of examples add them up",
    "pre-activations are Gaussian: their excess kurtosis, which few or sparse weights leave, is in quantiles alone",
    "gradient independence: weights met backward depend on the forward pass by their part along the signal alone",
)

WITHIN_UNIT = 1
"""Index of the variance within a unit among a tensor's three variances."""

WITHOUT_DATA = "inputs have mean zero, and the batch is one example"
"""Assumption of a prediction from the second moment of the inputs alone."""


@single_threaded_blas()
def predict(
    spec: NetworkSpec | Layers,
    inputs: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    *,
    input_second_moment: float | None = None,
    level: float | None = None,
    networks: int = 1,
    banded: Collection[str] = bands.BANDED,
) -> xr.Dataset:
    """Predict per-layer statistics at initialization by mean-field theory.

    The theory of wide layers is that of Poole et al. (2016) and Schoenholz et al. (2017), for linear units that of
    Glorot & Bengio (2010).

    Parameters
    ----------
    spec : NetworkSpec, str or sequence of int
        The network, or its layers as ``NetworkSpec.parse`` takes them.
    inputs : array_like, shape (examples, fan_in), optional
        Real data; give either this or ``input_second_moment``.
    labels : array_like, shape (examples,) or (examples, outputs), optional
        Classes of the inputs, or targets, as ``NetworkSpec.check_labels`` says; without them gradients are not
        predicted, but those of an autoencoder, whose targets are the inputs.
    input_second_moment : float, optional
        E[x^2] of one example whose inputs have mean zero, from 1e-100 to 1e30; gradients are then those of a batch
        of one.
    level : float, optional
        Probability of bands, such as .95. A second moment V, and ``learning_speed``, then has ``V_low`` and ``V_high``
        for one network drawn once, its standard deviation ``V_std``, the ``V_shift`` of its mean at finite width, and
        the errors of all that, ``V_quadrature_error``, ``V_expansion_error`` and ``V_sampling_error``.
    networks : int
        Bands are for the mean over this many networks; ``V_std`` is the scatter of a single one.
    banded : collection of str
        Variables that get bands, such as ``["learning_speed"]``, by default all that can: those of batch gradients take
        most of the time where examples are many.

    Returns
    -------
    xarray.Dataset
        LayerStatistics with dimension ``layer``; V itself is the mean-field value, without shift. Attribute
        ``assumptions`` lists what it rests on. ``numerical_error`` bounds the relative error of the numerics, or is
        one standard error where logits are drawn; ``finite_width_error`` is the relative variance of second moments
        between networks, and the order of magnitude of what the limit of wide layers leaves out;
        ``gaussianity_error`` is the order of what Gaussian pre-activations leave out (``mean_field.validity``).

    Raises
    ------
    InvalidValueError
        Where an argument has the wrong shape or is not finite, or not one of the two sources is there.
    AssumptionError
        Where the theory has nothing to say: bands of weights that depend on each other, or of layers so narrow that a
        logarithm's variance exceeds 1.5; all inputs zero with zero biases; a signal or gradient that vanishes or
        explodes beyond the range of float64; layers so narrow that the activations' part of ``finite_width_error``
        exceeds 1; pre-activations so far from Gaussian that ``gaussianity_error`` exceeds 1; a numerical error
        above 1 %. The last comes from pairs of examples or from drawn logits, but is raised for all statistics: those
        that need no pairs, second moments of one example, are predicted from ``input_second_moment``, those that need
        no gradients without labels.

    Examples
    --------
    Standard initialization has n Var[W] = 1/3 (Glorot & Bengio 2010, eq. 15): each layer of linear units leaves a third
    of the signal's second moment.

    >>> import glorotlab as gl
    >>> spec = gl.NetworkSpec.parse("300x4,10", activation="linear", initializer="standard_uniform")
    >>> prediction = gl.predict(spec, input_second_moment=1.0)
    >>> (1 / prediction["preactivation_second_moment"]).round(6).values.tolist()
    [3.0, 9.0, 27.0, 81.0]
    """
    spec = network_spec(spec)
    if level is None and networks != 1:
        raise InvalidValueError(f"networks {networks} without a level: give the level of the bands")
    batch = batch_of(spec, inputs=inputs, labels=labels, input_second_moment=input_second_moment)
    propagation = propagate(spec, batch, narrow=level is not None)  # ``bands`` refuses narrow layers by its own rule
    signal, gradient = propagation.signal, propagation.gradient
    columns = {"fan_in": signal.fan_in, "fan_out": signal.fan_out, "weight_variance": signal.weight_variance}
    excess = excess_kurtosis(signal)
    blocks = [_signal_columns(signal, part, excess) for part in signal.blocks()]
    if gradient is not None and propagation.pairs is not None:
        blocks = [
            own | _gradient_columns(signal, gradient, propagation.pairs, part)
            for own, part in zip(blocks, signal.blocks(), strict=True)
        ]
    columns |= {name: np.concatenate([own[name] for own in blocks]) for name in blocks[0]}
    assumptions = [*ASSUMPTIONS, *([WITHOUT_DATA] if batch.inputs is None else [])]
    errors: dict[str, float] = {
        "numerical_error": propagation.numerical_error,
        "finite_width_error": propagation.finite_width_error,
        "gaussianity_error": propagation.gaussianity_error,
    }
    if gradient is not None and batch.targets is not None:
        added = propagation.pairs.bias if propagation.pairs is not None else None
        columns["learning_speed"], errors["learning_speed_error"] = learning_speeds(
            signal, gradient, batch.targets, added
        )
    if level is not None:
        columns |= bands.bands(propagation, columns, level, networks, banded)
        errors |= {"level": level, "networks": networks}
    return layer_statistics(
        columns,
        attributes={
            "kind": "prediction",
            "spec": spec.model_dump(mode="json"),
            "assumptions": assumptions,
            "examples": batch.examples,
            "saturation_threshold": SATURATION_THRESHOLD,
        }
        | errors
        | ({} if inputs is None else digests(inputs, batch.labels)),
    )


def _moments(name: str, second: Array, mean: Array, mean_squares: tuple[Array, Array, Array]) -> dict[str, Array]:
    """Return the schema's numbers of one tensor, rows being layers.

    ``mean_squares`` are expectations over networks of squared means, one for each estimator: of all elements, of those
    of one unit, of those of one example. What rounding leaves of a variance that is 0 counts as 0.
    """
    variances = np.stack([second - square for square in mean_squares], axis=-1)
    variances[np.abs(variances) <= RESOLUTION * second[:, np.newaxis]] = 0
    return {f"{name}_mean": mean, f"{name}_second_moment": second, f"{name}_variance": variances}


def _over_examples(kernel: Array) -> Array:
    return np.asarray(diagonal(kernel).mean(axis=-1))


def _mean_squares(kernel: Array, means: Array, units: Array) -> tuple[Array, Array, Array]:
    """Return E of squared means over finitely many independent units of one kernel, for ``_moments``."""
    mean, pairs, square = means.mean(axis=-1), mean_over_pairs(kernel), (means**2).mean(axis=-1)
    return mean**2 + (pairs - mean**2) / units, pairs, square + (_over_examples(kernel) - square) / units


def _signal_columns(signal: SignalKernels, part: slice, excess: Array) -> dict[str, Array]:
    """Return the statistics of pre-activations and activations of some layers."""
    s, z, units = signal.preactivation[part], signal.activation[part], signal.fan_out[part]
    s_mean, z_mean = np.zeros(z.shape[:-1]), signal.z_mean[1:][part]
    columns = _moments("preactivation", _over_examples(s), s_mean[:, 0], _mean_squares(s, s_mean, units))
    columns |= _moments("activation", _over_examples(z), z_mean.mean(axis=-1), _mean_squares(z, z_mean, units))
    # variances within a unit of examples that are alike would be lost in the difference
    columns["preactivation_variance"][:, WITHIN_UNIT] = (signal.forward_gain * signal.z_spread[:-1])[part]
    columns["activation_variance"][:, WITHIN_UNIT] = signal.z_spread[1:][part]
    columns["jacobian_singular_value_mean"] = _singular_values(signal, part)
    columns["activation_quantile"], columns["activation_saturation"] = _quantiles(signal, part, excess[part])
    return columns


def _records(signal: SignalKernels, part: slice) -> list[tuple[Activation, slice]]:
    """Return the activations in some layers, each with its rows among them; a softmax output has none."""
    hidden = slice(0, min(part.stop, signal.layers - 1) - part.start)
    records = [(signal.spec.activation_record, hidden)] if hidden.stop else []
    output = signal.spec.output_activation
    return records + ([(output, slice(hidden.stop, None))] if part.stop == signal.layers and output else [])


def _quantiles(signal: SignalKernels, part: slice, excess: Array) -> tuple[Array, Array]:
    """Return quantiles and saturation; NaN where the output is no activation."""
    q = signal.q[part]
    quantiles, saturation = np.full((len(q), len(QUANTILES)), np.nan), np.full(len(q), np.nan)
    for record, rows in _records(signal, part):
        quantiles[rows], saturation[rows] = quantiles_and_saturation(record, q[rows], excess[rows])
    return quantiles, saturation


def _singular_values(signal: SignalKernels, part: slice) -> Array:
    """Return means over examples and singular values; NaN of unknown spectra and of outputs that are no activation."""
    initializer, q = signal.spec.weight_initializer, signal.q[part]
    values, orthogonal = np.full(len(q), np.nan), initializer.distribution == "orthogonal"
    if not (initializer.independent or orthogonal):
        return values
    for record, rows in _records(signal, part):
        own_q, shapes = q[rows], np.stack([signal.fan_in, signal.fan_out, signal.weight_variance], axis=-1)[part][rows]
        if signal.examples == 1:  # layers of one shape are worked out together
            groups = [(shapes == shape).all(axis=1).nonzero()[0] for shape in np.unique(shapes, axis=0)]
        else:
            groups = list(np.arange(len(shapes))[:, np.newaxis])
        own = values[rows]
        for group in groups:
            fan_in, fan_out, variance = shapes[group[0]].tolist()
            means = mean_singular_value(
                record, own_q[group].ravel(), int(fan_in), int(fan_out), variance, orthogonal=orthogonal
            )
            own[group] = means.reshape(own_q[group].shape).mean(axis=1)
    return values


def _gradient_columns(
    signal: SignalKernels, gradient: GradientKernels, scatter: PairScatter, part: slice
) -> dict[str, Array]:
    """Return the statistics of gradients of some layers."""
    z, d, units = signal.below[part], gradient.backprop[part], signal.fan_out[part]
    z_mean, d_mean = signal.z_mean[part], gradient.backprop_mean[part]
    d_products, bias_squares = _mean_products(d, d_mean, units), _mean_squares(d, d_mean, units)
    if part.stop == signal.layers:  # outputs are few and need not have mean 0
        top = d_products[-1] = gradient.output.mean_products
        bias_squares[0][-1], bias_squares[2][-1] = mean_over_pairs(top), _over_examples(top)
    products = _mean_products(z, z_mean, _units_below(signal)[part]) * d_products
    pairs, weight_mean, bias_mean = mean_over_pairs(z * d), (z_mean * d_mean).mean(axis=-1), d_mean.mean(axis=-1)
    weight_squares = mean_over_pairs(products), pairs, _over_examples(products)
    second, example = _over_examples(d), (diagonal(z) * diagonal(d)).mean(axis=-1)
    unknown = np.full_like(second, np.nan)
    batch, bias = np.maximum(pairs + scatter.weight[part], 0), np.maximum(mean_over_pairs(d) + scatter.bias[part], 0)
    return (
        _moments("backprop_gradient", second, bias_mean, bias_squares)
        | _moments("example_weight_gradient", example, weight_mean, weight_squares)
        | _moments("batch_weight_gradient", batch, weight_mean, (weight_squares[0], unknown, unknown))
        | _moments("batch_bias_gradient", bias, bias_mean, (bias_squares[0], unknown, unknown))
    )


def _units_below(signal: SignalKernels) -> Array:
    """Return the number of units over which means of z scatter, infinity for the inputs, whose mean is exact."""
    return np.concatenate([[math.inf], signal.fan_in[1:]])


def _mean_products(kernel: Array, means: Array, units: Array) -> Array:
    """Return E of the product of two examples' means over finitely many independent units."""
    expected = means[..., :, np.newaxis] * means[..., np.newaxis, :]
    return np.asarray(expected + (kernel - expected) / units[:, np.newaxis, np.newaxis])
