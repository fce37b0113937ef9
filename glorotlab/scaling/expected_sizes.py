"""Expected sizes of the pre-activations of a network at update 0, and of their changes by the first update.

Sizes are second moments over units and examples. Those of update 0 are mean-field theory's; those of the changes are to
first order in the learning rate, by the recursion of docs/theory/updates.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array, FloatArray, Targets
from glorotlab.scaling.scaled_network import ZERO, ScaledNetwork
from glorotlab.theory.finite_width import recursions
from glorotlab.theory.gaussian.moments import moments
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.kernels import SignalKernels, diagonal
from glorotlab.theory.mean_field.propagate import Propagation, propagate
from glorotlab.threads import single_threaded_blas


@dataclass(frozen=True)
class ExpectedSizes:
    """Second moments of one network, (layers,) each.

    Parameters
    ----------
    coordinate : (layers,)
        Of the pre-activations at update 0, with the shift of a finite width where that is known.
    change : (layers,)
        Of their change by the first update.
    scatter : (layers,) or None
        Relative variance of ``coordinate`` between networks; None where the theory has none.
    left_out : float
        Order of the relative correction for a finite width that is left out.
    """

    coordinate: Array
    change: Array
    scatter: Array | None
    left_out: float

    @property
    def zero(self) -> npt.NDArray[np.bool_]:
        """Whether the pre-activations of update 0, and their change, are 0 at this width, (2, layers)."""
        sizes = np.stack([self.coordinate, self.change])
        return np.asarray(sizes < ZERO**0.5 * sizes.max(axis=1, keepdims=True))


@single_threaded_blas()
def expected_sizes(network: ScaledNetwork, x: FloatArray, y: Targets, learning_rate: float) -> ExpectedSizes:
    """Return the sizes of a network on its training batch.

    Raises
    ------
    AssumptionError
        Where mean-field theory has nothing to say; see ``predict``.
    """
    spec, variance = network.spec, network.weight_variance
    batch = batch_of(spec, inputs=x, labels=y)
    propagation = propagate(spec, batch, narrow=True, weight_variance=variance)
    signal, finite = propagation.signal, recursions.forward(propagation.signal)
    shift = np.stack([finite.preactivation(layer) for layer in range(signal.layers)])
    coordinate = (signal.q * (1 + shift)).mean(axis=1)
    change = _change(propagation, network, learning_rate)
    return ExpectedSizes(coordinate, change, _scatter(signal), propagation.finite_width_error)


def _change(propagation: Propagation, network: ScaledNetwork, learning_rate: float) -> Array:
    """Return the second moments of the first change of the pre-activations, (layers,)."""
    signal, gradient = propagation.signal, propagation.gradient
    assert gradient is not None  # noqa: S101
    rates = -learning_rate / signal.examples * network.weight_rate * signal.fan_in
    answer, square, gated, changes = np.zeros(()), np.zeros(signal.examples), np.zeros(()), []
    scatter: list[_KernelScatter] = []
    for layer, rate in enumerate(rates.tolist()):
        passed = signal.forward_gain[layer] * signal.derivative[layer - 1] if layer else np.zeros(())
        bias = -learning_rate / signal.examples * network.bias_rate[layer]
        answer = passed * answer + rate * signal.below[layer] + bias
        if layer:
            one, kernel_gain = np.ones_like(passed), signal.forward_gain[layer - 1] * signal.derivative[layer - 1]
            scatter = [
                *(source.passed_on(kernel_gain, passed, rate) for source in scatter),
                _KernelScatter(signal.below[layer] / signal.fan_in[layer] ** 0.5, one, rate * one),
            ]
        backprop = gradient.backprop[layer]
        square = diagonal(passed) * square + gated if layer else square
        square = square + _forms(answer, backprop) + sum(source.square(backprop) for source in scatter)
        changes.append(float(square.mean()))
        if layer < signal.layers - 1:
            above = signal.backward_gain[layer + 1] * gradient.backprop[layer + 1]
            gated = signal.forward_gain[layer + 1] * _gated(signal, layer, answer, above)
    return np.array(changes)


def _gated(signal: SignalKernels, layer: int, answer: Array, above: Array) -> Array:
    """Return the effect of E[f'_a^2 f'_b f'_c] - E[f'_a^2] E[f'_b f'_c] on the change of the layer above, (examples,).

    The change of a unit has the factors f' of the gradients that make it, and is sent up by f' once more: where one is
    0 so is the other. With m = E f' and Cov(f'_a^2, f'_b) = 2 m_a Cov(f'_a, f'_b) it adds 2 m_a (m_c Cov(f'_a, f'_b) +
    m_b Cov(f'_a, f'_c)), which is exact for ReLU; ``above`` is D without these factors.
    """
    mean = moments(signal.spec.activation_record, signal.q[layer]).derivative_mean
    covariance = signal.derivative[layer] - np.outer(mean, mean)
    return np.asarray(4 * mean * (((answer * covariance) @ above) * (mean * answer)).sum(axis=1))


@dataclass(frozen=True)
class _KernelScatter:
    """Scatter of the kernel M of a layer of n units, and the derivatives of a layer above in it.

    Parameters
    ----------
    kernel : (examples, examples)
        M / sqrt(n): M_ab and M_ac of one network have the covariance (M_aa M_bc + M_ab M_ac) / n, of Gaussian z.
    above : (examples, examples)
        Derivative of the kernel that enters the layer above.
    answer : (examples, examples)
        Derivative of that layer's tangent kernel C.
    """

    kernel: Array
    above: Array
    answer: Array

    def passed_on(self, kernel_gain: Array, passed: Array, rate: float) -> _KernelScatter:
        """Return the derivatives one layer further up, where M and C gain these factors."""
        above = kernel_gain * self.above
        return _KernelScatter(self.kernel, above, passed * self.answer + rate * above)

    def square(self, backprop: Array) -> Array:
        """Return the contribution of the scatter to the second moments of the change, (examples,)."""
        alone = diagonal(self.kernel) * _forms(self.answer, self.kernel * backprop)
        return np.asarray(alone + _forms(self.answer * self.kernel, backprop))


def _forms(rows: Array, matrix: Array) -> Array:
    """Return r' matrix r of every row r."""
    return np.asarray(((rows @ matrix) * rows).sum(axis=1))


def _scatter(signal: SignalKernels) -> Array | None:
    """Return the relative variances between networks of the pre-activations' second moments, (layers,).

    Cov(Q_aa, Q_bb) of one network is (n v)^2 times what it was a layer below, carried by dE[f^2]/dq, and
    Cov(f_a^2, f_b^2) / n of its own units; given Q the mean over units adds 2 E Q_ab^2 / n, with the scatter of Q_ab,
    which many pairs add up. Squares of activations are taken to be correlated as squares of the pre-activations are
    where f is odd, and half as these and half as the pre-activations elsewhere (ReLU: two fifths and three). None where
    weights depend on each other, as do the units then.
    """
    if not signal.spec.weight_initializer.independent:
        return None
    record, covariance, pairs, variances = signal.spec.activation_record, np.zeros(()), np.zeros(()), []
    for layer, fan_out in enumerate(signal.fan_out):
        kernel, q = signal.preactivation[layer], signal.q[layer]
        if layer:
            below = signal.preactivation[layer - 1]
            root = np.sqrt(diagonal(below))
            correlation = below / np.outer(root, root)
            correlation = correlation**2 if record.odd else (correlation**2 + correlation) / 2
            square, products = diagonal(signal.below[layer]), signal.below[layer] ** 2
            pairs = signal.derivative[layer - 1] ** 2 * pairs
            pairs = pairs + (np.outer(square, square) + products) / signal.fan_in[layer]
            own = np.sqrt(np.maximum(signal.z_fourth_moment[layer] - square**2, 0))
            answer = signal.susceptibility[layer - 1]
            covariance = np.outer(answer, answer) * covariance + correlation * np.outer(own, own) / signal.fan_in[layer]
            covariance, pairs = (signal.forward_gain[layer] ** 2 * scatter for scatter in (covariance, pairs))
        variances.append((covariance.mean() + 2 * (kernel**2 + pairs).mean() / fan_out) / q.mean() ** 2)
    return np.array(variances)
