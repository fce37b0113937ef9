"""Mean-field kernels of a wide network on the way back: D^l, the second moments of dC/ds over pairs of examples.

With gradient independence (Yang 2020) D^l = n_{l+1} v_{l+1} D^{l+1} o E[f'(s_a) f'(s_b)]; what independence leaves out
where outputs are many is in ``gradient_independence``. The mean of dC/ds is of relative order 1/sqrt(width), where a
gradient meets its own weight: by Stein's identity E[W dC/ds^{l+1}] = v z H^{l+1} with H = E d^2C/ds^2 per unit, so that
E dC/ds^l = n_{l+1} v_{l+1} H^{l+1} E[f f'] and
H^l = n_{l+1} v_{l+1} H^{l+1} (E f'^2 + E[f f'']) = n_{l+1} v_{l+1} H^{l+1} dE[f^2]/dq.
"""

from __future__ import annotations

import numpy as np

from glorotlab.arrays import Array
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST
from glorotlab.theory.mean_field import gradient_independence
from glorotlab.theory.mean_field.kernels import GradientKernels, SignalKernels, check_range, diagonal, seal
from glorotlab.theory.mean_field.output_gradient import OutputGradient


def backward(signal: SignalKernels, output: OutputGradient) -> GradientKernels:
    """Carry the kernel of the output layer's gradient down to the first layer.

    Raises
    ------
    AssumptionError
        Where a gradient's second moment leaves [SMALLEST, LARGEST], naming the layer.
    """
    gains = signal.backward_gain[1:, np.newaxis]
    with np.errstate(over="ignore", under="ignore"):  # refused where the second moments are
        factors = np.cumprod((gains * signal.susceptibility)[:0:-1], axis=0)[::-1]
        curvature = gains * output.curvature * np.append(factors, np.ones((1, signal.examples)), axis=0)
    means = np.append(curvature * signal.product_mean, output.means[np.newaxis], axis=0)
    kernels = np.empty_like(signal.preactivation)
    kernels[-1] = output.kernel
    (_follow_one_example if signal.examples == 1 else _follow_pairs)(signal, curvature, kernels)
    gradient = GradientKernels(output, kernels, means)
    seal(gradient)
    return gradient


def _follow_pairs(signal: SignalKernels, curvature: Array, kernels: Array) -> None:
    """Fill D of the hidden layers; ``curvature`` is n_{l+1} v_{l+1} H^{l+1}, (hidden layers, examples)."""
    gains = signal.backward_gain
    for index in range(signal.layers - 2, -1, -1):
        d, part = kernels[index], curvature[index]
        np.multiply(kernels[index + 1], gains[index + 1], out=d)
        d *= signal.derivative[index]
        own = signal.activation[index] * signal.derivative[index]
        if gradient_independence.counts(part, signal.product_second_moment[index], d, own, signal.below[index]):
            d += np.outer(part, part) * gradient_independence.along_signal(signal, index)
        check_range("gradient", "back-propagated gradient", diagonal(d), index)


def _follow_one_example(signal: SignalKernels, curvature: Array, kernels: Array) -> None:
    """Fill D of the hidden layers for one example, where the effect of using weights twice is exact."""
    gains, derivative = signal.backward_gain[1:], signal.derivative[:, 0, 0]
    with np.errstate(over="ignore", under="ignore"):  # refused below
        own = (curvature[:, 0] ** 2 * signal.product_second_moment[:, 0]).tolist()
    factors, square, d = (gains * derivative).tolist(), float(kernels[-1, 0, 0]), kernels[:, 0, 0]
    for index in range(signal.layers - 2, -1, -1):
        square = factors[index] * square + own[index]
        d[index] = square
        if not SMALLEST <= square <= LARGEST:
            check_range("gradient", "back-propagated gradient", d[index : index + 1], index)
