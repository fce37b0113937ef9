"""Mean-field kernels of a wide network: forward Q and M, backward D, example by example pair.

Forward (Poole et al. 2016; Schoenholz et al. 2017): Q^1 = n_0 v_1 M^0 + v_b with M^0_ab = x_a.x_b / n_0,
M^l_ab = E[f(s_a) f(s_b)] for (s_a, s_b) ~ N(0, Q^l), Q^{l+1} = n_l v_{l+1} M^l + v_b.
Backward (gradient independence; Yang 2020): D^l = n_{l+1} v_{l+1} D^{l+1} o E[f'(s_a) f'(s_b)].
The mean of dC/ds is of relative order 1/sqrt(width), where a gradient meets its own weight: by Stein's identity
E[W dC/ds^{l+1}] = v z H^{l+1} with H = E d^2C/ds^2 per unit, so that E dC/ds^l = n_{l+1} v_{l+1} H^{l+1} E[f f'] and
H^l = n_{l+1} v_{l+1} H^{l+1} (E f'^2 + E[f f'']) = n_{l+1} v_{l+1} H^{l+1} dE[f^2]/dq.
All expectations are over networks, per unit; the width enters through fan_in and Var[W] only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from glorotlab import activations, initializers
from glorotlab.errors import AssumptionError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.moments import LARGEST, SMALLEST, moments, response
from glorotlab.theory.output_gradient import OutputGradient
from glorotlab.theory.pair_moments import kernel_moments
from glorotlab.theory.quadrature import Array


@dataclass
class LayerKernels:
    """Kernels of one layer, each (examples, examples) and per unit.

    Parameters
    ----------
    preactivation : Q
    activation : M of the layer's own output; not a number where the output is no activation.
    activation_mean : (examples,) E f; zero where f is odd.
    derivative : E[f'(s_a) f'(s_b)]
    below, below_mean : M and mean of what enters the layer
    variance : Var[W]
    backprop : D, filled by the backward pass
    backprop_mean : (examples,) E dC/ds, filled by the backward pass
    """

    preactivation: Array
    activation: Array
    activation_mean: Array
    derivative: Array
    below: Array
    below_mean: Array
    variance: float
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
    initializer = initializers.get(spec.initializer)
    bias_variance = initializers.get_bias(spec.bias).variance
    below, below_mean, error = inputs, inputs_mean, 0.0
    layers: list[LayerKernels] = []
    for index, (fan_in, fan_out) in enumerate(spec.fans):
        variance = initializer.variance(fan_in, fan_out)
        with np.errstate(over="ignore"):  # refused in the next line
            q = fan_in * variance * below + bias_variance
        _check_range("signal", "pre-activation", np.diagonal(q), index)
        record = spec.layer_activation(index)
        if record is None:
            nothing = np.full_like(q, np.nan)
            layers.append(LayerKernels(q, nothing, nothing[0], nothing, below, below_mean, variance))
            break
        pairs = kernel_moments(record, q)
        mean = moments(record, np.diagonal(q)).mean
        slopes = pairs.derivative_second_moment
        layers.append(LayerKernels(q, pairs.second_moment, mean, slopes, below, below_mean, variance))
        below, below_mean, error = pairs.second_moment, mean, max(error, pairs.error)
    return layers, error


def backward(spec: NetworkSpec, layers: list[LayerKernels], top: OutputGradient) -> None:
    """Fill ``backprop`` and ``backprop_mean`` of every layer from the output layer's down.

    Raises
    ------
    AssumptionError
        Where a gradient's second moment leaves [SMALLEST, LARGEST], naming the layer.
    """
    layers[-1].backprop, layers[-1].backprop_mean = top.kernel, top.means
    curvature = top.curvature
    indices = range(len(layers) - 1)[::-1]
    for index, above, (_, fan_out_above) in zip(indices, layers[:0:-1], spec.fans[:0:-1], strict=True):
        layer = layers[index]
        record, q = activations.get(spec.activation), np.diagonal(layer.preactivation)
        slope, growth = response(record, q)
        gain = fan_out_above * above.variance
        layer.backprop = gain * above.backprop * layer.derivative
        _check_range("gradient", "back-propagated gradient", np.diagonal(layer.backprop), index)
        layer.backprop_mean = gain * curvature * slope
        curvature = gain * curvature * growth


def _check_range(what: str, tensor: str, second_moment: Array, index: int) -> None:
    for wrong, happens in ((second_moment < SMALLEST, "vanishes"), (~(second_moment <= LARGEST), "explodes")):
        if wrong.any():
            raise AssumptionError(
                f"the {what} {happens} in layer {index + 1}: second moment {second_moment[wrong][0]:.3g} of the "
                f"{tensor}, allowed are {SMALLEST:g} to {LARGEST:g}: use fewer layers or another initialiser"
            )
