"""How far a network is from the theory's limit, wide layers of Gaussian pre-activations: orders of what is left out.

All are taken from the kernels of a network, example by example.
"""

from __future__ import annotations

import numpy as np

from glorotlab.arrays import Array
from glorotlab.initializers import Initializer
from glorotlab.theory.gaussian.covariance import correlation
from glorotlab.theory.mean_field.kernels import GradientKernels, SignalKernels, diagonal, mean_over_pairs

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


def batch_gradient_excess(signal: SignalKernels, gradient: GradientKernels) -> Array:
    """Return by what share the batch gradient's second moment exceeds its prediction in every layer, (layers,).

    It is the mean over pairs of examples of M_ab D_ab in one network, of which E M_ab E D_ab is predicted. But M of one
    network scatters between two examples even where E M_ab is 0, and D follows it: D_ab grows by S_ab times what
    Q_ab = n v M_ab + v_b gains. All pairs add up, so that the share is of order examples / width, not 1 / width. To
    leading order, with Var M_ab = (E f_a^2 f_b^2 - M_ab^2) / n + (n v E f'_a f'_b)^2 Var M_ab of the layer below, the
    covariance of M_ab and D_ab is S_ab n v Var M_ab.
    """
    excess = np.zeros(signal.layers)
    variance = np.zeros_like(signal.preactivation[0])
    answers = _answers(signal, gradient)
    for index in range(1, signal.layers):
        gain, passed = signal.forward_gain[index], signal.forward_gain[index - 1] * signal.derivative[index - 1]
        variance = _scatter(signal, index - 1) / signal.fan_out[index - 1] + passed**2 * variance
        pairs = gain * answers[index] * variance
        np.fill_diagonal(pairs, 0)  # one example's is of the order of 1 / width
        predicted = mean_over_pairs(signal.below[index] * gradient.backprop[index])
        excess[index] = pairs.mean() / predicted if predicted > 0 else 0.0
    return np.abs(excess)


def _answers(signal: SignalKernels, gradient: GradientKernels) -> list[Array]:
    """Return S of every layer, dD_ab / dQ_ab: by Price's theorem the squares of second derivatives of C, per unit.

    Those between two units come from the layer above; those of one unit are H of ``backward``, squared.
    """
    curvature, classes = gradient.output.curvature, signal.spec.classes
    softmax = classes / (classes - 1) if signal.spec.output == "softmax" else 1.0  # its probabilities sum to 1
    answers = [softmax * np.outer(curvature, curvature)]
    gains = signal.backward_gain * signal.forward_gain
    for index in range(signal.layers - 2, -1, -1):
        curvature = signal.backward_gain[index + 1] * curvature * signal.susceptibility[index]
        own = np.outer(curvature, curvature)
        answers.insert(0, gains[index + 1] * signal.derivative[index] ** 2 * answers[0] + own)
    return answers


def _scatter(signal: SignalKernels, index: int) -> Array:
    """Return E f_a^2 f_b^2 - M_ab^2 of a hidden layer, between its values at correlations 0 and 1."""
    kernel, fourth = signal.activation[index], np.sqrt(signal.z_fourth_moment[index + 1])
    squares = np.outer(diagonal(kernel), diagonal(kernel))
    share = correlation(signal.preactivation[index]) ** 2
    return np.asarray(squares + share * (np.outer(fourth, fourth) - squares) - kernel**2)


def gaussianity_error(signal: SignalKernels) -> float:
    """Return the order of magnitude of the relative error of taking every pre-activation as Gaussian.

    It is the sum over layers of the size of its excess kurtosis over ``KURTOSIS``. It is large where each unit receives
    few weights (sparse), few inputs whose weights are not normal, or a uniform bias that outweighs them.
    """
    spec, fourth = signal.spec, signal.z_fourth_moment[:-1]
    square = diagonal(signal.below) ** 2
    kurtosis = np.divide(fourth, square, where=square > 0, out=np.zeros_like(fourth))  # zeros leave the bias alone
    fans = zip(spec.fans, kurtosis, strict=True)
    excess = np.stack([_excess(spec.weight_initializer, fan_in, fan_out, row) for (fan_in, fan_out), row in fans])
    share = signal.bias_variance[:, np.newaxis] / signal.q
    terms = excess * (1 - share) ** 2 + spec.bias_initializer.excess_kurtosis * share**2
    return float(np.abs(terms).sum(axis=0).max() / KURTOSIS)


def _excess(initializer: Initializer, fan_in: int, fan_out: int, kurtosis: Array) -> Array:
    """Return the excess kurtosis of sum_i W_i z_i over the weights, for z of kurtosis E z^4 / (E z^2)^2."""
    one = initializer.excess_kurtosis(fan_in, fan_out)
    if initializer.distribution == "orthogonal":  # a projection of a random direction, as one weight is
        return np.full_like(kurtosis, one)
    if initializer.distribution == "sparse":  # the number of weights does not vary
        return one / max(fan_in - 1, 1) * (kurtosis - 1)
    return one / fan_in * kurtosis
