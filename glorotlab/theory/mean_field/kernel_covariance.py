"""The contribution of kernels that scatter between networks to the gradient of a batch.

The second moment of a batch's weight gradient is the mean over pairs of examples of M_ab D_ab, kernels of one network.
To first order in 1 / width their covariance follows from recursions over the layers, which
docs/theory/batch_gradients.md derives with the same symbols (h of ``backward``). The outputs' own dD_ab/dQ_aa is left
out: it comes with Cov(M_ab, M_aa), which is small where M_ab is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glorotlab.arrays import Array
from glorotlab.theory.gaussian.covariance import correlation
from glorotlab.theory.gaussian.hermite_series import CUBE, coefficients, mixed_sum, symmetric_sum
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.theory.gaussian.moments import Row
from glorotlab.theory.gaussian.pair_derivatives import own_derivative, pair_derivative
from glorotlab.theory.mean_field.kernels import GradientKernels, SignalKernels, diagonal, mean_over_pairs

TERMS = 16
"""Number of terms of the Hermite series; the rest matters only for the few pairs that are nearly alike."""

TOLERANCE = 1e-6
"""Relative error of the coefficients when a few q represent many."""


class PairScatter(NamedTuple):
    """Contributions of scattering kernels between different examples to the second moments of a batch's gradients.

    Parameters
    ----------
    weight : (layers,)
        To those of weights: the mean over pairs of Cov(M_ab, D_ab). It is 0 in the first layer, whose inputs do not
        scatter. That of one example with itself is of the order of 1 / width and stands with the other shifts of the
        mean, in ``finite_width``.
    bias : (layers,)
        To those of biases.
    left_out : float
        Order of the share of the outputs' bias gradient that is left out.
    """

    weight: Array
    bias: Array
    left_out: float = 0.0


def pair_scatter(signal: SignalKernels, gradient: GradientKernels) -> PairScatter:
    """Return the contributions of all pairs of different examples."""
    found = PairScatter(np.zeros(signal.layers), np.zeros(signal.layers))
    if signal.examples == 1:
        return found
    series = [_series(signal, index) for index in range(signal.layers - 1)]
    answers = _answers(signal, gradient, series)
    scatter = _Scatter(signal)
    for index, coefficients_below in enumerate(series):
        scatter.pass_on(index, coefficients_below)
        pair, own = answers[index + 1]
        pairs = pair * scatter.pair
        pairs += 2 * own * scatter.mixed  # of a and of b: their means over pairs are the same
        np.fill_diagonal(pairs, 0)
        found.weight[index + 1] = signal.forward_gain[index + 1] * pairs.mean()
    if gradient.output.curved is not None:
        pairs = gradient.output.curved * (signal.forward_gain[-1] ** 2 * scatter.pair / 2)
        np.fill_diagonal(pairs, 0)
        for index in range(signal.layers - 1, -1, -1):
            if index < signal.layers - 1:
                pairs *= signal.backward_gain[index + 1] * signal.derivative[index]
            found.bias[index] = pairs.mean()
    elif signal.spec.output == "softmax":  # with quadratic cost
        return found._replace(left_out=_order_of_curvature(signal, gradient, scatter.pair))
    return found


def _order_of_curvature(signal: SignalKernels, gradient: GradientKernels, variance: Array) -> float:
    """Return the order of the effect of second derivatives on the mean of D of the outputs."""
    q, kernel = signal.q[-1], mean_over_pairs(gradient.backprop[-1])
    pairs = np.abs(gradient.output.answer) * signal.forward_gain[-1] ** 2 * variance / (2 * np.sqrt(np.outer(q, q)))
    np.fill_diagonal(pairs, 0)
    return float(pairs.mean() / kernel) if kernel > 0 else 0.0


def _series(signal: SignalKernels, index: int) -> Array:
    """Return the Hermite coefficients of f, f', f^2 and f^3 of a hidden layer, (4, terms, examples)."""
    nodes, weights = log_nodes(signal.q[index], TOLERANCE)
    rows = (Row.F, Row.DERIVATIVE, Row.SQUARE, CUBE)
    return np.asarray(coefficients(signal.spec.activation_record, rows, nodes, TERMS + 2) @ weights)


def _own_slope(signal: SignalKernels, index: int, series: Array) -> Array:
    """Return o, the derivative of E[f_a f_b] in Q_aa."""
    return own_derivative(series[0], signal.q[index], correlation(signal.preactivation[index]))


def _answers(signal: SignalKernels, gradient: GradientKernels, series: list[Array]) -> list[tuple[Array, Array]]:
    """Return S and R of every layer."""
    curvature, pair = gradient.output.curvature, gradient.output.answer
    own = np.zeros_like(pair)
    answers = [(pair, own)]
    for index in range(signal.layers - 2, 0, -1):  # those of the first layer are not asked for
        q, rho = signal.q[index], correlation(signal.preactivation[index])
        e, above = signal.derivative[index], gradient.backprop[index + 1]
        back, gain = signal.backward_gain[index + 1], signal.forward_gain[index + 1]
        m = signal.susceptibility[index]
        own = gain * e * (pair * _own_slope(signal, index, series[index]) + own * m[:, np.newaxis])
        own = back * (own + above * own_derivative(series[index][1], q, rho))
        pair = back * (gain * e**2 * pair + above * pair_derivative(series[index][1], q, rho))
        curvature = back * m * curvature
        pair += np.outer(curvature, curvature)
        answers.insert(0, (pair, own))
    return [(pair, own), *answers]


class _Scatter:
    """Covariances between networks of M_aa, M_ab and M_bb, carried up the layers.

    Attributes
    ----------
    pair, mixed, others : (examples, examples)
        Var M_ab, Cov(M_ab, M_aa) and Cov(M_aa, M_bb).
    single : (examples,)
        Var M_aa.
    """

    def __init__(self, signal: SignalKernels) -> None:
        self._signal = signal
        self.pair, self.mixed, self.others = np.zeros((3, signal.examples, signal.examples))
        self.single = np.zeros(signal.examples)

    def pass_on(self, index: int, series: Array) -> None:
        """Turn the covariances of the layer below into those of a hidden layer."""
        kernel, units = self._signal.activation[index], self._signal.fan_out[index]
        rho = correlation(self._signal.preactivation[index])
        square = diagonal(kernel)
        squares = symmetric_sum(series[2], rho)
        pair = squares - kernel**2
        others = squares - np.outer(square, square)
        mixed = mixed_sum(series[3], series[0], rho) - square[:, np.newaxis] * kernel
        single = self._signal.z_fourth_moment[index + 1] - square**2
        for values in (pair, others, mixed, single):
            values /= units
        if index:
            below = self._from_below(index, series)
            pair, others, mixed, single = (a + b for a, b in zip((pair, others, mixed, single), below, strict=True))
        self.pair, self.others, self.mixed, self.single = pair, others, mixed, single

    def _from_below(self, index: int, series: Array) -> tuple[Array, Array, Array, Array]:
        """Return the part of this layer's covariances that comes from the layer below."""
        signal, o = self._signal, _own_slope(self._signal, index, series)
        gain, e, slope = signal.forward_gain[index], signal.derivative[index], signal.susceptibility[index]
        brought = o * self.single[:, np.newaxis]
        one_side = o * (2 * e * self.mixed + brought)
        pair = e**2 * self.pair + one_side + one_side.T + 2 * o * o.T * self.others
        mixed = slope[:, np.newaxis] * (e * self.mixed + brought + o.T * self.others)
        return (
            gain**2 * pair,
            gain**2 * np.outer(slope, slope) * self.others,
            gain**2 * mixed,
            gain**2 * slope**2 * self.single,
        )
