"""Numbers of a network at initialization that say how it will train, derived in the limit of wide layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory.mean_field import tangent_kernel, validity
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import Batch
from glorotlab.theory.mean_field.kernels import SignalKernels, diagonal

DRAWS = 32
"""Number of draws of every example's logits whose curvature is averaged."""

EXAMPLES = 100
"""Number of examples to which rates along the classes refer, as in the calibration."""

BATCH = 20
"""Size of the mini-batches whose curvature is estimated, as in the calibration."""


@dataclass(frozen=True)
class Numbers:
    """The numbers that theory predicts for a network on a batch.

    Parameters
    ----------
    signal_ratio, gradient_ratio : float
        E z^2 of the last hidden layer over the first, and E (dC/ds)^2 of the first over the last.
    condition, coherence : float
        As of ``tangent_kernel``; the kernel's numbers are NaN where it overflows.
    learning_rate : float
        2 / lambda_1, times the number of classes where the output is softmax.
    logit_second_moment : float
        Of the outputs before their activation.
    fluctuation, gradient_fluctuation : float
        Largest relative variance between networks of one example's signal, and of its gradient dC/ds, to first order
        in 1 / width.
    updates : float
        Mean Theta_aa over the rate along the classes of ``EXAMPLES``: the order of the number of updates on single
        examples that tell the classes apart. It is the condition where examples have much in common, and larger in
        chaos.
    separation : float
        Share of the variance over ``EXAMPLES`` inputs that lies in the average direction along the classes.
    curvature : float
        Largest eigenvalue of the Gauss-Newton matrix of the mean cost of ``BATCH`` examples.
    hidden_layers : int
    """

    signal_ratio: float
    gradient_ratio: float
    condition: float
    coherence: float
    learning_rate: float
    logit_second_moment: float
    fluctuation: float
    gradient_fluctuation: float
    updates: float
    separation: float
    curvature: float
    hidden_layers: int


def numbers(spec: NetworkSpec, batch: Batch) -> Numbers:
    """Return the numbers of a network on a batch with targets.

    Raises
    ------
    AssumptionError
        Where a pre-activation's second moment leaves the range of float64, naming the layer, or the moments of the
        activation cannot be given.
    """
    assert batch.targets is not None  # noqa: S101
    kernels = forward(spec, batch)
    with np.errstate(over="ignore", invalid="ignore"):
        theta = tangent_kernel.tangent_kernel(kernels)
        signal, gradient = ratios(kernels)
    fastest = condition = coherence = own = updates = np.nan
    if np.isfinite(theta).all():
        fastest, condition = tangent_kernel.condition(theta, batch.targets)
        coherence, own = tangent_kernel.coherence(theta), float(np.diagonal(theta).mean())
        rate = rate_along(theta, batch.targets)[0]
        updates = own / rate if rate > 0 and condition < np.inf else np.inf
    forth, back = validity.relative_variances(kernels)
    return Numbers(
        signal,
        gradient,
        condition,
        coherence,
        2 * (spec.classes if spec.output == "softmax" else 1) / fastest,
        float(kernels.q[-1].mean()),
        float(forth.max()),
        float(back.max()),
        updates,
        separation(kernels.z[0], batch.targets),
        expected_curvature(spec, kernels.q[-1]) * (fastest + (own - fastest) / BATCH),
        len(spec.layer_sizes) - 2,
    )


def ratios(signal: SignalKernels) -> tuple[float, float]:
    """Return E z^2 of the last over the first hidden layer, and E (dC/ds)^2 of the first over the last.

    The gradient's is the product of n v E f'^2 between them: gradient independence, whatever the cost.
    """
    squares = diagonal(signal.activation).mean(axis=-1)
    gains = signal.backward_gain[1:-1, np.newaxis] * diagonal(signal.derivative)[:-1]
    return float(squares[-2] / squares[0]), float(gains.prod(axis=0).mean())


def rate_along(kernel: Array, targets: Array) -> tuple[float, float]:
    """Return the rate along the classes as of ``EXAMPLES`` examples, and what an example has for itself.

    The rate is tr(Y' K Y) / (B tr(Y' Y)), with Y the targets without their mean. What an example has for itself, the
    mean of K_aa less that of K_ab, is in it over B: that part falls with the number of examples.
    """
    examples, centred = len(kernel), targets - targets.mean(axis=0)
    along = float((centred * (kernel @ centred)).sum() / (centred**2).sum()) / examples
    own = float(np.trace(kernel) - kernel.mean(axis=0).sum()) / (examples - 1)
    return max(along + own * (1 / EXAMPLES - 1 / examples), 0.0), own


def separation(kernel: Array, targets: Array) -> float:
    """Return the share of the variance over examples, per direction, that lies along the targets."""
    along, own = rate_along(kernel, targets)
    return along / own if own > 0 else 0.0


def expected_curvature(spec: NetworkSpec, q: Array) -> float:
    """Return the order of the largest eigenvalue of the cost's Gauss-Newton matrix in one example's outputs.

    It is the expected diagonal for Gaussian outputs of second moments q, (examples,). Rows of a softmax's matrix sum to
    0: where all K classes are alike its eigenvalues are K / (K - 1) times the diagonal.
    """
    deviations = np.sqrt(q)
    draws = generator(0, Purpose.OUTPUT_CURVATURE).normal(size=(len(deviations), DRAWS, spec.classes))
    cost = spec.cost_record
    diagonals = cost.curvature(cost.activation(deviations[:, np.newaxis, np.newaxis] * draws))
    return float(np.mean(diagonals)) * (spec.classes / (spec.classes - 1) if spec.output == "softmax" else 1.0)
