"""Random output layers of a wide network: draws of dC/ds for all examples together, and what depends on single ones.

Outputs are few, so that a sum over them varies from network to network however wide the hidden layers are. Below, each
layer averages over its many units: given the output layer of one network, its kernel is
D^l_ab = P^l_ab (1/K) sum_k dC/ds_ak dC/ds_bk with P^l the product of n v E[f'(s_a) f'(s_b)] of the layers between.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from glorotlab import costs
from glorotlab.arrays import Array, Labels
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory.mean_field.kernels import LayerKernels
from glorotlab.threads import single_threaded_blas

STREAM = 1
"""Of ``Purpose.QUADRATURE``; 0 is that of the output gradient's own moments."""

LOGITS = 2**17
"""Logits drawn in all, if that gives at least ``MIN_DRAWS`` and at most ``MAX_DRAWS`` networks."""

MIN_DRAWS, MAX_DRAWS = 64, 4096

BLOCK = 2**21
"""Logits held at a time, unless one draw has more."""

JITTER = 1e-10
"""Variance added to every logit, relative to the largest, so that alike examples keep a Cholesky factor."""

LOST = 1e-5
"""Share of one example's second moment below which that of a batch has cancelled, and lost its digits."""

MAX_SPEED_ERROR, WANTED_SPEED_ERROR, MORE_DRAWS = 0.01, 0.002, 16.0
"""Largest relative standard error of a learning speed that is given; the one for which more networks are drawn, and how
many times as many at most."""


def draw(spec: NetworkSpec, kernel: Array, labels: Labels, draws: int = 0) -> Iterator[Array]:
    """Yield blocks of dC/ds of the output layer, (examples, draws of the block, classes), with a fixed seed.

    Parameters
    ----------
    spec : NetworkSpec
    kernel : (examples, examples)
        Q of the output layer.
    labels : (examples,)
    draws : int
        How many networks; 0 for a number that suits the sizes.
    """
    examples, classes = len(kernel), spec.classes
    draws = draws or min(max(LOGITS // (examples * classes), MIN_DRAWS), MAX_DRAWS)
    block = max(1, BLOCK // (examples * classes))
    root = np.linalg.cholesky(kernel + np.eye(examples) * (JITTER * np.diagonal(kernel).max()))
    random, record = generator(0, Purpose.QUADRATURE, STREAM), costs.get(spec.output, spec.cost)
    y = np.eye(classes)[labels][:, np.newaxis]
    for start in range(0, draws, block):
        count = min(block, draws - start)
        logits = root @ random.normal(size=(examples, count * classes))
        yield record.gradient(logits.reshape(examples, count, classes), np.broadcast_to(y, (examples, count, classes)))


@single_threaded_blas()
def learning_speeds(spec: NetworkSpec, layers: list[LayerKernels], labels: Labels) -> tuple[Array, float]:
    """Return E |dC/db| of the batch mean in every layer (Nielsen, ch. 5), and its largest relative standard error.

    The length of a layer's bias gradient is the root of a quadratic form in the output gradient, whose mean the kernels
    give. The root of the mean would be too long (Jensen), most where outputs are few: the ratio of the mean root to it
    is an average over drawn outputs, with the form itself as control variate. What gradients that meet their own
    weights add counts by its mean, since outputs are many where it counts. NaN where the error exceeds
    ``MAX_SPEED_ERROR``, or the batch's gradients cancel.
    """
    chained = layers[-1].preactivation.ndim == 3  # one example: all layers share the length of the output gradient
    kernel = layers[-1].preactivation[0] if chained else layers[-1].preactivation
    labels = np.zeros_like(labels) if len(labels) == 1 else labels  # units are alike
    kernels = [layer.backprop.reshape(-1, *layer.backprop.shape[-2:]) for layer in layers]
    expected = np.concatenate([d.mean(axis=(-2, -1)) for d in kernels])
    single = np.concatenate([np.diagonal(d, axis1=-2, axis2=-1).mean(axis=-1) for d in kernels])
    products = [np.ones_like(kernel)] if chained else _products(layers)
    independent = np.array([(product * kernels[-1][-1]).mean() for product in products])
    top = expected[-1:] if chained else expected
    independent[independent < LOST * single[-len(independent) :]] = np.nan

    def mean_root(draws: int) -> tuple[Array, Array, int]:
        forms = np.concatenate([_forms(products, block) for block in draw(spec, kernel, labels, draws)], axis=1)
        ratio = (forms + (top - independent)[:, np.newaxis]) / top[:, np.newaxis]
        return *_mean_root(ratio), forms.shape[1]

    mean, error, draws = mean_root(0)
    more = draws * min(float(np.nanmax(error, initial=0)) / WANTED_SPEED_ERROR, MORE_DRAWS**0.5) ** 2
    if more > draws:
        mean, error, _ = mean_root(math.ceil(more))
    units = np.concatenate([np.atleast_1d(layer.fan_out) for layer in layers])
    return np.where(error <= MAX_SPEED_ERROR, np.sqrt(units * expected) * mean, np.nan), float(error.max())


def _mean_root(ratio: Array) -> tuple[Array, Array]:
    """E sqrt(ratio) of each row, whose mean is 1, and its relative standard error: regressed on the ratio itself."""
    root = np.sqrt(ratio)
    centred = ratio - ratio.mean(axis=1, keepdims=True)
    spread = (centred**2).sum(axis=1)
    slope = np.divide((centred * root).sum(axis=1), spread, where=spread > 0, out=np.zeros_like(spread))
    mean = root.mean(axis=1) - slope * (ratio.mean(axis=1) - 1)
    deviation = (root - slope[:, np.newaxis] * centred).std(axis=1) / math.sqrt(ratio.shape[1])
    return mean, np.divide(deviation, mean, where=mean > 0, out=np.full_like(mean, np.inf))


def _products(layers: list[LayerKernels]) -> list[Array]:
    """P of every layer: the product of n v E[f' f'] of the layers from it up."""
    found = [np.ones_like(layers[-1].preactivation)]
    for layer, above in zip(layers[-2::-1], layers[:0:-1], strict=True):
        found.insert(0, found[0] * (above.fan_out * above.variance * layer.derivative))
    return found


def _forms(products: list[Array], d: Array) -> Array:
    """Mean over pairs of examples of P_ab dC/ds_a . dC/ds_b per output, of each drawn network, (layers, draws)."""
    examples, draws, classes = d.shape
    found = np.empty((len(products), draws))
    found[-1] = (d.mean(axis=0) ** 2).mean(axis=-1)
    flat = d.reshape(examples, -1).astype(np.float32)  # its rounding is far below the error of drawing
    for row, product in zip(found[:-1], products[:-1], strict=True):
        squares = np.einsum("ed,ed->d", flat, product.astype(np.float32) @ flat)
        row[:] = squares.reshape(draws, classes).mean(axis=1) / examples**2
    return found
