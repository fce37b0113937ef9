"""Scatter of finitely many units of a node, and derivatives of an activation's pair moments in the kernel below.

All is of vectors, over pairs of examples; ``graph_tangents`` carries it through a graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.graph import Node
from glorotlab.theory.gaussian.covariance import correlation
from glorotlab.theory.gaussian.hermite_series import CUBE, coefficients, mixed_sum, symmetric_sum
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.theory.gaussian.moments import Row, moments
from glorotlab.theory.gaussian.pair_derivatives import own_derivative, pair_derivative
from glorotlab.theory.mean_field.kernel_covariance import TERMS, TOLERANCE
from glorotlab.theory.mean_field.layers.base import Block, Signal

ACROSS, HERE = Block(True, ()), Block(False, ())


@dataclass(frozen=True)
class Answer:
    """Derivatives of a kernel in an addition to another kernel.

    Parameters
    ----------
    single : (examples,)
        Of K_aa in e_aa.
    pair, own : (examples, examples)
        Of K_ab in e_ab and in e_aa; their diagonals mean nothing.
    """

    single: Array
    pair: Array
    own: Array

    def __add__(self, other: Answer) -> Answer:
        return Answer(self.single + other.single, self.pair + other.pair, self.own + other.own)

    def times(self, factor: float | Array, single: float | Array | None = None) -> Answer:
        """Return the derivatives of a kernel times ``factor``, with its diagonal times ``single``."""
        return Answer(self.single * (factor if single is None else single), self.pair * factor, self.own * factor)


@dataclass(frozen=True)
class Noise:
    """Covariances between networks of the scatter of one node's units in their own kernel.

    Parameters
    ----------
    single : (examples,)
        Var e_aa.
    pair, mixed, others : (examples, examples)
        Var e_ab, Cov(e_ab, e_aa) and Cov(e_aa, e_bb).
    """

    single: Array
    pair: Array
    mixed: Array
    others: Array

    def covariance(self, one: Answer, other: Answer) -> Array:
        """Return the covariances of two kernels, each of one pair of examples."""
        mixed, single = self.mixed, self.single[:, np.newaxis]
        left, right = one.pair * other.own + one.own * other.pair, one.own * other.own
        crossed = one.own * other.own.T
        total = one.pair * other.pair * self.pair + (crossed + crossed.T) * self.others
        for values in (left * mixed, right * single):
            total = total + values + values.T
        return np.asarray(total)


class Derivatives:
    """Derivatives of an activation's pair moments in the kernel of its pre-activations.

    Attributes
    ----------
    slopes, own : (examples, examples)
        Of E f_a f_b in Q_ab, which is E f'_a f'_b, and in Q_aa.
    slope_pair, slope_own : (examples, examples)
        Of E f'_a f'_b.
    susceptibility, slope_single : (examples,)
        Of E f^2 and of E f'^2 in q.
    second, slope_second : (examples,)
        Second derivatives of both.
    fourth, slope_fourth, product_square : (examples,)
        E f^4, E f'^4 and E f^2 f'^2.
    """

    def __init__(self, node: Node, s: Signal, memory: object) -> None:
        layer = node.layer
        assert isinstance(layer, Elementwise)  # noqa: S101
        self._record, self._rho, q = layer.record, correlation(s.kernels[ACROSS]), s.q
        nodes, weights = log_nodes(q, TOLERANCE)
        rows = (Row.F, Row.DERIVATIVE, Row.SQUARE, CUBE, Row.DERIVATIVE_SQUARE)
        self.series = np.asarray(coefficients(layer.record, rows, nodes, TERMS + 2) @ weights)
        self.slopes = memory.kernels[ACROSS]  # type: ignore[attr-defined]
        self.susceptibility = memory.susceptibility  # type: ignore[attr-defined]
        self.own = own_derivative(self.series[0], q, self._rho)
        self.slope_pair = pair_derivative(self.series[1], q, self._rho)
        self.slope_own = own_derivative(self.series[1], q, self._rho)
        # dE g/dq = E[g He_2] / (2 q), the third coefficient of g = f'^2 being E[g He_2] / sqrt(2)
        self.slope_single = self.series[4][2] / (np.sqrt(2) * q)
        # d^2 E g/dq^2 = E[g He_4] / (4 q^2), the fifth coefficient being E[g He_4] / sqrt(24)
        self.second, self.slope_second = np.sqrt(24) * self.series[[2, 4], 4] / (4 * q**2)
        single = moments(layer.record, q)
        self.product_square = single.product_second_moment
        self.fourth, self.slope_fourth = single.fourth_moment, single.derivative_fourth_moment

    def noise(self, z: Signal) -> Noise:
        """Return the noise of finitely many units."""
        kernel, square = z.kernels[ACROSS], z.q
        squares = symmetric_sum(self.series[2], self._rho)
        mixed = mixed_sum(self.series[3], self.series[0], self._rho) - square[:, np.newaxis] * kernel
        single = self.fourth - square**2
        return Noise(
            single / z.units,
            (squares - kernel**2) / z.units,
            mixed / z.units,
            (squares - np.outer(square, square)) / z.units,
        )


def gaussian_noise(signal: Signal) -> Noise:
    """Return the noise of finitely many Gaussian units."""
    kernel, q, n = signal.kernels[ACROSS], signal.q, signal.units
    square = kernel**2
    return Noise(2 * q**2 / n, (np.outer(q, q) + square) / n, 2 * q[:, np.newaxis] * kernel / n, 2 * square / n)


def less(noise: Noise, part: Noise, factor: float) -> Noise:
    """Return a noise minus that of a part, times a factor."""
    pairs = zip(vars(noise).values(), vars(part).values(), strict=True)
    return Noise(*(own - factor * other for own, other in pairs))
