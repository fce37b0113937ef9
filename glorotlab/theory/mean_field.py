"""Mean-field kernels of a wide network: forward Q and M, backward D, example by example pair.

Forward (Poole et al. 2016; Schoenholz et al. 2017): Q^1 = n_0 v_1 M^0 + v_b with M^0_ab = x_a.x_b / n_0,
M^l_ab = E[f(s_a) f(s_b)] for (s_a, s_b) ~ N(0, Q^l), Q^{l+1} = n_l v_{l+1} M^l + v_b.
Backward (gradient independence; Yang 2020): D^l = n_{l+1} v_{l+1} D^{l+1} o E[f'(s_a) f'(s_b)].
All expectations are over networks, per unit; the width enters through fan_in and Var[W] only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from glorotlab import initializers
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.moments import moments, pair_moments
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
    """

    preactivation: Array
    activation: Array
    activation_mean: Array
    derivative: Array
    below: Array
    below_mean: Array
    variance: float
    backprop: Array = field(default_factory=lambda: np.empty(0))


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
    """
    initializer = initializers.get(spec.initializer)
    bias_variance = initializers.get_bias(spec.bias).variance
    below, below_mean, error = inputs, inputs_mean, 0.0
    layers: list[LayerKernels] = []
    for index, (fan_in, fan_out) in enumerate(spec.fans):
        variance = initializer.variance(fan_in, fan_out)
        q = fan_in * variance * below + bias_variance
        record = spec.layer_activation(index)
        if record is None:
            nothing = np.full_like(q, np.nan)
            layers.append(LayerKernels(q, nothing, nothing[0], nothing, below, below_mean, variance))
            break
        pairs = pair_moments(record, q)
        mean = moments(record, np.diagonal(q)).mean
        layers.append(LayerKernels(q, pairs.second_moment, mean, pairs.derivative, below, below_mean, variance))
        below, below_mean, error = pairs.second_moment, mean, max(error, pairs.error)
    return layers, error


def backward(spec: NetworkSpec, layers: list[LayerKernels], output: Array) -> None:
    """Fill ``backprop`` of every layer from the output layer's D (examples, examples) down."""
    layers[-1].backprop = output
    for index in range(len(layers) - 2, -1, -1):
        above = layers[index + 1]
        fan_out_above = spec.fans[index + 1][1]
        layers[index].backprop = fan_out_above * above.variance * above.backprop * layers[index].derivative
