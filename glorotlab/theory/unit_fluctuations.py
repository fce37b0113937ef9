"""Variance between networks of what is pooled over a batch, unit by unit.

A statistic T of one network is a function of means over the units of its layers. To first order, layer k of n_k units
moves ln T by the mean of their influences x_k, which depend on the unit's pre-activations s ~ N(0, Q^k) over the batch
and on the gradients h = W dC/ds^{k+1} that reach it, so that Var ln T = sum_k Var(x_k) / n_k (the delta method; for one
example it is the recursion of Yaida 2020 and Roberts, Yaida & Hanin 2022, and its counterpart for gradients). Units
are sampled: their variances then hold every correlation between examples, between f and f', and the kurtosis of
weights over few inputs or outputs, without moments of four examples.

Outputs are few, and their gradients delta are drawn together with the logits s: T is meant given them. Weights met
backward are those of the forward pass: of h = W g' the part along z is v z s'.g'/q' (``finite_width``). With
tau = s.delta / q of the outputs D^l_ab = P_ab delta_a.delta_b / K + R_ab (tau_a tau_b - Q_ab delta_a.delta_b / (q_a q_b)),
where P is the product of the kernels n v E[f' f'] between and R that of what is along z,
R^l = n v E[f' f'] R^{l+1} + c c' E[f f' f f'], c = v at the top and c^l = n v M' c^{l+1}.

With J_kl = dq^l / dM^k and A_l = d ln E (dC/ds^l)^2 / dq (``finite_width``) and c_a the example's share of T, x_k of a
gradient's T in layer l is sum_a c_a A_l J_kl (f_a^2 - M_a) for k < l; of a weight gradient also the response of
M^{l-1}. From l on it is y' w y / T - 1 + sum_a c_a A_{k+1} u_k (f_a^2 - M_a) with y = f'(s) h and w the kernels from l
to k.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from glorotlab import initializers
from glorotlab.activations import Activation
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory import output_draws, quadrature
from glorotlab.theory.finite_width import Chain
from glorotlab.theory.mean_field import LayerKernels
from glorotlab.theory.output_law import OutputLaw
from glorotlab.theory.pair_series import correlation, mehler_sum
from glorotlab.theory.quadrature import Array

STREAM = 2
"""Of ``Purpose.QUADRATURE``, and those after it: one for each layer."""

SAMPLES, MIN_UNITS, MAX_UNITS = 2**20, 2**10, 2**14
"""Pre-activations sampled for each layer, over examples and units, and the least and most units."""

TERMS = 64
"""Terms of the Hermite series of pair kernels."""

GRADIENTS = ("backprop_gradient", "example_weight_gradient", "batch_weight_gradient", "batch_bias_gradient")


@dataclass(frozen=True)
class Fluctuation:
    """Scatter of one second moment of one layer between networks.

    Parameters
    ----------
    variance : float
        Var ln T due to the finite width of the hidden layers.
    error : float
        Standard error of it.
    draws : (networks,) or None
        T over its mean-field value, of networks that differ in the weights of the output layer alone; 1 for all where
        that layer does not count.
    share : (examples,)
        Of each example in T.
    """

    variance: float
    error: float
    draws: Array
    share: Array


def fluctuations(
    spec: NetworkSpec, layers: list[LayerKernels], chain: Chain, law: OutputLaw, gradients: bool = True
) -> dict[str, list[Fluctuation]]:
    """Return the scatter of every second moment that is pooled over the batch, a list over the layers for each name.

    Parameters
    ----------
    spec : NetworkSpec
    layers : list of LayerKernels
        With the backward pass where gradients are wanted.
    chain : Chain
    law : OutputLaw
    gradients : bool
    """
    batch = _Batch(spec, layers, chain, law, gradients)
    found = {"preactivation": [], "activation": []} | ({name: [] for name in GRADIENTS} if gradients else {})
    for index in range(len(layers)):
        for name, values in found.items():
            if name in GRADIENTS:
                values.append(batch.gradient(name, index))
            elif name == "preactivation" or layers[index].record is not None:
                values.append(batch.signal(name, index))
    return found


class _Batch:
    """Sampled units of every hidden layer of a network on a batch."""

    def __init__(
        self, spec: NetworkSpec, layers: list[LayerKernels], chain: Chain, law: OutputLaw, gradients: bool
    ) -> None:
        self.spec, self.layers, self.chain, self.law = spec, layers, chain, law
        self.examples, self.hidden = len(law.gradient), len(layers) - 1
        self.units = min(max(SAMPLES // self.examples, MIN_UNITS), MAX_UNITS)
        self.chosen = np.arange(self.units) % law.gradient.shape[1]
        self.gain = [float(layer.fan_out * layer.variance) for layer in layers[1:]]
        random = [generator(0, Purpose.QUADRATURE, STREAM + index) for index in range(self.hidden)]
        shape = self.examples, self.units
        self.s = [_root(layers[k].preactivation) @ random[k].normal(size=shape) for k in range(self.hidden)]
        records = [_record(layer) for layer in layers[:-1]]
        self.f = [record.function(s) for record, s in zip(records, self.s, strict=True)]
        self.centred = [
            f**2 - np.diagonal(layer.activation)[:, np.newaxis] for f, layer in zip(self.f, layers[:-1], strict=True)
        ]
        if gradients:
            self._kernels()
            slopes = [record.derivative(s) for record, s in zip(records, self.s, strict=True)]
            self.y = [slopes[k] * self._incoming(k, random[k]) for k in range(self.hidden)]

    def _kernels(self) -> None:
        """Set P and R of every layer, and the slopes of M in q."""
        ones = np.ones((self.examples, self.examples))
        self.p, self.r, self.signal_slopes = [ones], [0 * ones], []
        coefficient = np.full(self.examples, 1 / self.spec.classes)
        for k in range(self.hidden - 1, -1, -1):
            layer, slope = self.layers[k], self.gain[k] * self.layers[k].derivative
            record, q = _record(layer), np.diagonal(layer.preactivation)
            rho = correlation(layer.preactivation)

            def scaled(s: Array, record: Activation = record) -> Array:
                return s * record.derivative(s)

            def product(s: Array, record: Activation = record) -> Array:
                return record.function(s) * record.derivative(s)

            functions = [record.function, scaled, product]
            series = quadrature.hermite_coefficients(functions, q, TERMS, record.kinks)
            squares = quadrature.expectations([lambda s, g=g: g(s) ** 2 for g in functions], q, record.kinks)
            grown = mehler_sum(series[1], series[0], rho, squares[1], squares[0])[0]
            self.signal_slopes.insert(0, (grown - layer.preactivation * layer.derivative) / (2 * q[:, np.newaxis]))
            both = mehler_sum(series[2], series[2], rho, squares[2], squares[2])[0]
            np.fill_diagonal(both, squares[2])
            coefficient = self.gain[k] * coefficient
            self.r.insert(0, slope * self.r[0] + np.outer(coefficient, coefficient) * both)
            self.p.insert(0, slope * self.p[0])
            coefficient = coefficient * self.chain.responses[k].square[1]

    def _incoming(self, k: int, random: np.random.Generator) -> Array:
        """Draw h for the units of one layer, each of another network's outputs.

        Given the outputs, the independent part is sum_k u_k delta_k with Gaussian u_k(a), independent over k, whose
        covariance over the examples is P; directly below the outputs u_k is the weight itself.
        """
        delta = self.law.gradient
        if k == self.hidden - 1:
            initializer, drawn = initializers.get(self.spec.initializer), []
            while sum(map(len, drawn)) < self.units:
                drawn.append(initializer.sample(random, *self.spec.fans[-1]))
            weights = np.concatenate(drawn)[: self.units]
            return np.einsum("amk,mk->am", delta[:, self.chosen], weights)
        root = _root(self.gain[k] / self.spec.classes * self.p[k + 1])
        h = np.zeros((self.examples, self.units))
        for c in range(self.spec.classes):
            h += (root @ random.normal(size=h.shape)) * delta[:, self.chosen, c]
        return h

    def _response(self, k: int, index: int) -> Array:
        """J: dq of layer ``index`` by dM of layer k below it."""
        found = np.full(self.examples, self.chain.up[k])
        for above in range(k + 1, index):
            found *= self.chain.responses[above].square[1] * self.chain.up[above]
        return found

    def signal(self, name: str, index: int) -> Fluctuation:
        """Return the scatter of E s^2 or E f^2."""
        layer = self.layers[index]
        q = np.diagonal(layer.preactivation)
        share, slope = q / q.sum(), 1 / q.sum() * np.ones_like(q)
        if name == "activation":
            square, growth, _ = self.chain.responses[index].square
            share, slope = square / square.sum(), growth / square.sum()
        influences = [(slope * self._response(k, index)) @ self.centred[k] for k in range(index)]
        if index < self.hidden:
            values = self.s[index] if name == "preactivation" else self.f[index]
            total = q.sum() if name == "preactivation" else np.diagonal(layer.activation).sum()
            return self._fluctuation([*influences, (values**2).sum(axis=0) / total], np.ones(1), share)
        values = self.law.logits if name == "preactivation" else _record(layer).function(self.law.logits)
        draws = (values**2).mean(axis=(0, 2))
        return self._fluctuation(influences, draws / draws.mean(), share)

    def gradient(self, name: str, index: int) -> Fluctuation:
        """Return the scatter of a gradient's second moment."""
        layer, size = self.layers[index], self.examples
        weights = {
            "backprop_gradient": np.full(size, 1 / size),
            "example_weight_gradient": np.diagonal(layer.below) / size,
            "batch_weight_gradient": layer.below / size**2,
            "batch_bias_gradient": np.full((size, size), 1 / size**2),
        }[name]
        diagonal = weights.ndim == 1
        shares = weights * (np.diagonal(layer.backprop) if diagonal else layer.backprop)
        expected = float(shares.sum())
        share = (shares if diagonal else shares.sum(axis=1)) / expected
        draws, fresh = self._draws(weights, index)
        influences = [(share * self.chain.log_slope[index] * self._response(k, index)) @ self.centred[k] for k in range(index)]
        if index and name == "example_weight_gradient":
            signal = self.gain_signal(index)
            for k in range(index):
                influences[k] += (share / signal * self._response(k, index)) @ self.centred[k]
        if index and name == "batch_weight_gradient":
            for k, influence in self._signal_part(index, fresh):
                influences[k] += influence
        for k in range(index, self.hidden):
            slope = share * self.chain.log_slope[k + 1] * self.chain.up[k]
            influences.append(_quadratic(weights, self.y[k]) / fresh[self.chosen] + slope @ self.centred[k])
            kernel = self.gain[k] * self.layers[k].derivative
            weights = weights * (np.diagonal(kernel) if diagonal else kernel)
        return self._fluctuation(influences, draws / expected, share)

    def gain_signal(self, index: int) -> Array:
        """Return the part of q that the layer below sends."""
        return np.diagonal(self.layers[index].preactivation) - initializers.get_bias(self.spec.bias).variance

    def _draws(self, weights: Array, index: int) -> tuple[Array, Array]:
        """T of every draw of the outputs, and that of weights met once."""
        q = np.diagonal(self.layers[-1].preactivation)
        p, r = self.p[index], self.r[index]
        both = self.spec.classes * r * self.layers[-1].preactivation / np.outer(q, q)
        if weights.ndim == 1:
            p, r, both = (np.diagonal(each) for each in (p, r, both))
        examples, networks, classes = self.law.gradient.shape
        flat = self.law.gradient.reshape(examples, -1)
        fresh = _quadratic(weights * p, flat).reshape(networks, classes).mean(axis=1)
        own = _quadratic(weights * both, flat).reshape(networks, classes).mean(axis=1)
        return fresh - own + _quadratic(weights * r, self.law.projection), fresh

    def _signal_part(self, index: int, draws: Array) -> Iterator[tuple[int, Array]]:
        """Yield the layers below and how their units move T through the kernel M of what enters the layer.

        T is linear in M, with weights that depend on the outputs drawn; Price's theorem carries them down: of
        different examples, dM_ab/dQ_ab = E[f'_a f'_b].
        """
        weights = self.p[index] / self.examples**2
        square = (self.law.gradient**2).mean(axis=2)
        diagonal = np.diagonal(weights)[:, np.newaxis] * square
        weights = weights * (1 - np.eye(self.examples))
        delta, classes = self.law.gradient, self.spec.classes
        for k in range(index - 1, -1, -1):
            influence = (diagonal[:, self.chosen] * self.f[k] ** 2).sum(axis=0)
            mean = (diagonal * np.diagonal(self.layers[k].activation)[:, np.newaxis]).sum(axis=0)
            for c in range(classes):
                influence += _quadratic(weights, delta[:, self.chosen, c] * self.f[k]) / classes
            flat = delta.reshape(self.examples, -1)
            mean += _quadratic(weights * self.layers[k].activation, flat).reshape(-1, classes).mean(axis=1)
            yield k, (influence - mean[self.chosen]) / draws[self.chosen]
            if not k:
                break
            below = 2 * weights * self.signal_slopes[k]
            grown = ((below @ flat) * flat).reshape(self.examples, -1, classes).mean(axis=2)
            up = self.chain.up[k - 1]
            diagonal = up * (diagonal * self.chain.responses[k].square[1][:, np.newaxis] + grown)
            weights = up * weights * self.layers[k].derivative

    def _fluctuation(self, influences: list[Array], draws: Array, share: Array) -> Fluctuation:
        variance = square_error = 0.0
        for k, influence in enumerate(influences):
            square = (influence - influence.mean()) ** 2
            width = float(self.layers[k].fan_out)
            variance += float(square.mean()) / width
            square_error += float(square.var()) / len(square) / width**2
        return Fluctuation(variance, square_error**0.5, draws, share)


def _record(layer: LayerKernels) -> Activation:
    assert layer.record is not None  # noqa: S101
    return layer.record


def _quadratic(weights: Array, y: Array) -> Array:
    """y' w y of every column; w is a vector where it is diagonal."""
    if weights.ndim == 1:
        return np.asarray(weights @ y**2)
    return np.asarray(((weights @ y) * y).sum(axis=0))


def _root(kernel: Array) -> Array:
    jitter = output_draws.JITTER * np.diagonal(kernel).max()
    return np.asarray(np.linalg.cholesky(kernel + np.eye(len(kernel)) * jitter))
