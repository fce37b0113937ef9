"""Mean-field kernels of a wide network on the way forward, example by example pair.

Q^1 = n_0 v_1 M^0 + v_b with M^0_ab = x_a.x_b / n_0, M^l_ab = E[f(s_a) f(s_b)] for (s_a, s_b) ~ N(0, Q^l) and
Q^{l+1} = n_l v_{l+1} M^l + v_b (Poole et al. 2016; Schoenholz et al. 2017). All expectations are over networks, per
unit; the width enters through fan_in and Var[W] only.

One example needs no pairs: ``chain`` follows a single number from layer to layer, and takes all other moments of all
layers at once.
"""

from __future__ import annotations

import numpy as np

from glorotlab import activations, initializers
from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.gaussian import quadrature
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST, Moments, moments, response, sampled
from glorotlab.theory.gaussian.pair_moments import kernel_moments
from glorotlab.theory.mean_field.kernels import LayerKernels, check_range


def forward(spec: NetworkSpec, inputs: Array, inputs_mean: Array) -> tuple[list[LayerKernels], float]:
    """Propagate the input kernel through every layer.

    Parameters
    ----------
    spec : NetworkSpec
    inputs : (examples, examples)
        M^0_ab = x_a.x_b / n_0.
    inputs_mean : (examples,)
        Mean over the inputs of each example.

    Returns
    -------
    list of LayerKernels, and the largest relative error of a pair moment

    Raises
    ------
    AssumptionError
        Where a pre-activation's second moment leaves [SMALLEST, LARGEST], naming the layer.
    """
    variances, bias_variance = _variances(spec)
    below, below_mean, error = inputs, inputs_mean, 0.0
    layers: list[LayerKernels] = []
    for index, (fan_in, fan_out) in enumerate(spec.fans):
        with np.errstate(over="ignore"):  # refused in the next line
            q = fan_in * variances[index] * below + bias_variance
        check_range("signal", "pre-activation", np.diagonal(q), index)
        record = spec.layer_activation(index)
        fans = np.array(fan_in, dtype=np.float64), np.array(fan_out, dtype=np.float64), variances[index, ...]
        if record is None:
            nothing, none = np.full_like(q, np.nan), np.full((6, len(q)), np.nan)
            layers.append(LayerKernels(*fans, record, q, nothing, nothing, below, below_mean, *none))
            break
        pairs, single = kernel_moments(record, q), _single(record, moments(record, np.diagonal(q)))
        kernels = q, pairs.second_moment, pairs.derivative_second_moment
        layers.append(LayerKernels(*fans, record, *kernels, below, below_mean, *single))
        below, below_mean, error = pairs.second_moment, single[0], max(error, pairs.error)
    return layers, error


def chain(spec: NetworkSpec, second_moment: float, inputs_mean: float) -> tuple[list[LayerKernels], float]:
    """Propagate the second moment of one example: as ``forward``, but all hidden layers are one stack."""
    variances, bias_variance = _variances(spec)
    fans = np.array(spec.fans, dtype=np.float64)
    gains = (fans[:, 0] * variances).tolist()
    hidden, square, q = activations.get(spec.activation), second_moment, np.empty(len(gains))
    for index, gain in enumerate(gains):
        q[index] = gain * square + bias_variance  # a float that overflows is refused in the next line
        if not SMALLEST <= q[index] <= LARGEST:
            check_range("signal", "pre-activation", q[index : index + 1], index)
        if index < len(gains) - 1:
            square = _second_moment(hidden, q[index : index + 1])
    layers: list[LayerKernels] = []
    below, below_mean, error = np.array([second_moment]), np.array([inputs_mean]), 0.0
    output = spec.layer_activation(len(gains) - 1)
    for part, record in ((slice(-1), hidden), (slice(-1, None), output)):
        if not q[part].size:
            continue  # no hidden layers
        squares = slopes = np.full(len(q[part]), np.nan)
        single = np.full((6, len(squares)), np.nan)
        if record is not None:
            found = moments(record, q[part])
            squares, slopes, single = found.second_moment, found.derivative_second_moment, _single(record, found)
            error = max(error, found.error)
        below, below_mean = np.append(below, squares[:-1]), np.append(below_mean, single[0, :-1])
        q_part, pairs, slope_pairs, entering = (
            values[:, np.newaxis, np.newaxis] for values in (q[part], squares, slopes, below)
        )
        stacked = fans[part, 0], fans[part, 1], variances[part], record, q_part, pairs, slope_pairs, entering
        layers.append(LayerKernels(*stacked, below_mean[:, np.newaxis], *single[..., np.newaxis]))
        below, below_mean = squares[-1:], single[0, -1:]
    return layers, error


def _single(record: Activation, found: Moments) -> Array:
    """E f, E f^4, E f'^4, E f^2 f'^2, E[f f'] and dE[f^2]/dq, shape (6, q): what a layer keeps of single examples."""
    fourth = found.fourth_moment, found.derivative_fourth_moment, found.product_second_moment
    return np.stack([found.mean, *fourth, *response(record, found.q)])


def _second_moment(record: Activation, q: Array) -> float:
    """E f^2 for one q, shape (1,), by quadrature."""
    s, weights, values = sampled(record, q, quadrature.ORDER)
    return float((weights * np.exp(s * s * (-0.5 / q)) @ values[1]) / np.sqrt(2 * np.pi * q[0]))


def _variances(spec: NetworkSpec) -> tuple[Array, float]:
    """Var[W] of every layer, and the variance of the biases."""
    initializer = initializers.get(spec.initializer)
    known = {fans: initializer.variance(*fans) for fans in set(spec.fans)}
    return np.array([known[fans] for fans in spec.fans]), initializers.get_bias(spec.bias).variance
