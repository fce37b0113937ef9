"""Shift and scatter of second moments due to a finite width, example by example, to first order in 1/width.

Means over the n units of a layer scatter by 1/n about the mean-field value (Yaida 2020; Roberts, Yaida & Hanin 2022),
which moves the mean of what is curved in them, on the way forward and on the way back; so do weights of excess kurtosis
and weights that are met twice. ``docs/theory/finite_width.md`` derives the recursions that this module evaluates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian import quadrature
from glorotlab.theory.gaussian.moments import Row, half_width, sampled
from glorotlab.theory.mean_field.kernels import SignalKernels


@dataclass(frozen=True)
class UnitMoments:
    """Moments of one layer's units and their derivatives in q, each (examples,).

    Parameters
    ----------
    square, derivative_square : (3, examples)
        M = E f^2 and mu = E f'^2, each with its first and second derivative in q.
    square_variance : (examples,)
        E f^4 - M^2.
    covariance : (examples,)
        E f^2 f'^2 - mu M.
    """

    square: Array
    derivative_square: Array
    square_variance: Array
    covariance: Array


@dataclass(frozen=True)
class Forward:
    """Scatter and shift of q in the forward pass; rows are layers, the output layer last.

    Parameters
    ----------
    units : list of UnitMoments
        Moments of the hidden layers, and of the output layer where it has an activation.
    gain : (hidden layers,)
        u = n v of the layer above.
    q, variance, shift : (layers, examples)
        Second moments of pre-activations, Var q between networks and the shift of its mean.
    width : (layers,)
    excess : (layers, examples)
        X, what weights of excess kurtosis add to Var q in the mean of a function of s.
    """

    units: list[UnitMoments]
    gain: Array
    q: Array
    width: Array
    variance: Array
    shift: Array
    excess: Array

    def preactivation(self, index: int) -> Array:
        """Return the relative shift of E s^2 of a layer."""
        return np.asarray(self.shift[index] / self.q[index])

    def activation(self, index: int) -> Array:
        """Return the relative shift of E f^2 of a layer."""
        square, first, second = self.units[index].square
        return np.asarray(
            (first * self.shift[index] + second * (self.variance[index] + self.excess[index]) / 2) / square
        )

    def sensitivity(self, below: int, index: int) -> Array:
        """Return J, the derivative of q of a layer in M of one below it."""
        product = np.full_like(self.q[0], self.gain[below])
        for between in range(below + 1, index):
            product *= self.units[between].square[1] * self.gain[between]
        return np.asarray(product)


@dataclass(frozen=True)
class Backward:
    """Derivatives of ln E (dC/ds)^2 in q, and its shift, in the backward pass; rows are layers.

    Parameters
    ----------
    forward : Forward
    log_derivative, log_second_derivative : (layers, examples)
        A and A', its first and second derivative in q.
    fixed : (layers, examples)
        b, its shift at fixed q.
    """

    forward: Forward
    log_derivative: Array
    log_second_derivative: Array
    fixed: Array

    def shift(self, index: int, signal: Array | None = None) -> Array:
        """Return the relative shift of E (dC/ds)^2 of a layer, or of the weight gradient.

        ``signal`` is then the part of q that the layer below sends, to which the other factor is in proportion.
        """
        a, variance, shift = self.log_derivative[index], self.forward.variance[index], self.forward.shift[index]
        total = self.fixed[index] + a * shift + (self.log_second_derivative[index] + a**2) * variance / 2
        return np.asarray(total if signal is None else total + shift / signal + self.covariance(index, signal))

    def covariance(self, index: int, signal: Array) -> Array:
        """Return the relative covariance of both factors of the weight gradient."""
        return np.asarray(self.log_derivative[index] * self.forward.variance[index] / signal)


def forward(signal: SignalKernels) -> Forward:
    """Carry variances and shifts of q through every layer."""
    spec, q, fourth = signal.spec, signal.q, signal.z_fourth_moment[0]
    records = [spec.layer_activation(index) for index in range(signal.layers)]
    units = [unit_moments(record, row) for record, row in zip(records, q, strict=True) if record]
    gain, width = signal.forward_gain[1:], signal.fan_out
    variance, shift, excess = np.zeros((3, *q.shape))
    for index, (fan_in, fan_out) in enumerate(spec.fans):
        kurtosis = spec.weight_initializer.excess_kurtosis(fan_in, fan_out)
        excess[index] = kurtosis * signal.weight_variance[index] ** 2 * fan_in * fourth / 3
        if index == signal.layers - 1:
            break
        own, u = units[index], gain[index]
        square, first, second = own.square
        variance[index + 1] = (u * first) ** 2 * variance[index] + u**2 * own.square_variance / width[index]
        shift[index + 1] = u * (first * shift[index] + second * (variance[index] + excess[index]) / 2)
        fourth = own.square_variance + square**2
    return Forward(units, gain, q, width, variance, shift, excess)


def backward(forward: Forward, log_derivative: Array, log_second_derivative: Array) -> Backward:
    """Carry A, A' and b down from the A and A' of the output layer, (examples,)."""
    a, a_first, fixed = np.zeros((3, *forward.q.shape))
    a[-1], a_first[-1], alignment = log_derivative, log_second_derivative, np.zeros_like(log_derivative)
    for index in range(len(forward.gain) - 1, -1, -1):
        own, u, q = forward.units[index], forward.gain[index], forward.q[index]
        square, square_first, square_second = own.square
        mu, mu_first, mu_second = own.derivative_square
        above, above_first = a[index + 1], a_first[index + 1]
        passed = mu * forward.q[index + 1]
        scatter = u * (own.covariance + mu * square) / passed * alignment
        alignment = alignment * u * q * square_first**2 / passed + 2 * q * mu_first / mu
        scatter += u * own.covariance / mu * above + u**2 * own.square_variance * (above_first + above**2) / 2
        kurtosis = forward.excess[index] * (mu_second / mu + u * square_second * above) / 2
        fixed[index] = fixed[index + 1] + scatter / forward.width[index] + kurtosis
        a[index] = mu_first / mu + u * square_first * above
        a_first[index] = (
            mu_second / mu - (mu_first / mu) ** 2 + u * square_second * above + (u * square_first) ** 2 * above_first
        )
    return Backward(forward, a, a_first, fixed)


def unit_moments(record: Activation, q: Array) -> UnitMoments:
    """Return the moments of a unit and their derivatives in q.

    dE g/dq = E[g He_2(t)] / (2 q) and d^2 E g/dq^2 = E[g He_4(t)] / (4 q^2) with t = s / sqrt(q): g need not be
    smooth. The susceptibility of ``product_moments``, E[s f f'] / q, is the same first derivative where f is
    continuous, and keeps its digits at small q where these weights cancel; but it has no second derivative.
    """
    s, weights, values = sampled(record, q, quadrature.ORDER, half_width(record, q))
    measure = weights * quadrature.density(s, q)
    t2 = s**2 / q[:, np.newaxis]
    first, second = measure * (t2 - 1), measure * (t2**2 - 6 * t2 + 3)
    both = values[[Row.SQUARE, Row.DERIVATIVE_SQUARE]]
    square, derivative_square = np.stack(
        [both @ measure.T, both @ first.T / (2 * q), both @ second.T / (4 * q**2)], axis=1
    )
    fourth, product = values[[Row.FOURTH, Row.PRODUCT_SQUARE]] @ measure.T
    return UnitMoments(square, derivative_square, fourth - square[0] ** 2, product - derivative_square[0] * square[0])
