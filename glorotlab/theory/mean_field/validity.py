"""Validity of the theory: orders of the corrections for finite width and non-Gaussian pre-activations.

All are taken from the kernels of a network, example by example.
"""

from __future__ import annotations

import numpy as np

from glorotlab.arrays import Array
from glorotlab.initializers import Initializer
from glorotlab.theory.mean_field.kernels import GradientKernels, SignalKernels, diagonal

KURTOSIS = 3.0
"""E s^4 of excess kurtosis k is 1 + k / 3 times that of a Gaussian; second moments of f and f' change less, mostly."""


def relative_variances(signal: SignalKernels) -> tuple[Array, Array]:
    """Return the relative variances between networks of second moments in wide layers, to leading order in 1/width.

    Shifts of the mean are of the order of the first (Yaida 2020; Roberts, Yaida & Hanin 2022). Going forward a hidden
    layer of n units adds (E f^4 / (E f^2)^2 - 1) / n, and what comes from below it multiplies by the square of
    d ln E f^2 / d ln q; going backward it adds (3 E f'^4 / (E f'^2)^2 - 1) / n. Both are 5 / n for ReLU and 2 / n for
    linear units. The second is large where few units are active, but then shifts are smaller. Outputs do not count:
    moments over few of them are integrated.

    Returns
    -------
    forward : (layers, examples)
        Relative variance of what enters each layer.
    backward : (layers, examples)
        Relative variance of the gradient that comes back to it. Weight gradients have the sum.
    """
    q, gain, units = signal.q, signal.forward_gain[:, np.newaxis], signal.fan_out[:-1, np.newaxis]
    square, derivative_square = diagonal(signal.activation)[:-1], diagonal(signal.derivative)
    fourth, derivative_fourth = signal.z_fourth_moment[1:-1], signal.derivative_fourth_moment
    with np.errstate(invalid="ignore", divide="ignore"):  # of a constant, whose gradient is 0
        spread = (fourth / square**2 - 1) / units
        back = (3 * derivative_fourth / derivative_square**2 - 1) / units
        exponent = signal.susceptibility * q[:-1] / square
        carried = (exponent[1:] * gain[1:-1] * square[:-1] / q[1:-1]) ** 2
    forward = np.zeros_like(q)
    for index, own in enumerate(spread):
        forward[index + 1] = own + (carried[index - 1] * forward[index] if index else 0.0)
    backward = np.zeros_like(q)
    backward[:-1] = np.cumsum(np.where(derivative_square > 0, back, 0.0)[::-1], axis=0)[::-1]
    return forward, backward


def pooled_scatter(signal: SignalKernels, gradient: GradientKernels) -> Array:
    """Return the relative variance between networks of gradients pooled over the batch, (layers,), a lower estimate.

    Layer k of n units adds (sum_ab c_a c_b r_ab^2 (k_a k_b)^(1/2) - 1) / n with c the examples' shares of the gradient,
    k = 3 E f'^4 / (E f'^2)^2 of one example as in ``relative_variances``, and r_ab = E f'_a f'_b over the root of
    E f'_a^2 E f'_b^2: units that are active for one example alone are averaged over examples, those of copies are not.
    """
    scatter = np.zeros(signal.layers)
    units = signal.fan_out[:-1]
    for index in range(signal.layers - 2, -1, -1):
        slopes, share = signal.derivative[index], diagonal(gradient.backprop[index])
        square = diagonal(slopes)
        with np.errstate(invalid="ignore", divide="ignore"):  # of a constant, whose gradient is 0
            each = share / share.sum() * np.sqrt(3 * signal.derivative_fourth_moment[index]) / square**2
            own = (float(each @ slopes**2 @ each) - 1) / units[index]
        scatter[index] = scatter[index + 1] + (own if np.isfinite(own) else 0.0)
    return scatter


def excess_kurtosis(signal: SignalKernels) -> Array:
    """Return the excess kurtosis of every example's pre-activations over networks, (layers, examples)."""
    spec, fourth = signal.spec, signal.z_fourth_moment[:-1]
    square = diagonal(signal.below) ** 2
    kurtosis = np.divide(fourth, square, where=square > 0, out=np.zeros_like(fourth))  # zeros leave the bias alone
    fans = zip(spec.fans, kurtosis, strict=True)
    excess = np.stack([_excess(spec.weight_initializer, fan_in, fan_out, row) for (fan_in, fan_out), row in fans])
    share = signal.bias_variance[:, np.newaxis] / signal.q
    return np.asarray(excess * (1 - share) ** 2 + spec.bias_initializer.excess_kurtosis * share**2)


def gaussianity_error(signal: SignalKernels) -> float:
    """Return the order of magnitude of the relative error of taking every pre-activation as Gaussian.

    It is the sum over layers of the size of its excess kurtosis over ``KURTOSIS``. It is large where each unit receives
    few weights (sparse), few inputs whose weights are not normal, or a uniform bias that outweighs them. Gradients of
    biases of a batch err by up to so much, second moments of single examples by less: those of ReLU by nothing, as the
    kurtosis of s changes neither E f^2 nor E f'^2.
    """
    return float(np.abs(excess_kurtosis(signal)).sum(axis=0).max() / KURTOSIS)


def _excess(initializer: Initializer, fan_in: int, fan_out: int, kurtosis: Array) -> Array:
    """Return the excess kurtosis of sum_i W_i z_i over the weights, for z of kurtosis E z^4 / (E z^2)^2."""
    one = initializer.excess_kurtosis(fan_in, fan_out)
    if initializer.distribution == "orthogonal":  # a projection of a random direction, as one weight is
        return np.full_like(kurtosis, one)
    if initializer.distribution == "sparse":  # the number of weights does not vary
        return one / max(fan_in - 1, 1) * (kurtosis - 1)
    return one / fan_in * kurtosis
