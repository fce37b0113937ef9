"""Variance between networks of what is pooled over a batch, unit by unit.

A statistic T of one network is a function of means over the units of its layers. Layer k of n_k units moves ln T by
the mean of their influences x_k, which depend on a unit's pre-activations s over the batch and on the gradients
h = W dC/ds^{k+1} that reach it: T gains a factor of relative variance Var(x_k) / n_k (the delta method; for one example
it is the recursion of Yaida 2020 and Roberts, Yaida & Hanin 2022, and its counterpart for gradients). Factors are taken
as log-normal, Var ln T = sum_k ln(1 + Var(x_k) / n_k), which is exact for E z^2 of ReLU, with 1 + 5/n a layer. Units
are sampled: their variances then hold every correlation between examples, between f and f', and the kurtosis of weights
over few inputs or outputs, without moments of four examples. They come from networks of the widths asked for, drawn
kernel by kernel: given Q^k the units are N(0, Q^k), and Q^{k+1} is the mean over them. The kernels scatter, which adds
to Var(x_k).

With J_kl = dq^l / dM^k and A_l = d ln E (dC/ds^l)^2 / dq (``finite_width``) and c_a the example's share of T, x_k of a
gradient's T in layer l is sum_a c_a A_l J_kl f_a^2 for k < l; of a weight gradient also the response of M^{l-1}. From l
on it is y' w y / T + sum_a c_a A_{k+1} u_k f_a^2 with y = f'(s) h and w the kernels from l to k.

Outputs are few, and their gradients delta are drawn together with the logits s: T is meant given them. Weights met
backward are those of the forward pass: of h = W g' the part along z is v z s'.g'/q' (``finite_width``). With
tau = s.delta / q of the outputs

    D^l_ab = P_ab delta_a.delta_b / K + R_ab (tau_a tau_b - Q_ab delta_a.delta_b / (q_a q_b)),

where P is the product of the kernels n v E[f' f'] between and R that of what is along z,
R^l = n v E[f' f'] R^{l+1} + c c' E[f f' f f'], c = v at the top and c^l = n v M' c^{l+1}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab import initializers
from glorotlab.activations import Activation
from glorotlab.arrays import Array, Labels
from glorotlab.errors import AssumptionError
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory.finite_width import recursions
from glorotlab.theory.finite_width.recursions import Backward, Forward
from glorotlab.theory.gaussian.pair_derivatives import KernelSlopes, kernel_slopes
from glorotlab.theory.mean_field import output_sampling
from glorotlab.theory.mean_field.gradient_independence import along_signal
from glorotlab.theory.mean_field.kernels import LayerKernels
from glorotlab.theory.mean_field.output_law import STEP, output_law

STREAM = 1001
"""Of ``Purpose.QUADRATURE``, and one more."""

SAMPLES, MIN_NETWORKS, MAX_NETWORKS = 2**20, 8, 2**8
"""Pre-activations sampled in the widest layer, over examples, units and networks; least and most networks."""

SLOPE_STRIDE = 4
"""Every how many draws of the outputs their response to q is taken from."""

Samples = npt.NDArray[np.float32]

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
    draws : (networks,)
        T over its mean-field value, of networks that differ in the weights of the output layer alone; 1 where that
        layer does not count.
    shift : float
        Relative shift of E T, apart from that of the draws.
    """

    variance: float
    error: float
    draws: Array
    shift: float


def fluctuations(
    spec: NetworkSpec, layers: list[LayerKernels], forward: Forward, inputs: Array | None, labels: Labels | None
) -> dict[str, list[Fluctuation]]:
    """Return the scatter of every second moment that is pooled over the batch, a list over the layers for each name.

    Parameters
    ----------
    spec : NetworkSpec
    layers : list of LayerKernels
        With the backward pass where gradients are wanted.
    forward : Forward
    inputs : (examples, fan_in), optional
        Without them the first layer's pre-activations are taken as Gaussian, whatever the weights.
    labels : (examples,), optional
        Without them gradients are left out.
    """
    networks = _Networks(spec, layers, forward, inputs, labels)
    names = ("preactivation", "activation", *(() if labels is None else GRADIENTS))
    found: dict[str, list[Fluctuation]] = {name: [] for name in names}
    for index, layer in enumerate(layers):
        for name, values in found.items():
            if name in GRADIENTS:
                values.append(networks.gradient(name, index))
            elif name == "preactivation" or layer.record is not None:
                values.append(networks.signal(name, index))
    return found


def over_depth(
    spec: NetworkSpec, layers: list[LayerKernels], forward: Forward, labels: Labels
) -> tuple[Fluctuation, Fluctuation]:
    """Return two of ``fluctuations`` alone: the last hidden layer's signal and the gradient that reaches the first."""
    networks = _Networks(spec, layers, forward, None, labels)
    return networks.signal("activation", len(layers) - 2), networks.gradient("backprop_gradient", 0)


class _Networks:
    """Units of networks drawn at their width, on a batch; arrays (networks, examples, units) for every hidden layer."""

    def __init__(
        self,
        spec: NetworkSpec,
        layers: list[LayerKernels],
        forward: Forward,
        inputs: Array | None,
        labels: Labels | None,
    ) -> None:
        self.spec, self.layers, self.forward = spec, layers, forward
        self.examples, self.hidden = len(layers[0].preactivation), len(layers) - 1
        self.gain = [float(layer.fan_out * layer.variance) for layer in layers[1:]]
        self.bias = initializers.get_bias(spec.bias).variance
        self.random = generator(0, Purpose.QUADRATURE, STREAM)
        widest = max([*spec.layer_sizes[1:-1], 1])
        self.networks = min(max(SAMPLES // (self.examples * widest), MIN_NETWORKS), MAX_NETWORKS)
        roots = self._run_forward(inputs)
        self.law = output_law(spec, roots, np.zeros(self.examples, dtype=np.int64) if labels is None else labels)
        if labels is not None:
            self._kernels()
            self._run_backward()

    def _run_forward(self, inputs: Array | None) -> Array:
        """Fill s and f of every hidden layer, both of second moment 1 at any q, f by a power law.

        Returns
        -------
        Roots of the output's kernels, each scaled to the expected q.
        """
        self.s: list[Samples] = []
        self.f: list[Samples] = []
        self.q: list[Array] = []
        kernel = np.broadcast_to(self.layers[0].preactivation, (self.networks, self.examples, self.examples))
        for k in range(self.hidden):
            expected, (square, growth, _) = self.forward.q[k], self.forward.responses[k].square
            q = np.diagonal(kernel, axis1=1, axis2=2)
            scale = square * (q / expected) ** (expected * growth / square)
            if k or inputs is None:
                s = _root(kernel) @ self.random.normal(size=(self.networks, self.examples, int(self.layers[k].fan_out)))
            else:
                s = np.stack([self._first_layer(inputs) for _ in range(self.networks)])
            f = _record(self.layers[k]).function(s)
            kernel = float(self.layers[k + 1].variance) * f @ np.swapaxes(f, 1, 2) + self.bias
            self.q.append(q)
            self.s.append(_levelled(s, q))
            self.f.append(_levelled(f, scale))
        q = np.diagonal(kernel, axis1=1, axis2=2)
        return _root(_scaled(kernel, np.sqrt(self.forward.q[-1] / q)))

    def _first_layer(self, inputs: Array) -> Array:
        """Draw pre-activations of the first layer, with its own weights: inputs are few or sparse."""
        fan_in, fan_out = self.spec.fans[0]
        weights = initializers.get(self.spec.initializer).sample(self.random, fan_in, fan_out)
        return inputs @ weights + initializers.get_bias(self.spec.bias).sample(self.random, fan_out)

    def _run_backward(self) -> None:
        """Fill y = f'(s) h of every hidden layer, each network with another draw of the outputs."""
        self.y: list[Samples] = [np.empty(0, dtype=np.float32)] * self.hidden
        draws = self.law.gradient.shape[1]
        self.chosen = np.arange(self.networks) * (draws // self.networks)
        initializer = initializers.get(self.spec.initializer)
        d: Array = np.moveaxis(self.law.gradient[:, self.chosen], 0, 1).astype(np.float64)
        for k in range(self.hidden - 1, -1, -1):
            if k == self.hidden - 1:  # few outputs: the kurtosis of the weights counts
                fans = self.spec.fans[-1]
                weights = np.stack([initializer.sample(self.random, *fans) for _ in range(self.networks)])
                h = d @ np.swapaxes(weights, 1, 2)
            else:
                root = _root(float(self.layers[k + 1].variance) * d @ np.swapaxes(d, 1, 2))
                h = root @ self.random.normal(size=(self.networks, self.examples, int(self.layers[k].fan_out)))
            d = h * _record(self.layers[k]).derivative(self.s[k] * np.sqrt(self.q[k])[:, :, np.newaxis])
            self.y[k] = _levelled(d, np.full(d.shape[:2], (d**2).mean()))

    def _kernels(self) -> None:
        """Set P and R of every layer, and the slopes of M in q."""
        ones = np.ones((self.examples, self.examples))
        self.p, self.r = [ones], [0 * ones]
        self.slopes: list[list[KernelSlopes]] = []
        coefficient = np.full(self.examples, 1 / self.spec.classes)
        for k in range(self.hidden - 1, -1, -1):
            layer, gain = self.layers[k], self.gain[k] * self.layers[k].derivative
            record = _record(layer)
            coefficient = self.gain[k] * coefficient
            self.slopes.insert(
                0, kernel_slopes([record.function, record.derivative], layer.preactivation, record.kinks)
            )
            self.r.insert(0, gain * self.r[0] + np.outer(coefficient, coefficient) * along_signal(record, layer))
            self.p.insert(0, gain * self.p[0])
            coefficient = coefficient * self.forward.responses[k].square[1]

    def signal(self, name: str, index: int) -> Fluctuation:
        """Return the scatter of E s^2 or E f^2."""
        layer, forward = self.layers[index], self.forward
        square, slope, shift = forward.q[index], np.ones(self.examples), forward.preactivation(index)
        if name == "activation":
            (square, slope, _), shift = forward.responses[index].square, forward.activation(index)
        total = square.sum()
        parts = [self._lower(k, slope / total * forward.response(k, index)) for k in range(index)]
        draws = np.ones(1)
        if index < self.hidden:
            parts.append(_quadratic(square / total, (self.s if name == "preactivation" else self.f)[index]))
        else:
            values = self.law.logits if name == "preactivation" else _record(layer).function(self.law.logits)
            draws = (values.astype(np.float64) ** 2).mean(axis=(0, 2))
            draws /= draws.mean()
        return self._fluctuation(parts, draws, float((square * shift).sum() / total))

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
        if index == self.hidden and "weight" not in name:
            return self._fluctuation([], _forms(weights, self._scattered_gradient()) / expected, 0.0)
        draws, fresh, back = self._draws(weights, index)
        signal = self.forward.q[index] - self.bias if index and "weight" in name else None
        if diagonal:
            parts = self._single_parts(index, share, back, signal)
        else:
            parts = self._pair_parts(index, weights, fresh, back, enters=signal is not None)
        for k in range(index, self.hidden):
            own = _quadratic(weights, self.y[k])
            parts[k] = parts[k] + own / _positive(own.mean(axis=1, keepdims=True))
            kernel = self.gain[k] * self.layers[k].derivative
            weights = weights * (np.diagonal(kernel) if diagonal else kernel)
        return self._fluctuation(parts, draws / expected, float((share * back.shift(index, signal)).sum()))

    def _draws(self, weights: Array, index: int) -> tuple[Array, Array, Backward]:
        """T of every draw of the outputs, that of weights met once in each network, and what it responds to."""
        q, kernel = self.forward.q[-1], self.layers[-1].preactivation
        p, r, twice = self.p[index], self.r[index], self.spec.classes * self.r[index] * kernel / np.outer(q, q)
        if weights.ndim == 1:
            p, r, twice = (np.diagonal(each) for each in (p, r, twice))
        law, some = self.law, slice(None, None, SLOPE_STRIDE)
        tau = ((law.logits * law.gradient).sum(axis=2) / q[:, np.newaxis]).astype(np.float32)
        draws = _forms(weights * (p - twice), law.gradient) + _quadratic(weights * r, tau)
        draws = np.maximum(draws, 0)  # to first order it may be negative
        fresh = _forms(weights * p, law.gradient[:, self.chosen])
        three = (_forms(weights * p, each[:, some]) for each in (law.less, law.gradient, law.more))
        low, middle, high = (np.log(each.mean()) for each in three)
        slope, bend = (high - low) / (2 * STEP * q), (high - 2 * middle + low) / (STEP * q) ** 2
        return draws, fresh, recursions.backward(self.forward, slope, bend)

    def _scattered_gradient(self) -> Samples:
        """Return dC/ds of the output layer where q scatters and shifts as the hidden layers make it."""
        found = self.signal("preactivation", self.hidden)
        networks = self.law.logits.shape[1]
        deviation = found.variance**0.5
        normal = generator(0, Purpose.QUADRATURE, STREAM + 1).normal(size=(networks, 1))
        growth = (1 + found.shift) * np.exp(deviation * normal - found.variance / 2)
        return self.law.gradient_of(np.sqrt(growth))

    def _single_parts(self, index: int, share: Array, back: Backward, signal: Array | None) -> list[Array]:
        """Influence of every hidden layer's units through q on a gradient of single examples, (networks, units)."""
        slope = share * back.log_slope[index] + (0.0 if signal is None else share / signal)
        parts = [self._lower(k, slope * self.forward.response(k, index)) for k in range(index)]
        for k in range(index, self.hidden):
            parts.append(self._lower(k, share * back.log_slope[k + 1] * self.forward.up[k]))
        return parts

    def _pair_parts(self, index: int, weights: Array, fresh: Array, back: Backward, *, enters: bool) -> list[Array]:
        """Influence of every hidden layer's units through Q on a gradient of the batch, (networks, units).

        T is a sum of pairs w_ab D_ab, which depend on the outputs drawn. Its answer to Q^k is carried down: that of D
        through E[f' f'] of layers from ``index`` on, and that of w if it is the kernel M of what ``enters`` the layer.
        """
        delta = np.moveaxis(self.law.gradient[:, self.chosen], 0, 1)
        total = _positive(fresh)[:, np.newaxis, np.newaxis] * self.spec.classes
        backprop = self.p[index] * (delta @ np.swapaxes(delta, 1, 2)) / total
        pairs = weights * backprop
        answer = np.zeros_like(pairs)
        _diagonal(answer)[:] = pairs.sum(axis=2) * back.log_slope[-1]
        parts: list[Array] = []
        for k in range(self.hidden - 1, -1, -1):
            answer = answer * self.forward.up[k]
            if enters and k == index - 1:
                answer = answer + backprop / self.examples**2
            parts.insert(0, _quadratic(_scaled(answer, np.sqrt(self.forward.responses[k].square[0])), self.f[k]))
            answer = self._answer_of(k, 0, answer)
            if k >= index:
                derivative = self.layers[k].derivative
                known = np.broadcast_to(derivative != 0, pairs.shape)
                share = np.divide(pairs, derivative, out=np.zeros_like(pairs), where=known)
                answer = answer + self._answer_of(k, 1, share)
        return parts

    def _answer_of(self, k: int, moment: int, answer: Array) -> Array:
        """Return the answer to Q^k of what answers to E[f f] (``moment`` 0) or E[f' f'] (1) of the layer."""
        response, slopes = self.forward.responses[k], self.slopes[k][moment]
        single, pair = (response.square, self.layers[k].derivative) if moment == 0 else (response.slope, slopes.pair)
        others = answer.copy()
        _diagonal(others)[:] = 0
        found = others * pair
        _diagonal(found)[:] = _diagonal(answer) * single[1] + 2 * (others * slopes.own).sum(axis=2)
        return found

    def _lower(self, k: int, slope: Array) -> Array:
        """Influence of a layer's units through M, (networks, units)."""
        return _quadratic(slope * self.forward.responses[k].square[0], self.f[k])

    def _fluctuation(self, parts: list[Array], draws: Array, shift: float) -> Fluctuation:
        """Sum the variances within each network; ``parts`` are (networks, units) of the layers.

        Networks whose T is 0, such as of outputs that are saturated and right, have no ln T and are left out.
        """
        layers = (np.log1p(part.var(axis=1, ddof=1) / part.shape[1]) for part in parts)
        each = sum(layers, start=np.zeros(self.networks))
        each = each[np.isfinite(each)]
        if len(each) < MIN_NETWORKS / 2:
            raise AssumptionError(
                "outputs are so large that gradients are 0 in most networks, which have no band: predict without a "
                "level, or use a smaller initialiser"
            )
        return Fluctuation(float(each.mean()), float(each.std(ddof=1) / len(each) ** 0.5), draws, shift)


def _record(layer: LayerKernels) -> Activation:
    assert layer.record is not None  # noqa: S101
    return layer.record


def _quadratic(weights: Array, y: Samples) -> Array:
    """Quadratic form y' w y along the last but one axis of y; w is a vector where it is diagonal."""
    size = np.nanmax(np.abs(weights))
    scaled = (weights / (size or 1.0)).astype(np.float32)
    found = scaled @ y**2 if weights.ndim == 1 else ((scaled @ y) * y).sum(axis=-2)
    return np.asarray(found * size, dtype=np.float64)


def _positive(values: Array) -> Array:
    """Return values, those that are 0 as not a number."""
    return np.where(values > 0, values, np.nan)


def _diagonal(kernels: Array) -> Array:
    """Diagonals of a stack of matrices, to be written to."""
    return np.asarray(np.einsum("...ii->...i", kernels))


def _scaled(kernel: Array, scale: Array) -> Array:
    """Multiply rows and columns by ``scale``."""
    return np.asarray(kernel * scale[..., :, np.newaxis] * scale[..., np.newaxis, :])


def _levelled(values: npt.NDArray[np.floating[Any]], second_moment: Array) -> Samples:
    """Divide samples (networks, examples, units) by the root of their second moment (networks, examples)."""
    return np.asarray(values / np.sqrt(second_moment)[:, :, np.newaxis], dtype=np.float32)


def _forms(weights: Array, delta: Samples) -> Array:
    """Mean over the classes of delta' w delta of every draw (examples, draws, classes)."""
    examples, draws, classes = delta.shape
    return np.asarray(_quadratic(weights, delta.reshape(examples, -1)).reshape(draws, classes).mean(axis=1))


def _root(kernel: Array) -> Array:
    diagonal = np.diagonal(kernel, axis1=-2, axis2=-1).max(axis=-1)[..., np.newaxis, np.newaxis]
    diagonal = np.where(diagonal > 0, diagonal, 1.0)
    return np.asarray(np.linalg.cholesky(kernel + np.eye(kernel.shape[-1]) * (output_sampling.JITTER * diagonal)))
