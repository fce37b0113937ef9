"""The tangent kernel of one network: how its diagonal shifts and scatters about the kernel of infinitely wide layers.

Theta_aa = sum_l S^l (n M^{l-1} + 1) is a sum over the layers l of what their weights and biases give, with S^l the
squared length of the gradient of one output in the layer's pre-activations and M^{l-1} the mean square of what enters.
To first order in 1 / width a unit of layer k moves it by

    x_k = C_k (f'^2 h^2 / (mu E h^2) - 1) + V_k (f^2 - M^k),   C_k = sum_{l <= k} Theta^l,
    V_k = u C_k A^{k+1} + sum_{l > k} (Theta^l A^l + S^l / v_l) dq^l / dM^k,

f'^2 h^2 being what the unit sends back and A = d ln S / dq as in ``recursions``, so that Theta_aa and Theta_bb have the
covariance sum_k E[x_ka x_kb] / n_k. ``docs/theory/tangent_kernel.md`` derives it. Between two outputs Theta has mean 0,
and of x_k only C_k f'^2 h h' / (mu E h^2) is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array
from glorotlab.theory.finite_width import recursions
from glorotlab.theory.gaussian.covariance import correlation
from glorotlab.theory.gaussian.hermite_series import coefficients, mixed_sum, symmetric_sum
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.theory.gaussian.moments import Row
from glorotlab.theory.mean_field.kernels import SignalKernels, diagonal

TERMS = 32
"""Terms of the Hermite series between different examples."""

TOLERANCE = 1e-6
"""Relative error of the coefficients when a few q represent many."""


@dataclass(frozen=True)
class DiagonalScatter:
    """Theta_aa of every example, with the contributions of each layer's weights and biases.

    Parameters
    ----------
    parts : (layers, examples)
        What each layer gives in infinitely wide layers; their sum is Theta_aa.
    shifts : (layers, examples)
        What a finite width adds to their means.
    variances : (layers, examples)
        Their variances between networks.
    covariance : (examples, examples)
        Covariance of Theta_aa and Theta_bb between networks.
    between_outputs : (examples,)
        Variance of Theta_aa between two different outputs, whose mean is 0.
    """

    parts: Array
    shifts: Array
    variances: Array
    covariance: Array
    between_outputs: Array


def diagonal_scatter(signal: SignalKernels) -> DiagonalScatter:
    """Return the effect of a finite width on the tangent kernel's diagonal, for independent weights."""
    forward = recursions.forward(signal)
    nothing = np.zeros(signal.examples)
    back = recursions.backward(forward, nothing, nothing)
    lengths = _lengths(signal)
    square = signal.fan_in[:, np.newaxis] * diagonal(signal.below)
    parts = lengths * (square + 1)
    shifts = np.empty_like(parts)
    for index, (length, own) in enumerate(zip(lengths, square, strict=True)):
        entering = forward.q[index] - signal.bias_variance[index] if index else None
        shifts[index] = length * (own * back.shift(index, entering) + back.shift(index))
    variances, covariance, between = np.zeros_like(parts), np.zeros((signal.examples,) * 2), nothing.copy()
    for k in range(signal.layers - 1):
        units = _Units(signal, forward.units[k], lengths[k + 1], k)
        sent = np.where(np.arange(signal.layers)[:, np.newaxis] <= k, parts, 0.0)
        passed = sent * back.log_derivative[k + 1] * forward.gain[k]
        for above in range(k + 1, signal.layers):
            sensitivity = forward.sensitivity(k, above)
            passed[above] += sensitivity * (
                parts[above] * back.log_derivative[above] + lengths[above] / signal.weight_variance[above]
            )
        variances += units.variance(sent, passed)
        covariance += units.covariance(sent.sum(axis=0), passed.sum(axis=0))
        between += sent.sum(axis=0) ** 2 * units.fourth / units.count
    return DiagonalScatter(parts, shifts, variances, covariance, between)


def _lengths(signal: SignalKernels) -> Array:
    """Return S of every layer, (layers, examples)."""
    lengths = np.ones((signal.layers, signal.examples))
    for index in range(signal.layers - 2, -1, -1):
        lengths[index] = signal.forward_gain[index + 1] * diagonal(signal.derivative[index]) * lengths[index + 1]
    return lengths


class _Units:
    """Moments of one layer's f^2 and f'^2 h^2 over its units; the latter relative to its mean.

    Attributes
    ----------
    count : float
        Number of units.
    fourth : (examples,)
        E f'^4 / mu^2.
    """

    def __init__(self, signal: SignalKernels, moments: recursions.UnitMoments, above: Array, k: int) -> None:
        self.count = float(signal.fan_out[k])
        self._moments, self._signal, self._k = moments, signal, k
        mu = moments.derivative_square[0]
        self.fourth = signal.derivative_fourth_moment[k] / mu**2
        initializer = signal.spec.weight_initializer
        last = k == signal.layers - 2  # h is then one weight, not a sum over many
        self._kurtosis = initializer.excess_kurtosis(*signal.spec.fans[-1]) if last else 0.0

    def variance(self, sent: Array, passed: Array) -> Array:
        """Return the variance of x over the units of a network, for its coefficients C and V of every layer."""
        mu, own = self._moments.derivative_square[0], (3 + self._kurtosis) * self.fourth - 1
        mixed = self._moments.covariance / mu
        return np.asarray(
            (sent**2 * own + 2 * sent * passed * mixed + passed**2 * self._moments.square_variance) / self.count
        )

    def covariance(self, sent: Array, passed: Array) -> Array:
        """Return the covariance of x for all pairs of examples, (examples, examples)."""
        signal, k = self._signal, self._k
        q, rho = signal.q[k], correlation(signal.preactivation[k])
        nodes, weights = log_nodes(q, TOLERANCE)
        rows = (Row.SQUARE, Row.DERIVATIVE_SQUARE)
        square, slope = coefficients(signal.spec.activation_record, rows, nodes, TERMS) @ weights
        mean, mu = diagonal(signal.activation[k]), self._moments.derivative_square[0]
        back = 1 + (2 + self._kurtosis) * self._back_correlation() ** 2
        slopes = _products(slope, rho, signal.derivative_fourth_moment[k])
        squares = _products(square, rho, signal.z_fourth_moment[k + 1])
        total = np.outer(sent / mu, sent / mu) * back * slopes - np.outer(sent, sent)
        cross = np.outer(sent / mu, passed) * mixed_sum(slope, square, rho) - np.outer(sent, passed * mean)
        total += cross + cross.T
        total += np.outer(passed, passed) * (squares - np.outer(mean, mean))
        total /= self.count
        np.fill_diagonal(total, self.variance(sent, passed))
        return total

    def _back_correlation(self) -> Array:
        """Return the correlation of h between examples."""
        kernel = np.ones((self._signal.examples,) * 2)
        for index in range(self._signal.layers - 2, self._k, -1):
            kernel = kernel * correlation(self._signal.derivative[index])
        return kernel


def _products(series: Array, rho: Array, own: Array) -> Array:
    """Return E[g_a g_b] from Hermite coefficients of g and ``own`` E g^2; the remainder is one more term."""
    rest = np.sqrt(np.clip(own - (series**2).sum(axis=0), 0, None))
    return np.asarray(symmetric_sum(series, rho) + np.outer(rest, rest) * np.abs(rho) ** TERMS)
