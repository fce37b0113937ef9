"""Units of networks drawn at their width, kernel by kernel, on a batch; their outputs are drawn together.

Given Q of a layer its units are N(0, Q), and Q of the next layer is the mean over them; given the gradient that comes
back to a layer, what it sends down is Gaussian too. Where few weights meet, in the first layer and below the outputs,
weights are drawn by their own law.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.streams import Purpose, generator
from glorotlab.theory.finite_width.recursions import Forward
from glorotlab.theory.gaussian.sampling import correlated_draws, covariance_root
from glorotlab.theory.mean_field.kernels import SignalKernels, diagonal
from glorotlab.theory.mean_field.output_sampling import OutputSampler

SAMPLES, MIN_NETWORKS, MAX_NETWORKS = 2**20, 8, 2**8
"""Pre-activations sampled in the widest layer, over examples, units and networks; least and most networks."""

LOGITS, MIN_DRAWS, MAX_DRAWS = 2**22, 2**6, 2**12
"""Logits drawn in all, and the least and most networks they are of."""

STEP = 0.05
"""Relative step in q of the differences that give the derivative of the output gradient in q."""

NO_GRADIENTS = (
    "outputs are so large that gradients are 0 in most networks, which have no band: predict without a level, or use "
    "a smaller initializer"
)
"""Reason for refusing bands of gradients where outputs are saturated and correct."""

Samples = npt.NDArray[np.float32]


MAX_OUTPUTS = 64
"""Largest number of outputs whose weights are drawn with the logits; with more outputs their scatter is small."""


SMALLEST_SQUARE = 1e-6
"""Least mean square of an output's weights, relative to its expectation."""


class OutputDraws:
    """Output layers drawn over the hidden layers of several networks, in float32.

    Logits, and what their gradients become on the way back, belong to the same weights W = sqrt(v) w: with a root R of
    the kernel of what enters, s is R x, x being the part of w along it, and gradients of two examples that are passed
    back have the scalar product d_a w'w d_b. Where examples are many, s tells all of w'w.

    Attributes
    ----------
    logits, gradient : (examples, draws, classes)
        s and dC/ds.
    less, more : (examples, draws, classes)
        dC/ds where q is smaller or larger by the share ``STEP``.
    passed : (examples, draws, classes)
        dC/ds times a root of w'w / n, to be taken in its place below the output layer.
    meets : bool
        Whether ``passed`` is more than dC/ds.
    """

    def __init__(self, signal: SignalKernels, roots: Array, biases: Array, targets: Array) -> None:
        self._sampler = OutputSampler(signal.spec.cost_record, targets, roots)
        networks = min(max(LOGITS // self._sampler.size, MIN_DRAWS), MAX_DRAWS)
        each, (examples, outputs) = -(-networks // len(roots)), targets.shape
        random = generator(0, Purpose.OUTPUT_DRAWS)
        x = random.normal(size=(len(roots), roots.shape[2], each * outputs))
        s = roots @ x
        if biases.any():
            s += biases[:, :, np.newaxis] * random.normal(size=(len(roots), 1, each * outputs))
        self._s = np.moveaxis(s, 0, 1).reshape(examples, -1, outputs)
        self.logits: Samples = self._s.astype(np.float32)
        self.gradient, self.less, self.more = (self.gradient_at((1 + share) ** 0.5) for share in (0, -STEP, STEP))
        self.passed, self.meets = self.gradient, signal.layers > 1 and 1 < outputs <= MAX_OUTPUTS
        if self.meets:
            x = np.swapaxes(x.reshape(len(roots), -1, each, outputs), 1, 2).reshape(-1, roots.shape[2], outputs)
            root = np.linalg.cholesky(self._products(signal, x, random))
            self.passed = np.einsum("edk,dkl->edl", self.gradient, root.astype(np.float32))

    def _products(self, signal: SignalKernels, x: Array, random: np.random.Generator) -> Array:
        """Return w'w / n of every draw, (draws, classes, classes): a part along x, and a Wishart matrix of the rest."""
        draws, known, outputs = x.shape
        units = signal.spec.layer_sizes[-2]
        products = np.swapaxes(x, 1, 2) @ x
        rest = units - known
        if rest >= outputs:
            root = np.tril(random.normal(size=(draws, outputs, outputs)), -1)
            places = np.arange(outputs)
            root[:, places, places] = np.sqrt(random.chisquare(rest - places, size=(draws, outputs)))
        else:
            root = random.normal(size=(draws, outputs, max(rest, 0)))
        products = (products + root @ np.swapaxes(root, 1, 2)) / units
        kurtosis = signal.spec.weight_initializer.excess_kurtosis(*signal.spec.fans[-1])
        squares = np.maximum(np.einsum("dkk->dk", products), SMALLEST_SQUARE)
        own = 1 + np.sqrt(max(1 + kurtosis / 2, 0)) * (squares - 1)  # of another variance
        products = scaled(products, np.sqrt(np.maximum(own, SMALLEST_SQUARE) / squares))
        products += SMALLEST_SQUARE * np.eye(outputs)  # units may be fewer than outputs
        return products

    def gradient_at(self, factor: Array | float) -> Samples:
        """Return dC/ds at the logits times a factor, which is one number or one per draw, (draws, 1)."""
        return self._sampler.gradient(self._s * factor).astype(np.float32)


class DrawnNetworks:
    """Units of drawn networks; lists over the hidden layers, of arrays (networks, examples, units).

    Attributes
    ----------
    networks : int
    q : list of arrays (networks, examples)
        Second moments of the pre-activations given the layer below.
    s, f : list of arrays
        Pre-activations and activations, scaled to second moment 1 at any q, f by a power law.
    y : list of arrays
        Gradients dC/ds, each layer scaled to second moment 1; filled by ``run_backward``.
    h : array
        What comes back to the last hidden layer, scaled to second moment 1; filled by ``run_backward``.
    outputs : OutputDraws
    chosen : array of int (networks,)
        Which draw of the outputs each network has on its way back.
    """

    def __init__(self, signal: SignalKernels, forward: Forward, inputs: Array | None, targets: Array | None) -> None:
        self.signal, self.forward = signal, forward
        self.examples, self.hidden = signal.examples, signal.layers - 1
        self._random = generator(0, Purpose.HIDDEN_UNITS)
        widths = signal.spec.layer_sizes[1:-1]
        if 1 in widths:
            raise AssumptionError(
                f"layers {signal.spec.layers} are too narrow for bands: how the units of a layer scatter is not known "
                "from one unit, allowed are 2 or more in every hidden layer: use wider ones, or measure several seeds"
            )
        widest = max([*widths, 1])
        self.networks = min(max(SAMPLES // (self.examples * widest), MIN_NETWORKS), MAX_NETWORKS)
        self.s: list[Samples] = []
        self.f: list[Samples] = []
        self.q: list[Array] = []
        roots, biases, self._own = self._run_forward(inputs)
        if targets is None:  # gradients are not asked for
            targets = np.zeros((self.examples, signal.spec.classes))
        self.outputs = OutputDraws(signal, roots, biases, targets)
        self.chosen = np.arange(self.networks) * (self.outputs.gradient.shape[1] // self.networks)
        self.y: list[Samples] = []
        self.h: Samples = np.empty(0, dtype=np.float32)

    def _run_forward(self, inputs: Array | None) -> tuple[Array, Array, Array]:
        """Draw s and f of every hidden layer.

        Returns
        -------
        Roots of the output's kernels but for biases, (networks, examples, columns), and the biases' standard
        deviations, (networks, examples), each scaled to the expected q; and the factors of logits (networks, examples)
        that undo this, but for what all examples of a network have in common
        """
        spec, record = self.signal.spec, self.signal.spec.activation_record
        kernel = np.broadcast_to(self.signal.preactivation[0], (self.networks, self.examples, self.examples))
        bias, f = self.signal.bias_variance, None
        for k, units in enumerate(spec.layer_sizes[1:-1]):
            expected, (square, first, _) = self.forward.q[k], self.forward.units[k].square
            q = diagonal(kernel)
            scale = square * (q / expected) ** (expected * first / square)
            if k or inputs is None:
                s = correlated_draws(kernel, units, self._random)
            else:
                s = np.stack([self._first_layer(inputs) for _ in range(self.networks)])
            f = record.function(s)
            kernel = float(self.signal.weight_variance[k + 1]) * f @ np.swapaxes(f, 1, 2) + float(bias[k + 1])
            self.q.append(q)
            self.s.append(_levelled(s, q))
            self.f.append(_levelled(f, scale))
        q = diagonal(kernel)  # 0 of examples whose units are all silent
        level = np.sqrt(np.divide(self.forward.q[-1], q, where=q > 0, out=0 * q))
        pooled = np.sqrt(q.mean(axis=1, keepdims=True) / self.forward.q[-1].mean())
        own = np.divide(1.0, level * pooled, where=level * pooled > 0, out=np.ones_like(level))
        biases = float(bias[-1]) ** 0.5 * level
        if f is not None and f.shape[2] < self.examples:
            root = float(self.signal.weight_variance[-1]) ** 0.5 * f * level[:, :, np.newaxis]
        else:
            root = covariance_root(scaled(kernel, level) - (scaled(float(bias[-1]) * np.ones_like(kernel), level)))
        return np.asarray(root), biases, own

    def output_gradient(self, factor: Array) -> Samples:
        """Return dC/ds of the outputs with each network's own q, times a common ``factor`` of the logits, (draws, 1).

        What cancels over the batch, such as logits of inputs that are centered, cancels with q of one network alone.
        """
        own = np.repeat(self._own, len(factor) // self.networks, axis=0).T
        return self.outputs.gradient_at(own[:, :, np.newaxis] * factor)

    def _first_layer(self, inputs: Array) -> Array:
        """Draw pre-activations of the first layer, with its own weights: inputs are few or sparse."""
        spec = self.signal.spec
        fan_in, fan_out = spec.fans[0]
        weights = spec.weight_initializer.sample(self._random, fan_in, fan_out)
        return inputs @ weights + spec.bias_initializer.sample(self._random, fan_in, fan_out)

    def run_backward(self) -> None:
        """Draw y = f'(s) h of every hidden layer, with h the gradient by each network's output layer."""
        spec, record = self.signal.spec, self.signal.spec.activation_record
        d: Array = np.moveaxis(self.outputs.gradient[:, self.chosen], 0, 1).astype(np.float64)
        for k in range(self.hidden - 1, -1, -1):
            if k == self.hidden - 1:  # few outputs: the kurtosis of the weights counts
                sample, fans = spec.weight_initializer.sample, spec.fans[-1]
                weights = np.stack([sample(self._random, *fans) for _ in range(self.networks)])
                h = d @ np.swapaxes(weights, 1, 2)
                self.h = _levelled(h, np.full(h.shape[:2], (h**2).mean()))
            else:
                variance = float(self.signal.weight_variance[k + 1])
                h = correlated_draws(variance * d @ np.swapaxes(d, 1, 2), spec.layer_sizes[k + 1], self._random)
            d = h * record.derivative(self.s[k] * np.sqrt(self.q[k])[:, :, np.newaxis])
            square = (d**2).mean()
            if not square > 0:
                raise AssumptionError(NO_GRADIENTS)
            self.y.insert(0, _levelled(d, np.full(d.shape[:2], square)))


def scaled(kernel: Array, scale: Array) -> Array:
    """Multiply rows and columns of a stack of kernels by ``scale``."""
    return np.asarray(kernel * scale[..., :, np.newaxis] * scale[..., np.newaxis, :])


def _levelled(values: npt.NDArray[np.floating[Any]], second_moment: Array) -> Samples:
    """Divide samples (networks, examples, units) by the root of their second moment (networks, examples)."""
    return np.asarray(values / np.sqrt(second_moment)[:, :, np.newaxis], dtype=np.float32)
