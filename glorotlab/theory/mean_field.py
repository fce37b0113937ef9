"""Mean-field kernels of a wide network: forward Q and M, backward D, example by example pair.

Forward (Poole et al. 2016; Schoenholz et al. 2017): Q^1 = n_0 v_1 M^0 + v_b with M^0_ab = x_a.x_b / n_0,
M^l_ab = E[f(s_a) f(s_b)] for (s_a, s_b) ~ N(0, Q^l), Q^{l+1} = n_l v_{l+1} M^l + v_b.
Backward (gradient independence; Yang 2020): D^l = n_{l+1} v_{l+1} D^{l+1} o E[f'(s_a) f'(s_b)], and what independence
leaves out where outputs are many (``dependence``).
The mean of dC/ds is of relative order 1/sqrt(width), where a gradient meets its own weight: by Stein's identity
E[W dC/ds^{l+1}] = v z H^{l+1} with H = E d^2C/ds^2 per unit, so that E dC/ds^l = n_{l+1} v_{l+1} H^{l+1} E[f f'] and
H^l = n_{l+1} v_{l+1} H^{l+1} (E f'^2 + E[f f'']) = n_{l+1} v_{l+1} H^{l+1} dE[f^2]/dq.
All expectations are over networks, per unit; the width enters through fan_in and Var[W] only.

One example needs no pairs: ``chain`` follows a single number from layer to layer, and takes all other moments of all
layers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from glorotlab import activations, initializers
from glorotlab.activations import Activation
from glorotlab.errors import AssumptionError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory import dependence, quadrature
from glorotlab.theory.moments import LARGEST, SMALLEST, Moments, moments, response, sampled
from glorotlab.theory.output_gradient import OutputGradient
from glorotlab.theory.pair_moments import kernel_moments
from glorotlab.theory.quadrature import Array


@dataclass
class LayerKernels:
    """Kernels of one layer, each (examples, examples) and per unit, or of a stack of layers, with an axis in front.

    Parameters
    ----------
    fan_in, fan_out, variance : (...)
        Units below and of the layer, and Var[W]; of a stack one for each layer.
    record : its activation; None where the output is no activation.
    preactivation : Q
    activation : M of the layer's own output; not a number where the output is no activation.
    derivative : E[f'(s_a) f'(s_b)]
    below, below_mean : M and mean of what enters the layer
    activation_mean : (examples,) E f; zero where f is odd.
    activation_fourth, derivative_fourth : (examples,) E f^4 and E f'^4
    product_square : (examples,) E[f^2 f'^2]
    slope, growth : (examples,) E[f f'] and dE[f^2]/dq
    backprop : D, filled by the backward pass
    backprop_mean : (examples,) E dC/ds, filled by the backward pass
    """

    fan_in: Array
    fan_out: Array
    variance: Array
    record: Activation | None
    preactivation: Array
    activation: Array
    derivative: Array
    below: Array
    below_mean: Array
    activation_mean: Array
    activation_fourth: Array
    derivative_fourth: Array
    product_square: Array
    slope: Array
    growth: Array
    backprop: Array = field(default_factory=lambda: np.empty(0))
    backprop_mean: Array = field(default_factory=lambda: np.empty(0))


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
        _check_range("signal", "pre-activation", np.diagonal(q), index)
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
            _check_range("signal", "pre-activation", q[index : index + 1], index)
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


def backward(spec: NetworkSpec, layers: list[LayerKernels], top: OutputGradient) -> None:
    """Fill ``backprop`` and ``backprop_mean`` of every layer from the output layer's down.

    Raises
    ------
    AssumptionError
        Where a gradient's second moment leaves [SMALLEST, LARGEST], naming the layer.
    """
    layers[-1].backprop, layers[-1].backprop_mean = top.kernel, top.means
    hidden, curvature = activations.get(spec.activation), top.curvature
    for index in range(len(layers) - 2, -1, -1):
        layer, above = layers[index], layers[index + 1]
        gain = above.fan_out * above.variance
        layer.backprop = gain * above.backprop * layer.derivative
        if _counts(gain * curvature, layer):
            part = gain * curvature
            layer.backprop = layer.backprop + np.outer(part, part) * dependence.along_signal(hidden, layer)
        _check_range("gradient", "back-propagated gradient", np.diagonal(layer.backprop), index)
        layer.backprop_mean = gain * curvature * layer.slope
        curvature = gain * curvature * layer.growth


def _counts(part: Array, layer: LayerKernels) -> bool:
    """Whether the term of ``dependence`` counts.

    Of an example, or of the means over pairs that make the batch's gradients, where the independent terms may cancel.
    """
    squares = part**2 * layer.product_square
    own = np.outer(part, part) * layer.activation * layer.derivative  # of the right order
    shares = [(squares / np.diagonal(layer.backprop)).max()]
    for kernel in (np.ones(1), layer.below):
        total = float((layer.backprop * kernel).sum())
        shares.append(abs(float((own * kernel).sum())) / total if total > 0 else 0.0)
    return bool(max(shares) > dependence.NEGLIGIBLE)


def backward_chain(spec: NetworkSpec, layers: list[LayerKernels], top: OutputGradient) -> None:
    """Fill ``backprop`` and ``backprop_mean`` of a chain; raises what ``backward`` does."""
    layers[-1].backprop, layers[-1].backprop_mean = top.kernel[np.newaxis], top.means[np.newaxis]
    if len(layers) == 1:
        return
    hidden, output = layers
    gains = np.append(hidden.fan_out * hidden.variance, output.fan_out * output.variance)[1:]
    with np.errstate(over="ignore", under="ignore"):  # refused
        growth = np.cumprod((gains * hidden.growth[:, 0])[:0:-1])[::-1]
        parts = gains * top.curvature * np.append(growth, 1.0)
        own = (parts**2 * hidden.product_square[:, 0]).tolist()
    factors, d = (gains * hidden.derivative[:, 0, 0]).tolist(), np.empty(len(gains))
    square = float(top.kernel[0, 0])
    for index in range(len(d) - 1, -1, -1):
        square = factors[index] * square + own[index]
        d[index] = square
        if not SMALLEST <= square <= LARGEST:
            _check_range("gradient", "back-propagated gradient", d[index : index + 1], index)
    hidden.backprop = d[:, np.newaxis, np.newaxis]
    hidden.backprop_mean = parts[:, np.newaxis] * hidden.slope


def _check_range(what: str, tensor: str, second_moment: Array, index: int) -> None:
    for wrong, happens in ((second_moment < SMALLEST, "vanishes"), (~(second_moment <= LARGEST), "explodes")):
        if wrong.any():
            raise AssumptionError(
                f"the {what} {happens} in layer {index + 1}: second moment {second_moment[wrong][0]:.3g} of the "
                f"{tensor}, allowed are {SMALLEST:g} to {LARGEST:g}: use fewer layers or another initialiser"
            )
