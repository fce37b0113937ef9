"""Networks of our own at one width of a parametrization: their spec, variances and factors of the learning rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import InvalidValueError
from glorotlab.network.mlp import Network
from glorotlab.scaling.parametrization import STANDARD, Parametrization, Powers, roles
from glorotlab.spec.network import NetworkSpec

ZERO = 1e-40
"""Variance of weights that replaces 0 in the theory, which needs a positive one."""


@dataclass(frozen=True)
class ScaledNetwork:
    """A network of one width.

    Parameters
    ----------
    spec : NetworkSpec
        Its sizes; its initializer says how weights are distributed, but not their variance.
    weight_variance, weight_rate, bias_rate : (layers,)
        Var[W], and the factors of the learning rate.
    """

    spec: NetworkSpec
    weight_variance: Array
    weight_rate: Array
    bias_rate: Array

    def draw(self, seed: int, dtype: str) -> Network:
        """Return the network of a seed."""
        network = Network(self.spec, seed, dtype)
        for weight, variance, fans in zip(network.weights, self.weight_variance, self.spec.fans, strict=True):
            factor = (variance / self.spec.weight_initializer.variance(*fans)) ** 0.5 if variance > ZERO else 0.0
            if factor != 1:
                weight *= weight.dtype.type(factor)
        if (self.weight_rate != 1).any() or (self.bias_rate != 1).any():
            network.set_rates(
                [np.full_like(weight, rate) for weight, rate in zip(network.weights, self.weight_rate, strict=True)],
                [np.full_like(bias, rate) for bias, rate in zip(network.biases, self.bias_rate, strict=True)],
            )
        return network


def spec_at(spec: NetworkSpec, width: int) -> NetworkSpec:
    """Return a spec whose first hidden layer has ``width`` units and whose others grow in proportion.

    Raises
    ------
    InvalidValueError
        Where there is no hidden layer, or one would have no unit.
    """
    first, *hidden, last = spec.layer_sizes
    if not hidden:
        raise InvalidValueError(
            f"layers {spec.layers}: allowed are networks with a hidden layer, whose width is scaled"
        )
    scaled = [round(size * width / hidden[0]) for size in hidden]
    if min(scaled) < 1:
        raise InvalidValueError(
            f"layers {spec.layers} at width {width}: a hidden layer would have no unit: start wider"
        )
    return NetworkSpec(**spec.model_dump() | {"layer_sizes": (first, *scaled, last)})


def scaled_network(
    spec: NetworkSpec, width: int, base_width: int, parametrization: Parametrization, *, zero_output: bool = False
) -> ScaledNetwork:
    """Return the network of a width; at the base width it is the spec's own.

    Under ``standard`` the spec's initializer says the variances of every width; under others those of the base width
    are multiplied by powers of the width.

    Parameters
    ----------
    spec : NetworkSpec
    width, base_width : int
        Units of the first hidden layer.
    parametrization : Parametrization
    zero_output : bool
        Whether the weights of the output layer start at 0.
    """
    own, base = spec_at(spec, width), spec_at(spec, base_width)
    at, ratio = roles(len(spec.fans)), width / base_width
    initializer = spec.weight_initializer

    def factors(powers: Powers) -> Array:
        return np.array([ratio ** powers[role] for role in at])

    if parametrization is STANDARD:
        variance = np.array([initializer.variance(*fans) for fans in own.fans])
    else:
        variance = factors(parametrization.weight_variance) * [initializer.variance(*fans) for fans in base.fans]
    if zero_output:
        variance[-1] = ZERO
    return ScaledNetwork(
        own, variance, factors(parametrization.weight_rate["sgd"]), factors(parametrization.bias_rate["sgd"])
    )
