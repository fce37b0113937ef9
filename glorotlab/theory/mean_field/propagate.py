"""propagate: kernels of a batch through a whole network, forward and back, or the reason why they cannot be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.resources import check_memory
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.mean_field import validity
from glorotlab.theory.mean_field.backward import backward
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import Batch, check_signal
from glorotlab.theory.mean_field.kernel_covariance import PairScatter, pair_scatter
from glorotlab.theory.mean_field.kernels import GradientKernels, SignalKernels
from glorotlab.theory.mean_field.output_gradient import OutputGradient, output_gradient
from glorotlab.threads import single_threaded_blas

MAX_NUMERICAL_ERROR = 0.01
"""Largest relative numerical error of a prediction; a larger one is refused."""

TEMPORARY = 16
"""Number of temporary matrices of pairs of examples per layer, beside those that are kept."""

MAX_FINITE_WIDTH_ERROR, MAX_GAUSSIANITY_ERROR = 1.0, 1.0
"""Largest orders of the corrections for finite width and non-Gaussian pre-activations; see ``validity``."""


@dataclass(frozen=True)
class Propagation:
    """Kernels of every layer over a batch, and how far they can be trusted.

    Parameters
    ----------
    spec : NetworkSpec
    batch : Batch
    signal : SignalKernels
    gradient : GradientKernels or None
        None without labels or targets.
    numerical_error : float
        Largest relative numerical error.
    finite_width_error, gaussianity_error : float
        Orders of what the limits leave out; see ``validity``.
    pairs : PairScatter, optional
        What the scatter of kernels adds to the batch's gradients; None without labels.
    """

    spec: NetworkSpec
    batch: Batch
    signal: SignalKernels
    gradient: GradientKernels | None
    numerical_error: float
    finite_width_error: float
    gaussianity_error: float
    pairs: PairScatter | None = None


@single_threaded_blas()
def propagate(
    spec: NetworkSpec, batch: Batch, *, narrow: bool = False, weight_variance: Array | None = None
) -> Propagation:
    """Carry the kernels of a batch forward and, where it has targets, back; AssumptionError as of ``predict``.

    Parameters
    ----------
    spec : NetworkSpec
    batch : Batch
    narrow : bool
        Narrow layers are not refused.
    weight_variance : (layers,), optional
        Var[W] of every layer, by default those of the spec's initializer.
    """
    check_memory(
        f"predicting {batch.examples} examples through layers {spec.layers}",
        {
            "moments of pairs of examples": 8.0
            * batch.examples**2
            * (TEMPORARY + (6 if batch.labels is not None else 3) * len(spec.fans))
        },
    )
    check_signal(batch, spec.bias_initializer.variance_at(spec.fan_in), "drop it, or give biases")
    signal = forward(spec, batch, weight_variance)
    _check_numerical(signal.error, "pair moments of the examples", "predict one example from its input second moment")
    forward_width, backward_width = validity.relative_variances(signal)
    width = float(forward_width.max())
    _check_finite_width(spec, width, math.inf if narrow else MAX_FINITE_WIDTH_ERROR)
    gaussianity = validity.gaussianity_error(signal)
    _check_gaussianity(spec, gaussianity)
    if batch.targets is None:
        return Propagation(spec, batch, signal, None, max(signal.error, signal.spread_error), width, gaussianity)
    output = _output_gradient(signal, batch)
    width = float((forward_width + backward_width).max())
    error, gradient = max(signal.error, signal.spread_error, output.error), backward(signal, output)
    pairs = pair_scatter(signal, gradient)
    return Propagation(spec, batch, signal, gradient, error, width + pairs.left_out, gaussianity, pairs)


def _output_gradient(signal: SignalKernels, batch: Batch) -> OutputGradient:
    spec, outputs = signal.spec, signal.outputs
    assert batch.targets is not None  # noqa: S101
    output = output_gradient(spec.output, spec.cost, outputs, batch.targets)
    _check_numerical(
        output.error,
        f"gradients of {spec.output} outputs with {spec.cost} cost at logits of second moment "
        f"{float(outputs.q.max()):.2g}",
        "use smaller weights or another cost, or predict without labels",
    )
    return output


def _check_numerical(error: float, what: str, instead: str) -> None:
    if not error <= MAX_NUMERICAL_ERROR:
        raise AssumptionError(
            f"{what} cannot be trusted: relative error up to {error:.2g}, allowed is {MAX_NUMERICAL_ERROR:g}: "
            f"measure instead, or {instead}"
        )


def _check_finite_width(spec: NetworkSpec, error: float, limit: float) -> None:
    if not error <= limit:
        raise AssumptionError(
            f"layers {spec.layers} are too narrow: relative corrections for finite width of order {error:.2g}, "
            f"allowed is {limit:g}: use wider or fewer hidden layers, or measure instead"
        )


def _check_gaussianity(spec: NetworkSpec, error: float) -> None:
    if not error <= MAX_GAUSSIANITY_ERROR:
        raise AssumptionError(
            f"pre-activations of {spec.initializer} weights and {spec.bias} biases are far from Gaussian: relative "
            f"corrections of order {error:.2g}, allowed is {MAX_GAUSSIANITY_ERROR:g}: use more weights a unit "
            "or normal weights and biases, or measure instead"
        )
