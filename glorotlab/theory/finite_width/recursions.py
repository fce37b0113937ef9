"""What finitely many units do to the mean of a second moment, example by example, to first order in 1/width.

Given q, the units of a layer are independent N(0, q), so that means over n of them scatter by 1/n about the mean-field
value (Yaida 2020; Roberts, Yaida & Hanin 2022). With M = E f^2, mu = E f'^2, ' = d/dq, u = n v of the layer above and
V = Var q, the mean of q moves by delta:

    V_{l+1} = (u M')^2 V_l + u^2 (E f^4 - M^2) / n,
    delta_{l+1} = u (M' delta_l + M'' (V_l + X_l) / 2).

X is what weights of excess kurtosis kappa add, whose pre-activations are not quite Gaussian: E g changes by
kappa v^2 sum z^4 / (24 q^2) E[g He_4(s / sqrt(q))] = X d^2 E g / dq^2 / 2 with X = kappa v^2 sum z^4 / 3.

Backward, with gradient independence, E[T_l | q_l] of the second moment T of dC/ds obeys
E[T_l | q] = gain E[(mu + eta) T_{l+1}(u (M + epsilon) + v_b)], where eta and epsilon scatter together. Its logarithm's
derivatives in q and its relative shift b at fixed q are, with C = E f^2 f'^2,

    A_l = mu'/mu + u M' A_{l+1},    A'_l = (mu'/mu)' + u M'' A_{l+1} + (u M')^2 A'_{l+1},
    b_l = b_{l+1} + {u (C - mu M)/mu A_{l+1} + u^2 (E f^4 - M^2) (A'_{l+1} + A_{l+1}^2) / 2} / n
                  + X_l {mu''/mu + u M'' A_{l+1}} / 2.

But weights met backward are those of the forward pass. Given s' = W' z of the layer above, W is v z s''/ q' and an
independent rest, so that W g' holds v z P'/q' with P = s'g. With e = E P^2 / (q E g^2) - 1, 0 where g does not know s,
a layer adds u C / (mu q') e' / n to b, and e = e' u q M'^2 / (q' mu) + 2 q mu'/mu. Here e = 0 at the top:
``unit_fluctuations`` has what begins there.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from glorotlab import initializers
from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.gaussian import quadrature
from glorotlab.theory.gaussian.moments import half_width, sampled
from glorotlab.theory.mean_field.kernels import LayerKernels

F, SQUARE, SLOPE_SQUARE, FOURTH, PRODUCT = 0, 1, 3, 4, 6
"""Rows of ``moments.sampled``: f, f^2, f'^2, f^4, (f f')^2."""


@dataclass(frozen=True)
class Response:
    """Moments of one layer's units and their derivatives in q, each (examples,).

    Parameters
    ----------
    square, slope : (3, examples)
        M = E f^2 and mu = E f'^2, with first and second derivative in q.
    noise : (examples,)
        E f^4 - M^2.
    product : (examples,)
        E f^2 f'^2 - mu M.
    """

    square: Array
    slope: Array
    noise: Array
    product: Array


@dataclass(frozen=True)
class Forward:
    """What passes forward; lists over the layers, the output layer last, of arrays (examples,).

    Parameters
    ----------
    responses : of the hidden layers, and of the output layer where it has an activation
    up : u = n v of the layer above, of the hidden layers
    q, width : of each layer
    variance, shift : Var q and the shift of its mean
    excess : X
    """

    responses: list[Response]
    up: list[float]
    q: list[Array]
    width: list[float]
    variance: list[Array]
    shift: list[Array]
    excess: list[Array]

    def preactivation(self, index: int) -> Array:
        """Return the relative shift of E s^2 of a layer."""
        return np.asarray(self.shift[index] / self.q[index])

    def activation(self, index: int) -> Array:
        """Return the relative shift of E f^2 of a layer."""
        square, slope, curvature = self.responses[index].square
        return np.asarray(
            (slope * self.shift[index] + curvature * (self.variance[index] + self.excess[index]) / 2) / square
        )

    def response(self, below: int, index: int) -> Array:
        """Return J, what q of a layer gains by M of one below it."""
        found = np.full_like(self.q[0], self.up[below])
        for between in range(below + 1, index):
            found *= self.responses[between].square[1] * self.up[between]
        return found


@dataclass(frozen=True)
class Backward:
    """What passes back from the output layer; lists as of ``Forward``.

    Parameters
    ----------
    forward : Forward
    log_slope, log_curvature : A and A'
    fixed : b
    """

    forward: Forward
    log_slope: list[Array]
    log_curvature: list[Array]
    fixed: list[Array]

    def shift(self, index: int, signal: Array | None = None) -> Array:
        """Return the relative shift of E (dC/ds)^2 of a layer, or of the weight gradient.

        ``signal`` is then the part of q that the layer below sends, to which the other factor is in proportion.
        """
        a, forward = self.log_slope[index], self.forward
        variance, shift = forward.variance[index], forward.shift[index]
        found = self.fixed[index] + a * shift + (self.log_curvature[index] + a**2) * variance / 2
        return found if signal is None else found + (shift + a * variance) / signal


def forward(spec: NetworkSpec, layers: list[LayerKernels], fourth: Array) -> Forward:
    """Carry variances and shifts of q through every layer; ``fourth`` is the mean of x^4, (examples,)."""
    kurtosis = [initializers.get(spec.initializer).excess_kurtosis(*fans) for fans in spec.fans]
    q = [np.diagonal(layer.preactivation) for layer in layers]
    responses = [respond(layer.record, each) for layer, each in zip(layers, q, strict=True) if layer.record]
    up = [float(below.fan_out * layer.variance) for below, layer in itertools.pairwise(layers)]
    widths = [float(layer.fan_out) for layer in layers]
    variance, shift, excess = [np.zeros_like(fourth)], [np.zeros_like(fourth)], []
    for index, layer in enumerate(layers):
        excess.append(kurtosis[index] * float(layer.variance) ** 2 * float(layer.fan_in) * fourth / 3)
        if index == len(layers) - 1:
            break
        found = responses[index]
        square, slope, curvature = found.square
        noise = up[index] ** 2 * found.noise / widths[index]
        variance.append((up[index] * slope) ** 2 * variance[index] + noise)
        shift.append(up[index] * (slope * shift[index] + curvature * (variance[index] + excess[index]) / 2))
        fourth = found.noise + square**2
    return Forward(responses, up, q, widths, variance, shift, excess)


def backward(forward: Forward, log_slope: Array, log_curvature: Array) -> Backward:
    """Carry A, A' and b down from the A and A' of the output layer, (examples,)."""
    nothing = np.zeros_like(log_slope)
    slopes, curvatures, fixed, alignment = [log_slope], [log_curvature], [nothing], nothing
    for index in range(len(forward.up) - 1, -1, -1):
        found, u, q = forward.responses[index], forward.up[index], forward.q[index]
        square, growth, bend = found.square
        mu, slope, curvature = found.slope
        a, a_slope = slopes[0], curvatures[0]
        above = mu * forward.q[index + 1]
        scatter = u * (found.product + mu * square) / above * alignment
        alignment = alignment * u * q * growth**2 / above + 2 * q * slope / mu
        scatter += u * found.product / mu * a + u**2 * found.noise * (a_slope + a**2) / 2
        kurtosis = forward.excess[index] * (curvature / mu + u * bend * a) / 2
        fixed.insert(0, fixed[0] + scatter / forward.width[index] + kurtosis)
        slopes.insert(0, slope / mu + u * growth * a)
        curvatures.insert(0, curvature / mu - (slope / mu) ** 2 + u * bend * a + (u * growth) ** 2 * a_slope)
    return Backward(forward, slopes, curvatures, fixed)


def respond(record: Activation, q: Array) -> Response:
    """Return the moments of a unit and their derivatives in q.

    dE g/dq = E[g He_2(t)] / (2 q) and d^2 E g/dq^2 = E[g He_4(t)] / (4 q^2) with t = s / sqrt(q): g need not be
    smooth.
    """
    s, weights, values = sampled(record, q, quadrature.ORDER, half_width(record, q))
    measure = weights * quadrature.density(s, q)
    t2 = s**2 / q[:, np.newaxis]
    first, second = measure * (t2 - 1), measure * (t2**2 - 6 * t2 + 3)
    both = values[[SQUARE, SLOPE_SQUARE]]
    square, slope = np.stack([both @ measure.T, both @ first.T / (2 * q), both @ second.T / (4 * q**2)], axis=1)
    fourth, product = values[[FOURTH, PRODUCT]] @ measure.T
    return Response(square, slope, fourth - square[0] ** 2, product - slope[0] * square[0])
