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
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory.mean_field import LayerKernels
from glorotlab.theory.output_gradient import Labels
from glorotlab.theory.quadrature import Array
from glorotlab.threads import single_threaded_blas

STREAM = 1
"""Of ``Purpose.QUADRATURE``; 0 is that of the output gradient's own moments."""

LOGITS = 2**18
"""Logits drawn in all, if that gives at least ``MIN_DRAWS`` and at most ``MAX_DRAWS`` networks."""

MIN_DRAWS, MAX_DRAWS = 64, 4096

BLOCK = 2**21
"""Logits held at a time, unless one draw has more."""

JITTER = 1e-10
"""Variance added to every logit, relative to the largest, so that alike examples keep a Cholesky factor."""

MAX_SPEED_ERROR = 0.01
"""Largest relative standard error of a learning speed that is given."""


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
    record = costs.get(spec.output, spec.cost)
    y = np.eye(spec.classes)[labels][:, np.newaxis]
    for logits in draw_logits(kernel, spec.classes, draws):
        yield record.gradient(logits, np.broadcast_to(y, logits.shape))


def draw_logits(kernel: Array, classes: int, draws: int = 0) -> Iterator[Array]:
    """Yield blocks of logits; arguments and shape as of ``draw``."""
    examples = len(kernel)
    draws = draws or min(max(LOGITS // (examples * classes), MIN_DRAWS), MAX_DRAWS)
    block = max(1, BLOCK // (examples * classes))
    root = np.linalg.cholesky(kernel + np.eye(examples) * (JITTER * np.diagonal(kernel).max()))
    random = generator(0, Purpose.QUADRATURE, STREAM)
    for start in range(0, draws, block):
        count = min(block, draws - start)
        logits = root @ random.normal(size=(examples, count * classes))
        yield logits.reshape(examples, count, classes)


@single_threaded_blas()
def learning_speeds(spec: NetworkSpec, layers: list[LayerKernels], labels: Labels) -> tuple[Array, float]:
    """Return E |dC/db| of the batch mean in every layer (Nielsen, ch. 5), and its largest relative standard error.

    The length of a layer's bias gradient is the root of a quadratic form in the output gradient, whose mean the kernels
    give. The root of the mean would be too long (Jensen), most where outputs are few: the ratio of the mean root to it
    is an average over drawn outputs, with the form itself as control variate. NaN where the error exceeds
    ``MAX_SPEED_ERROR``.
    """
    chained = layers[-1].preactivation.ndim == 3  # one example: all layers share the length of the output gradient
    kernel = layers[-1].preactivation[0] if chained else layers[-1].preactivation
    labels = np.zeros_like(labels) if len(labels) == 1 else labels  # units are alike
    forms = np.concatenate([_forms(layers, block, chained) for block in draw(spec, kernel, labels)], axis=1)
    expected = np.concatenate([np.atleast_1d(layer.backprop.mean(axis=(-2, -1))) for layer in layers])
    ratio = forms / (expected[-1:] if chained else expected)[:, np.newaxis]
    root = np.sqrt(ratio)
    centred = ratio - ratio.mean(axis=1, keepdims=True)
    spread = (centred**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(spread > 0, (centred * root).sum(axis=1) / spread, 0)
    mean = root.mean(axis=1) - slope * (ratio.mean(axis=1) - 1)
    residual = root - slope[:, np.newaxis] * centred
    error = residual.std(axis=1) / (mean * math.sqrt(forms.shape[1]))
    units = np.concatenate([np.atleast_1d(layer.fan_out) for layer in layers])
    return np.where(error <= MAX_SPEED_ERROR, np.sqrt(units * expected) * mean, np.nan), float(error.max())


def _forms(layers: list[LayerKernels], d: Array, chained: bool) -> Array:
    """Mean over pairs of examples of each drawn network's D, (layers, draws); of a chain of the output layer alone."""
    examples, draws, classes = d.shape
    found = np.empty((1 if chained else len(layers), draws))
    found[-1] = (d.mean(axis=0) ** 2).mean(axis=-1)
    if chained:
        return found
    product = np.ones((examples, examples))
    flat = d.reshape(examples, -1)
    for index in range(len(layers) - 2, -1, -1):
        above = layers[index + 1]
        product *= above.fan_out * above.variance * layers[index].derivative
        squares = (flat * (product @ flat)).sum(axis=0)
        found[index] = squares.reshape(draws, classes).mean(axis=1) / examples**2
    return found
