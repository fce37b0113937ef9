"""Variance between networks of statistics pooled over a batch, computed unit by unit.

A statistic T of one network is a function of means over the units of its layers, so that the units of each layer give
ln T a variance, and ln T is nearly Gaussian. The variances are those of sampled units: they hold every correlation
between examples, between f and f', and the kurtosis of weights over few inputs or outputs. Outputs are few, and are
drawn. ``docs/theory/fluctuations.md`` derives the influence of a unit on each statistic.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.streams import Purpose, generator
from glorotlab.theory.finite_width import few_units, recursions
from glorotlab.theory.finite_width.drawn_networks import (
    MIN_NETWORKS,
    NO_GRADIENTS,
    STEP,
    DrawnNetworks,
    Samples,
    scaled,
)
from glorotlab.theory.finite_width.few_units import Factor
from glorotlab.theory.finite_width.recursions import Backward
from glorotlab.theory.gaussian.pair_derivatives import PairDerivatives, pair_derivatives
from glorotlab.theory.mean_field.gradient_independence import along_signal
from glorotlab.theory.mean_field.kernels import diagonal
from glorotlab.theory.mean_field.propagate import Propagation

STRIDE = 4
"""Stride over the draws of the outputs from which the derivative of the output gradient in q is computed."""

GRADIENTS = ("backprop_gradient", "example_weight_gradient", "batch_weight_gradient", "batch_bias_gradient")
TENSORS = ("preactivation", "activation", *GRADIENTS)
"""Tensors whose second moments scatter."""


@dataclass(frozen=True)
class Fluctuation:
    """Scatter of one second moment of one layer between networks.

    Parameters
    ----------
    variance : float
        Var ln T due to the finite width of the hidden layers, apart from that of ``factors``.
    error : float
        Standard error of it.
    draws : (networks,)
        T over its mean-field value, of networks that differ in the weights of the output layer alone; 1 where that
        layer does not count.
    shift : float
        Relative shift of E T, apart from that of the draws.
    factors : tuple of Factor
        Factors of layers whose variance is not in ``variance``, where few units carry a gradient.
    """

    variance: float
    error: float
    draws: Array
    shift: float
    factors: tuple[Factor, ...] = ()

    @property
    def log_variance(self) -> float:
        """Var ln T due to the finite width of the hidden layers, as if every factor were log-normal."""
        return self._log_variance(math.inf)

    @property
    def narrow_log_variance(self) -> float:
        """The part of `log_variance` due to narrow layers, without saturated units."""
        return self._log_variance(few_units.SATURATED)

    def _log_variance(self, most: float) -> float:
        return self.variance + sum(math.log1p(each.variance) for each in self.factors if each.variance <= most)

    @property
    def log_variance_error(self) -> float:
        """Standard error of `log_variance`."""
        errors = (factor.error / (1 + factor.variance) for factor in self.factors)
        return math.hypot(self.error, *errors)


def fluctuations(propagation: Propagation, tensors: Collection[str] = TENSORS) -> dict[str, list[Fluctuation]]:
    """Return the scatter of second moments pooled over the batch, as a list over the layers for each tensor.

    Without data the first layer's pre-activations are taken as Gaussian, whatever the weights; without labels gradients
    are left out.
    """
    influences = _Influences(propagation)
    layers = range(propagation.signal.layers)
    activated = layers if propagation.spec.output_activation is not None else layers[:-1]
    scatter: dict[str, list[Fluctuation]] = {}
    for name in (name for name in TENSORS if name in tensors):
        if name in GRADIENTS:
            if propagation.gradient is not None:
                scatter[name] = [influences.gradient(name, index) for index in layers]
        else:
            scatter[name] = [
                influences.signal(name, index) for index in (activated if name == "activation" else layers)
            ]
    return scatter


def over_depth(propagation: Propagation) -> tuple[Fluctuation, Fluctuation]:
    """Return two of ``fluctuations`` alone: the last hidden layer's signal and the gradient that reaches the first."""
    influences = _Influences(propagation)
    return (
        influences.signal("activation", propagation.signal.layers - 2),
        influences.gradient("backprop_gradient", 0),
    )


class _Answer(NamedTuple):
    """The T of a gradient for the draws of the output layer, and its derivative in q.

    Parameters
    ----------
    draws : (draws,)
        T of every draw of the outputs.
    fresh : (networks,)
        T of the draw that each network has, with weights that are met once.
    back : Backward
    """

    draws: Array
    fresh: Array
    back: Backward


class _Influences:
    """Influences of drawn units on statistics of a batch."""

    def __init__(self, propagation: Propagation) -> None:
        batch, self.propagation = propagation.batch, propagation
        self.kernels, self.forward = propagation.signal, recursions.forward(propagation.signal)
        self.examples, self.hidden = self.kernels.examples, self.kernels.layers - 1
        inputs = None if batch.inputs is None else batch.inputs.astype(np.float64)
        self.drawn = DrawnNetworks(self.kernels, self.forward, inputs, batch.targets)
        if propagation.gradient is not None:
            self._set_kernels()
            self.drawn.run_backward()

    def _set_kernels(self) -> None:
        """Set P and R of every layer, and the derivatives of its pair moments in Q."""
        spec, record = self.kernels.spec, self.kernels.spec.activation_record
        ones = np.ones((self.examples, self.examples))
        self.p, self.r = [ones], [0 * ones]
        self.pairs: list[tuple[PairDerivatives, PairDerivatives]] = []
        coefficient, gains = np.full(self.examples, 1 / spec.classes), self.kernels.backward_gain
        for k in range(self.hidden - 1, -1, -1):
            kernel, gain = self.kernels.preactivation[k], gains[k + 1] * self.kernels.derivative[k]
            coefficient = gains[k + 1] * coefficient
            self.pairs.insert(0, pair_derivatives(record, kernel))
            along = along_signal(self.kernels, k)
            if k == self.hidden - 1 and self.drawn.outputs.meets:  # the draws have what is the same in all units
                along = along - self.kernels.derivative[k] * self.kernels.activation[k]
            self.r.insert(0, gain * self.r[0] + np.outer(coefficient, coefficient) * along)
            self.p.insert(0, gain * self.p[0])
            coefficient = coefficient * self.forward.units[k].square[1]

    def signal(self, name: str, index: int) -> Fluctuation:
        """Return the scatter of E s^2 or E f^2."""
        drawn, forward = self.drawn, self.forward
        square, first, shift = forward.q[index], np.ones(self.examples), forward.preactivation(index)
        if name == "activation":
            (square, first, _), shift = forward.units[index].square, forward.activation(index)
        total = square.sum()
        parts = [self._lower(k, first / total * forward.sensitivity(k, index)) for k in range(index)]
        draws = np.ones(1)
        if index < self.hidden:
            parts.append(_quadratic(square / total, (drawn.s if name == "preactivation" else drawn.f)[index]))
        else:
            values = drawn.outputs.logits
            if name == "activation":
                assert self.kernels.spec.output_activation is not None  # noqa: S101
                values = self.kernels.spec.output_activation.function(values)
            draws = (values.astype(np.float64) ** 2).mean(axis=(0, 2))
            draws /= draws.mean()
        return self._fluctuation(parts, draws, float((square * shift).sum() / total))

    def gradient(self, name: str, index: int) -> Fluctuation:
        """Return the scatter of a gradient's second moment."""
        size, below = self.examples, self.kernels.below[index]
        assert self.propagation.gradient is not None  # noqa: S101
        backprop = self.propagation.gradient.backprop[index]
        weights = {
            "backprop_gradient": np.full(size, 1 / size),
            "example_weight_gradient": np.diagonal(below) / size,
            "batch_weight_gradient": below / size**2,
            "batch_bias_gradient": np.full((size, size), 1 / size**2),
        }[name]
        single = weights.ndim == 1
        shares = weights * (np.diagonal(backprop) if single else backprop)
        expected = float(shares.sum())
        share = (shares if single else shares.sum(axis=1)) / expected
        others = np.zeros(size) if single else share - np.diagonal(shares) / expected
        if name == "batch_bias_gradient" and self.propagation.pairs is not None:
            expected += float(self.propagation.pairs.bias[index])  # the draws have it
        if index == self.hidden and "weight" not in name:
            return self._fluctuation([], _forms(weights, self._scattered_gradient()) / expected, 0.0)
        draws, fresh, back = self._answer(weights, index)
        signal = self.forward.q[index] - self.kernels.bias_variance[index] if index and "weight" in name else None
        if single:
            parts = self._single_parts(index, share, back, signal)
        else:
            if signal is not None:  # each network's own kernel counts, whose scatter the pairs of a batch add up
                weights = self._own_kernels(index - 1) / size**2
                fresh, draws = self._fresh(weights, index), self._with_own(draws, weights, index)
            parts = self._pair_parts(index, weights, fresh, back, enters=signal is not None)
        factors: list[Factor] = []
        units, passed = self._gradients_of_units(index, weights)
        for k, own in enumerate(units, start=index):
            top, met = k == self.hidden - 1, None
            if top and self.drawn.outputs.meets:  # given the weights of the outputs, which are drawn
                met = _quadratic(passed, self.drawn.h)
            expected_units = fresh if top else units[k + 1 - index].mean(axis=1)
            factor = few_units.factor(own, met, expected_units)
            if factor is not None:
                factors.append(factor)
            else:
                parts[k] = parts[k] + _relative(own) - (_relative(met) if met is not None else 0.0)
        shift = share * back.shift(index, signal)
        if signal is not None:  # that of pairs is in the mean-field value: ``kernel_covariance``
            shift = shift - others * back.covariance(index, signal)
        return self._fluctuation(parts, draws / expected, float(shift.sum()), tuple(factors))

    def _gradients_of_units(self, index: int, weights: Array) -> tuple[list[Array], Array]:
        """Return y' w y of the units of every hidden layer from ``index`` on, and w of the gradient of the last.

        The mean over the units of a layer is, given the layer above, in proportion to that of the layer above.
        """
        gains, units = self.kernels.backward_gain, []
        for k in range(index, self.hidden):
            units.append(_quadratic(weights, self.drawn.y[k]))
            kernel = gains[k + 1] * self.kernels.derivative[k]
            weights = weights * (np.diagonal(kernel) if weights.ndim == 1 else kernel)
        return units, weights

    def _answer(self, weights: Array, index: int) -> _Answer:
        """Return T of the draws of the outputs and its derivatives; ``weights`` are those of the layer's D in T."""
        q, kernel = self.forward.q[-1], self.kernels.preactivation[-1]
        p, r, twice = self.p[index], self.r[index], self.kernels.spec.classes * self.r[index] * kernel / np.outer(q, q)
        if weights.ndim == 1:
            p, r, twice = np.diagonal(p), np.diagonal(r), np.diagonal(twice)
        outputs = self.drawn.outputs
        tau = ((outputs.logits * outputs.gradient).sum(axis=2) / q[:, np.newaxis]).astype(np.float32)
        passed = outputs.gradient if index == self.hidden else outputs.passed
        draws = _forms(weights * (p - twice), passed) + _quadratic(weights * r, tau)
        draws = np.maximum(draws, 0)  # to first order it may be negative
        fresh = self._fresh(weights, index)
        low, middle, high = (
            np.log(_forms(weights * p, gradient[:, ::STRIDE]).mean())
            for gradient in (outputs.less, outputs.gradient, outputs.more)
        )
        first, second = (high - low) / (2 * STEP * q), (high - 2 * middle + low) / (STEP * q) ** 2
        return _Answer(draws, fresh, recursions.backward(self.forward, first, second))

    def _fresh(self, weights: Array, index: int) -> Array:
        """Return T of each network's draw; ``weights`` may differ between networks."""
        delta = np.moveaxis(self.drawn.outputs.gradient[:, self.drawn.chosen], 0, 1)
        p = np.diagonal(self.p[index]) if weights.ndim == 1 else self.p[index]
        return np.asarray(_quadratic(weights * p, delta).mean(axis=-1))

    def _with_own(self, draws: Array, weights: Array, index: int) -> Array:
        """Return draws with the scatter of each network's own weights and an unchanged mean."""
        delta = self.drawn.outputs.gradient if index == self.hidden else self.drawn.outputs.passed
        networks, (examples, count, classes) = len(weights), delta.shape
        flat = np.moveaxis(delta.reshape(examples, networks, -1), 0, 1)
        own = _quadratic(weights * self.p[index], flat).reshape(networks, count // networks, classes).mean(axis=2)
        means = draws.reshape(networks, -1).mean(axis=1, keepdims=True)
        size = own.mean(axis=1, keepdims=True)  # 0 where all units are silent
        return np.asarray(means * np.divide(own, size, out=np.zeros_like(own), where=size > 0)).ravel()

    def _own_kernels(self, k: int) -> Array:
        """Return M of each drawn network in a hidden layer, (networks, examples, examples)."""
        f = self.drawn.f[k]
        own = f @ np.swapaxes(f, 1, 2) / f.shape[2]
        return scaled(own, np.sqrt(self.forward.units[k].square[0]))

    def _scattered_gradient(self) -> Samples:
        """Return dC/ds of the output layer with the scatter and shift of q due to the hidden layers."""
        q = self.signal("preactivation", self.hidden)
        normal = generator(0, Purpose.OUTPUT_SCATTER).normal(size=(self.drawn.outputs.logits.shape[1], 1))
        factor = (1 + q.shift) * np.exp(q.variance**0.5 * normal - q.variance / 2)
        return self.drawn.output_gradient(np.sqrt(factor))

    def _single_parts(self, index: int, share: Array, back: Backward, signal: Array | None) -> list[Array]:
        """Return the influence of units through q on gradients of single examples, (networks, units) per layer."""
        derivative = share * back.log_derivative[index] + (0.0 if signal is None else share / signal)
        parts = [self._lower(k, derivative * self.forward.sensitivity(k, index)) for k in range(index)]
        for k in range(index, self.hidden):
            parts.append(self._lower(k, share * back.log_derivative[k + 1] * self.forward.gain[k]))
        return parts

    def _pair_parts(self, index: int, weights: Array, fresh: Array, back: Backward, *, enters: bool) -> list[Array]:
        """Return the influence of units through Q on a gradient of the batch, (networks, units) per hidden layer.

        T is a sum of pairs w_ab D_ab, which depend on the outputs drawn. Its answer to Q^k is carried down: that of D
        through E[f' f'] of layers from ``index`` on, and that of w if it is the kernel M of what ``enters`` the layer.
        """
        delta = np.moveaxis(self.drawn.outputs.gradient[:, self.drawn.chosen], 0, 1)
        total = _positive(fresh)[:, np.newaxis, np.newaxis] * self.kernels.spec.classes
        backprop = self.p[index] * (delta @ np.swapaxes(delta, 1, 2)) / total
        pairs = weights * backprop
        answer = np.zeros_like(pairs)
        _writable_diagonal(answer)[:] = pairs.sum(axis=2) * back.log_derivative[-1]
        parts: list[Array] = []
        for k in range(self.hidden - 1, -1, -1):
            answer = answer * self.forward.gain[k]
            if enters and k == index - 1:
                answer = answer + backprop / self.examples**2
            parts.insert(0, _quadratic(scaled(answer, np.sqrt(self.forward.units[k].square[0])), self.drawn.f[k]))
            answer = self._answer_of(k, 0, answer)
            if k >= index:
                derivative = self.kernels.derivative[k]
                known = np.broadcast_to(derivative != 0, pairs.shape)
                share = np.divide(pairs, derivative, out=np.zeros_like(pairs), where=known)
                answer = answer + self._answer_of(k, 1, share)
        return parts

    def _answer_of(self, k: int, moment: int, answer: Array) -> Array:
        """Return the derivative in Q^k from that in E[f f] (``moment`` 0) or E[f' f'] (1) of the layer."""
        units, pairs = self.forward.units[k], self.pairs[k][moment]
        single = (units.square, units.derivative_square)[moment][1]
        pair = (self.kernels.derivative[k], pairs.pair)[moment]
        others = answer.copy()
        _writable_diagonal(others)[:] = 0
        below = others * pair
        _writable_diagonal(below)[:] = diagonal(answer) * single + 2 * (others * pairs.own).sum(axis=2)
        return below

    def _lower(self, k: int, derivative: Array) -> Array:
        """Return the influence of a layer's units through M, (networks, units), by the ``derivative`` of ln T in M."""
        return _quadratic(derivative * self.forward.units[k].square[0], self.drawn.f[k])

    def _fluctuation(
        self, parts: list[Array], draws: Array, shift: float, factors: tuple[Factor, ...] = ()
    ) -> Fluctuation:
        """Sum the variances within each network; ``parts`` are (networks, units) of the layers.

        Networks whose T is 0, such as of outputs that are saturated and right, have no ln T and are left out.
        """
        layers = (np.log1p(part.var(axis=1, ddof=1) / part.shape[1]) for part in parts)
        variances = sum(layers, start=np.zeros(self.drawn.networks))
        variances = variances[np.isfinite(variances)]
        if len(variances) < MIN_NETWORKS / 2:
            raise AssumptionError(NO_GRADIENTS)
        error = float(variances.std(ddof=1) / len(variances) ** 0.5)
        return Fluctuation(float(variances.mean()), error, draws, shift, factors)


def _quadratic(weights: Array, y: Samples) -> Array:
    """Return the quadratic form y' w y along the last but one axis of y; w is a vector where it is diagonal."""
    size = np.nanmax(np.abs(weights))
    single = (weights / (size or 1.0)).astype(np.float32)
    forms = single @ y**2 if weights.ndim == 1 else ((single @ y) * y).sum(axis=-2)
    return np.asarray(forms * size, dtype=np.float64)


def _relative(values: Array) -> Array:
    """Return values (networks, units) over their means over the units."""
    return np.asarray(values / _positive(values.mean(axis=1, keepdims=True)))


def _positive(values: Array) -> Array:
    """Return values with NaN in place of 0."""
    return np.where(values > 0, values, np.nan)


def _writable_diagonal(kernels: Array) -> Array:
    """Return a writable view of the diagonals of a stack of matrices."""
    return np.asarray(np.einsum("...ii->...i", kernels))


def _forms(weights: Array, delta: Samples) -> Array:
    """Return the mean over the classes of delta' w delta of every draw (examples, draws, classes)."""
    examples, draws, classes = delta.shape
    return np.asarray(_quadratic(weights, delta.reshape(examples, -1)).reshape(draws, classes).mean(axis=1))
