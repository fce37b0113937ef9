"""How far a network is from the theory's limit, wide layers of Gaussian pre-activations: orders of what is left out.

All are taken from the kernels of a network, example by example.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glorotlab import initializers
from glorotlab.arrays import Array
from glorotlab.initializers import Initializer
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.mean_field.kernels import LayerKernels

KURTOSIS = 3.0
"""E s^4 of excess kurtosis k is 1 + k / 3 times that of a Gaussian; second moments of f and f' change less, mostly."""


def relative_variances(layers: list[LayerKernels]) -> tuple[Array, Array]:
    """Return the relative variances between networks of second moments in wide layers, to leading order in 1/width.

    Shifts of the mean are of the order of the first (Yaida 2020; Roberts, Yaida & Hanin 2022). Going forward a hidden
    layer of n units adds (E f^4 / (E f^2)^2 - 1) / n, and what comes from below it multiplies by the square of
    d ln E f^2 / d ln q; going backward it adds (3 E f'^4 / (E f'^2)^2 - 1) / n. Both are 5 / n for ReLU and 2 / n for
    linear units. The second is large where few units are active, but then shifts are smaller. Outputs do not count:
    moments over few of them are integrated.

    Returns
    -------
    Two arrays of shape (layers, examples)
        Of what enters each layer, and of the gradient that comes back to it. Weight gradients have the sum.
    """
    q = _rows(layers, lambda layer: _diagonal(layer.preactivation))
    square = _rows(layers, lambda layer: _diagonal(layer.activation))
    slope = _rows(layers, lambda layer: _diagonal(layer.derivative))
    gain = _rows(layers, lambda layer: np.asarray(layer.fan_in * layer.variance)[..., np.newaxis])
    units = _rows(layers, lambda layer: layer.fan_out[..., np.newaxis])[:-1]
    with np.errstate(invalid="ignore", divide="ignore"):  # of outputs, and of a constant, whose gradient is 0
        spread = (_rows(layers, lambda layer: layer.activation_fourth) / square**2 - 1)[:-1] / units
        back = (3 * _rows(layers, lambda layer: layer.derivative_fourth) / slope**2 - 1)[:-1] / units
        exponent = (_rows(layers, lambda layer: layer.growth) * q / square)[:-1]
        carried = (exponent[1:] * gain[1:-1] * square[:-2] / q[1:-1]) ** 2
    forward = np.zeros_like(q)
    for index, own in enumerate(spread):
        forward[index + 1] = own + (carried[index - 1] * forward[index] if index else 0.0)
    backward = np.zeros_like(q)
    backward[:-1] = np.cumsum(np.where(slope[:-1] > 0, back, 0.0)[::-1], axis=0)[::-1]
    return forward, backward


def gaussianity_error(spec: NetworkSpec, layers: list[LayerKernels], inputs_fourth: Array) -> float:
    """Return the order of magnitude of the relative error of taking every pre-activation as Gaussian.

    It is the sum over layers of the size of its excess kurtosis over ``KURTOSIS``. It is large where each unit receives
    few weights (sparse), few inputs whose weights are not normal, or a uniform bias that outweighs them.

    Parameters
    ----------
    spec : NetworkSpec
    layers : list of LayerKernels
    inputs_fourth : (examples,)
        Mean fourth power of the inputs of each example.
    """
    initializer, bias = initializers.get(spec.initializer), initializers.get_bias(spec.bias)
    q = _rows(layers, lambda layer: _diagonal(layer.preactivation))
    fourth = np.append(inputs_fourth[np.newaxis], _rows(layers, lambda layer: layer.activation_fourth)[:-1], axis=0)
    square = _rows(layers, lambda layer: _diagonal(layer.below)) ** 2
    kurtosis = np.divide(fourth, square, where=square > 0, out=np.zeros_like(fourth))  # zeros leave the bias alone
    excess = np.stack([_excess(initializer, *fans, row) for fans, row in zip(spec.fans, kurtosis, strict=True)])
    share = bias.variance / q
    return float(np.abs(excess * (1 - share) ** 2 + bias.excess_kurtosis * share**2).sum(axis=0).max() / KURTOSIS)


def _excess(initializer: Initializer, fan_in: int, fan_out: int, kurtosis: Array) -> Array:
    """Return the excess kurtosis of sum_i W_i z_i for given z of some kurtosis, E z^4 / (E z^2)^2."""
    one = initializer.excess_kurtosis(fan_in, fan_out)
    if initializer.distribution == "orthogonal":  # a projection of a random direction, as one weight is
        return np.full_like(kurtosis, one)
    if initializer.distribution == "sparse":  # the number of weights does not vary
        return one / max(fan_in - 1, 1) * (kurtosis - 1)
    return one / fan_in * kurtosis


def _rows(layers: list[LayerKernels], pick: Callable[[LayerKernels], Array]) -> Array:
    """Return something of every layer, (layers, examples or 1), whether layers are stacked or not."""
    return np.concatenate([np.atleast_2d(pick(layer)) for layer in layers])


def _diagonal(kernel: Array) -> Array:
    return np.diagonal(kernel, axis1=-2, axis2=-1)
