"""Learning speed: the length of a layer's bias gradient, E |dC/db| of the batch mean (Nielsen, ch. 5).

Outputs are few, so that the length of their gradient varies from network to network. What it makes of the gradient of a
wide layer below is an average over its many units: given the output layer of one network, that layer's kernel is
D^l_ab = P^l_ab (1/K) sum_k dC/ds_ak dC/ds_bk with P^l the product of n v E[f'(s_a) f'(s_b)] of the layers between.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array
from glorotlab.streams import Purpose
from glorotlab.theory.mean_field import validity
from glorotlab.theory.mean_field.kernels import GradientKernels, SignalKernels, diagonal, mean_over_pairs
from glorotlab.theory.mean_field.output_sampling import OutputSampler
from glorotlab.threads import single_threaded_blas

Products = npt.NDArray[np.float32]

LOGITS = 2**17
"""Number of logits drawn in all, if that makes at least ``MIN_DRAWS`` and at most ``MAX_DRAWS`` networks."""

MIN_DRAWS, MAX_DRAWS = 64, 4096
"""Least and largest number of networks that are drawn at first."""

LOST = 1e-5
"""Share of one example's second moment below which that of a batch has lost its digits to cancellation."""

MAX_ERROR = 0.01
"""Largest relative standard error of a learning speed that is predicted; a larger one makes it NaN."""

MAX_SCATTER = 1.0
"""Largest relative variance of the squared length due to hidden layers; the length is an eighth of it too large."""

WANTED_ERROR, MORE_DRAWS = 0.002, 16.0
"""Relative standard error above which more networks are drawn, and the largest factor of their number."""


@single_threaded_blas()
def learning_speeds(
    signal: SignalKernels, gradient: GradientKernels, targets: Array, added: Array | None = None
) -> tuple[Array, float]:
    """Return E |dC/db| of the batch mean in every layer, (layers,), and its largest relative standard error.

    The length of a layer's bias gradient is the root of a quadratic form in the output gradient, whose mean the kernels
    give. The root of the mean would be too long (Jensen), most where outputs are few: the ratio of the mean root to it
    is an average over drawn outputs, with the form itself as control variate. What gradients that meet their own
    weights add counts by its mean, since outputs are many where it counts. The speed is NaN where the error exceeds
    ``MAX_ERROR``, the batch's gradients cancel, or so few units carry them that hidden layers scatter beyond
    ``MAX_SCATTER``. ``added`` is what pairs of examples add to the mean squares.
    """
    spec, examples = signal.spec, signal.examples
    targets = -np.sort(-targets) if examples == 1 else targets  # units are alike: one class is as good as another
    expected, single = mean_over_pairs(gradient.backprop), diagonal(gradient.backprop).mean(axis=-1)
    if added is not None:
        expected = np.maximum(expected + added, 0)
    if examples == 1:  # all layers share the length of the output gradient
        products, independent = list[Products](), expected[-1:].copy()
    else:
        products, independent = _products(signal, gradient.backprop[-1])
    top = expected[-len(independent) :]
    independent[independent < LOST * single[-len(independent) :]] = np.nan
    sampler = OutputSampler.of(spec.cost_record, signal.preactivation[-1], targets)
    means, error = mean_lengths(products, top, independent, sampler)
    known = validity.pooled_scatter(signal, gradient) <= MAX_SCATTER
    return np.where(known, np.sqrt(signal.fan_out * expected) * means, np.nan), error


def mean_lengths(
    products: list[Products], expected: Array, independent: Array, sampler: OutputSampler
) -> tuple[Array, float]:
    """Return E of the length of gradients over the root of their mean square, and its largest relative error.

    Parameters
    ----------
    products : list of arrays (examples, examples)
        P of every layer but the outputs.
    expected : (layers,)
        Means over pairs of D, the outputs last.
    independent : (layers,)
        Those of P times D of the outputs; NaN where the mean is not known. The rest counts by its mean.
    sampler : OutputSampler

    Returns
    -------
    means : (layers,)
        NaN where the error exceeds ``MAX_ERROR``.
    error : float
    """

    def mean_root(draws: int) -> tuple[Array, Array]:
        blocks = sampler.gradients(draws, Purpose.LEARNING_SPEED)
        forms = np.concatenate([_forms(products, block) for block in blocks], axis=1)
        return _mean_root((forms + (expected - independent)[:, np.newaxis]) / expected[:, np.newaxis])

    draws = min(max(LOGITS // sampler.size, MIN_DRAWS), MAX_DRAWS)
    mean, error = mean_root(draws)
    more = draws * min(float(np.nanmax(error, initial=0)) / WANTED_ERROR, MORE_DRAWS**0.5) ** 2
    if more > draws:
        mean, error = mean_root(math.ceil(more))
    return np.where(error <= MAX_ERROR, mean, np.nan), float(error.max())


def _mean_root(ratio: Array) -> tuple[Array, Array]:
    """Return E sqrt(ratio) of every row, whose mean is 1, and its relative standard error: regressed on the ratio."""
    root = np.sqrt(ratio)
    centred = ratio - ratio.mean(axis=1, keepdims=True)
    spread = (centred**2).sum(axis=1)
    coefficient = np.divide((centred * root).sum(axis=1), spread, where=spread > 0, out=np.zeros_like(spread))
    mean = root.mean(axis=1) - coefficient * (ratio.mean(axis=1) - 1)
    deviation = (root - coefficient[:, np.newaxis] * centred).std(axis=1) / math.sqrt(ratio.shape[1])
    return mean, np.divide(deviation, mean, where=mean > 0, out=np.full_like(mean, np.inf))


def _products(signal: SignalKernels, output: Array) -> tuple[list[Products], Array]:
    """Return P of every hidden layer, and the mean over pairs of P_ab D_ab of the outputs for every layer."""
    product, gains = np.ones_like(output), signal.backward_gain
    products: list[Products] = []
    means = [output.mean()]
    for index in range(signal.layers - 2, -1, -1):
        product = product * (gains[index + 1] * signal.derivative[index])
        products.insert(0, product.astype(np.float32))  # its rounding is far below the error of drawing
        means.insert(0, (product * output).mean())
    return products, np.array(means)


def _forms(products: list[Products], d: Array) -> Array:
    """Return the mean over pairs of P_ab dC/ds_a . dC/ds_b per output of every drawn network, (layers, draws)."""
    examples, draws, classes = d.shape
    forms = np.empty((len(products) + 1, draws))
    forms[-1] = (d.mean(axis=0) ** 2).mean(axis=-1)
    flat = d.reshape(examples, -1).astype(np.float32)
    for row, product in zip(forms[:-1], products, strict=True):
        squares = np.einsum("ed,ed->d", flat, product @ flat)
        row[:] = squares.reshape(draws, classes).mean(axis=1) / examples**2
    return forms
