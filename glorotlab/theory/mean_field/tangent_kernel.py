"""The neural tangent kernel of a network at initialization, from the kernels of ``forward``.

Theta_ab = J_a . J_b with J_a the derivatives of one output before its activation by all weights and biases at example a
(Jacot, Gabriel & Hongler 2018). ``docs/theory/tangent_kernel.md`` has the recursion, and what the kernel says about the
learning rate and the number of updates.
"""

from __future__ import annotations

import numpy as np

from glorotlab.arrays import Array
from glorotlab.theory.mean_field.kernels import SignalKernels
from glorotlab.threads import single_threaded_blas


def tangent_kernel(signal: SignalKernels) -> Array:
    """Return Theta of one output, (examples, examples)."""
    back, gains = np.ones_like(signal.preactivation[-1]), signal.forward_gain
    theta = signal.fan_in[-1] * signal.below[-1] + 1
    for index in range(signal.layers - 2, -1, -1):
        back = gains[index + 1] * back * signal.derivative[index]
        theta += back * (signal.fan_in[index] * signal.below[index] + 1)
    return np.asarray(theta)


@single_threaded_blas()
def condition(kernel: Array, targets: Array) -> tuple[float, float]:
    """Return lambda_1 and lambda_1 / lambda_y of a tangent kernel; the second is inf where only rounding is left.

    Parameters
    ----------
    kernel : (examples, examples)
    targets : (examples, outputs)
        What the outputs are compared with, one-hot rows of classes for one; two rows differ at least.
    """
    examples = len(kernel)
    fastest = float(np.linalg.eigvalsh(kernel)[-1]) / examples
    centred = targets - targets.mean(axis=0)
    along = float((centred * (kernel @ centred)).sum() / (centred**2).sum()) / examples
    rounding = examples * np.finfo(np.float64).eps * fastest
    return fastest, fastest / along if along > rounding else np.inf


def coherence(kernel: Array) -> float:
    """Return how much an update on one example changes the outputs of others.

    It is the standard deviation of Theta_ab over pairs a != b, over the mean of Theta_aa less that of Theta_ab. Where
    it is 0, an update on one example changes the others' outputs all alike or not at all: nothing carries over.
    """
    pairs = kernel[~np.eye(len(kernel), dtype=bool)]
    own = float(np.diagonal(kernel).mean() - pairs.mean())
    return float(pairs.std()) / own if own > 0 else 0.0
