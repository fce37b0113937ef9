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
    "a smaller initialiser"
)
"""Why bands of gradients are refused where outputs are saturated and right."""

Samples = npt.NDArray[np.float32]


class OutputDraws:
    """Output layers drawn over the hidden layers of several networks, in float32.

    Attributes
    ----------
    logits, gradient : (examples, draws, classes)
        s and dC/ds.
    less, more : (examples, draws, classes)
        dC/ds where q is smaller or larger by the share ``STEP``.
    """

    def __init__(self, signal: SignalKernels, roots: Array, targets: Array) -> None:
        self._sampler = OutputSampler(signal.spec.cost_record, targets, roots)
        networks = min(max(LOGITS // self._sampler.size, MIN_DRAWS), MAX_DRAWS)
        self._s = self._sampler.all_logits(-(-networks // len(roots)), Purpose.OUTPUT_DRAWS)
        self.logits: Samples = self._s.astype(np.float32)
        self.gradient, self.less, self.more = (self.gradient_at((1 + share) ** 0.5) for share in (0, -STEP, STEP))

    def gradient_at(self, factor: Array | float) -> Samples:
        """Return dC/ds of logits times a factor, one for all or one for each draw (draws, 1)."""
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
        roots = self._run_forward(inputs)
        if targets is None:  # gradients are not asked for
            targets = np.zeros((self.examples, signal.spec.classes))
        self.outputs = OutputDraws(signal, roots, targets)
        self.chosen = np.arange(self.networks) * (self.outputs.gradient.shape[1] // self.networks)
        self.y: list[Samples] = []

    def _run_forward(self, inputs: Array | None) -> Array:
        """Draw s and f of every hidden layer.

        Returns
        -------
        Roots of the output's kernels, each scaled to the expected q
        """
        spec, record = self.signal.spec, self.signal.spec.activation_record
        kernel = np.broadcast_to(self.signal.preactivation[0], (self.networks, self.examples, self.examples))
        for k, units in enumerate(spec.layer_sizes[1:-1]):
            expected, (square, first, _) = self.forward.q[k], self.forward.units[k].square
            q = diagonal(kernel)
            scale = square * (q / expected) ** (expected * first / square)
            if k or inputs is None:
                s = correlated_draws(kernel, units, self._random)
            else:
                s = np.stack([self._first_layer(inputs) for _ in range(self.networks)])
            f = record.function(s)
            variance = float(self.signal.weight_variance[k + 1])
            kernel = variance * f @ np.swapaxes(f, 1, 2) + float(self.signal.bias_variance[k + 1])
            self.q.append(q)
            self.s.append(_levelled(s, q))
            self.f.append(_levelled(f, scale))
        q = diagonal(kernel)  # 0 of examples whose units are all silent
        return covariance_root(scaled(kernel, np.sqrt(np.divide(self.forward.q[-1], q, where=q > 0, out=0 * q))))

    def _first_layer(self, inputs: Array) -> Array:
        """Draw pre-activations of the first layer, with its own weights: inputs are few or sparse."""
        spec = self.signal.spec
        fan_in, fan_out = spec.fans[0]
        weights = spec.weight_initializer.sample(self._random, fan_in, fan_out)
        return inputs @ weights + spec.bias_initializer.sample(self._random, fan_in, fan_out)

    def run_backward(self) -> None:
        """Draw y = f'(s) h of every hidden layer, h being what comes back, each network with its own output layer."""
        spec, record = self.signal.spec, self.signal.spec.activation_record
        d: Array = np.moveaxis(self.outputs.gradient[:, self.chosen], 0, 1).astype(np.float64)
        for k in range(self.hidden - 1, -1, -1):
            if k == self.hidden - 1:  # few outputs: the kurtosis of the weights counts
                sample, fans = spec.weight_initializer.sample, spec.fans[-1]
                weights = np.stack([sample(self._random, *fans) for _ in range(self.networks)])
                h = d @ np.swapaxes(weights, 1, 2)
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
