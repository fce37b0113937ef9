"""Mean-field kernels of a wide network on the way forward, over pairs of examples.

Q^1 = n_0 v_1 M^0 + v_b with M^0_ab = x_a.x_b / n_0, M^l_ab = E[f(s_a) f(s_b)] for (s_a, s_b) ~ N(0, Q^l) and
Q^{l+1} = n_l v_{l+1} M^l + v_b (Poole et al. 2016; Schoenholz et al. 2017). Expectations are over networks, per unit;
the width enters through fan_in and Var[W] only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.gaussian import quadrature
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.gaussian.kernel_moments import kernel_moments
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST, Moments, moments_and_products, sampled
from glorotlab.theory.mean_field.inputs import Batch
from glorotlab.theory.mean_field.kernels import SignalKernels, check_range, seal


def forward(spec: NetworkSpec, batch: Batch, weight_variance: Array | None = None) -> SignalKernels:
    """Carry the kernel of a batch through every layer.

    Parameters
    ----------
    spec : NetworkSpec
    batch : Batch
    weight_variance : (layers,), optional
        Var[W] of every layer, by default those of the spec's initializer.

    Raises
    ------
    AssumptionError
        Where a pre-activation's second moment leaves [SMALLEST, LARGEST], naming the layer.
    """
    signal = _inputs_alone(spec, batch, weight_variance)
    errors = (_follow_one_example(signal), 0.0) if signal.examples == 1 else _follow_pairs(signal, batch.covariance)
    seal(signal)
    return replace(signal, error=errors[0], spread_error=errors[1])


def _inputs_alone(spec: NetworkSpec, batch: Batch, weight_variance: Array | None) -> SignalKernels:
    """Return the stack of all layers, in which only the inputs are filled."""
    layers, examples = len(spec.fans), len(batch.mean)
    variance = {fans: spec.weight_initializer.variance(*fans) for fans in set(spec.fans)}
    z = np.empty((layers + 1, examples, examples))
    z_mean, z_fourth = np.empty((2, layers + 1, examples))
    z[0], z_mean[0], z_fourth[0] = batch.kernel, batch.mean, batch.fourth_moment
    q, derivative = np.empty((layers, examples, examples)), np.empty((layers - 1, examples, examples))
    if spec.output_activation is None:
        z[-1], z_mean[-1], z_fourth[-1] = np.nan, np.nan, np.nan
    fourth, product_square, product, susceptibility = np.empty((4, layers - 1, examples))
    variances = np.array([variance[fans] for fans in spec.fans]) if weight_variance is None else weight_variance
    spread, gap = np.zeros(layers + 1), np.zeros((examples, examples))
    if spec.output_activation is None:
        spread[-1] = np.nan
    singles = fourth, product_square, product, susceptibility
    return SignalKernels(spec, variances, q, z, z_mean, z_fourth, derivative, *singles, spread, gap)


def _follow_pairs(signal: SignalKernels, inputs: Covariance) -> tuple[float, float]:
    """Fill every layer, and return the largest relative errors of a pair moment and of ``z_spread``."""
    _check_extremes(signal, inputs.q)
    below, error, spread_error = inputs, 0.0, 0.0
    signal.z_spread[0] = below.distance().mean() / 2
    gains_and_biases = zip(signal.forward_gain.tolist(), signal.bias_variance.tolist(), strict=True)
    for index, (gain, bias) in enumerate(gains_and_biases):
        s, record = below.passed_on(gain, bias), signal.spec.layer_activation(index)
        check_range("signal", "pre-activation", s.q, index)
        signal.preactivation[index], signal.output_gap[:] = s.kernel, s.gap
        if record is None:
            break
        single, *products = moments_and_products(record, s.q)
        pairs = kernel_moments(record, s, single)
        below = Covariance(pairs.second_moment, pairs.gap)
        signal.activation[index], signal.z_spread[index + 1] = below.kernel, below.distance().mean() / 2
        signal.z_mean[index + 1], signal.z_fourth_moment[index + 1] = single.mean, single.fourth_moment
        if index < signal.layers - 1:
            signal.derivative[index] = pairs.derivative_second_moment
            _keep_derivatives(signal, index, single, *products)
        error = max(error, pairs.error)
        # every layer passes its error on
        spread_error += pairs.gap_error / (2 * float(signal.z_spread[index + 1])) if pairs.gap_error else 0.0
    return error, spread_error


def _check_extremes(signal: SignalKernels, squares: Array) -> None:
    """Propagate the smallest and the largest example alone, to refuse a signal out of range before computing pairs."""
    record, squares = signal.spec.activation_record, np.array([squares.min(), squares.max()])
    for index, (gain, bias) in enumerate(zip(signal.forward_gain, signal.bias_variance, strict=True)):
        q = gain * squares + bias
        check_range("signal", "pre-activation", q, index)
        if index < signal.layers - 1:
            squares = np.array([_second_moment(record, each) for each in q[:, np.newaxis]])


def _follow_one_example(signal: SignalKernels) -> float:
    """Fill every layer for one example: q is propagated layer by layer, all other moments are computed at once.

    Returns
    -------
    The largest relative error of a moment
    """
    spec, last = signal.spec, signal.layers - 1
    hidden, biases = spec.activation_record, signal.bias_variance.tolist()
    square, q = float(signal.z[0, 0, 0]), signal.preactivation[:, 0, 0]
    for index, gain in enumerate(signal.forward_gain.tolist()):
        q[index] = gain * square + biases[index]  # a float that overflows is refused in the next line
        if not SMALLEST <= q[index] <= LARGEST:
            check_range("signal", "pre-activation", q[index : index + 1], index)
        if index < last:
            square = _second_moment(hidden, q[index : index + 1])
    error = 0.0
    for part, record in ((slice(0, last), hidden), (slice(last, None), spec.output_activation)):
        if record is not None and len(q[part]):
            single, *products = moments_and_products(record, signal.q[part])
            signal.activation[part, 0] = single.second_moment
            signal.z_mean[1:][part], signal.z_fourth_moment[1:][part] = single.mean, single.fourth_moment
            error = max(error, single.error)
            if part.stop is not None:
                signal.derivative[:, 0] = single.derivative_second_moment
                _keep_derivatives(signal, part, single, *products)
    return error


def _keep_derivatives(
    signal: SignalKernels, part: int | slice, single: Moments, product_mean: Array, susceptibility: Array
) -> None:
    """Fill the moments of single examples that the backward pass needs, in one hidden layer or in several."""
    signal.derivative_fourth_moment[part] = single.derivative_fourth_moment
    signal.product_second_moment[part] = single.product_second_moment
    signal.product_mean[part], signal.susceptibility[part] = product_mean, susceptibility


def _second_moment(record: Activation, q: Array) -> float:
    """Return E f^2 for one q, (1,), by quadrature."""
    s, weights, values = sampled(record, q, quadrature.ORDER)
    return float((weights * np.exp(s * s * (-0.5 / q)) @ values[1]) / np.sqrt(2 * np.pi * q[0]))
