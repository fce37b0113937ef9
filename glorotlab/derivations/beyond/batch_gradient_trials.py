"""Trials of the derivation for the weight gradient of a batch: drawn networks on orthogonal examples."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import sympy as sp

from glorotlab.arrays import Array
from glorotlab.derivations.beyond.batch_gradient_notation import KernelAnswer, KernelVariance
from glorotlab.derivations.engine.fluctuation_networks import Float32, Networks
from glorotlab.derivations.engine.trial import Trial

NETWORKS, CHUNK, BATCH, OUTPUTS, LAYERS = 12_000, 500, 10, 2, 8
"""Networks drawn in all and at once, examples, outputs, and output layers drawn over each network."""

NETWORKS_DRAWN = Networks((BATCH, 80, 80, OUTPUTS), "tanh", gain=1.4)
"""Networks of the experiment; layer 0 has the inputs."""


def experiment(equations: Mapping[str, sp.Eq], random: np.random.Generator) -> tuple[Trial, ...]:
    """Draw tanh networks of three layers on orthogonal examples: Var[M_i], and the mean of M_(a,a') D_(a,a')."""
    return trials(equations, sample(random))


def sample(random: np.random.Generator) -> tuple[Array, Array]:
    """Return means of M^2 and of M D over pairs of different examples of drawn networks, (layers, networks)."""
    chunks = [_draw(NETWORKS_DRAWN, random) for _ in range(NETWORKS // CHUNK)]
    squares, products = (np.concatenate(each, axis=1) for each in zip(*chunks, strict=True))
    return squares, products


def trials(equations: Mapping[str, sp.Eq], drawn: tuple[Array, Array]) -> tuple[Trial, ...]:
    """Compare the steps ``scatter``, ``answer`` and ``covariance`` with drawn networks."""
    networks, top = NETWORKS_DRAWN, len(NETWORKS_DRAWN.widths) - 2
    variances, answers = [0.0], [0.0] * top + [1.0]
    for layer in range(top):
        variances.append(networks.value(equations["scatter"].rhs, layer, {KernelVariance: variances}))
    for layer in range(top - 1, -1, -1):
        answers[layer] = networks.value(equations["answer"].rhs, layer, {KernelAnswer: answers})
    outcomes, known = [], {KernelVariance: variances, KernelAnswer: answers}
    for layer in range(1, top + 1):
        predicted = networks.value(equations["covariance"].rhs, layer, known)
        outcomes.append(Trial.of(f"Var[M_{layer}]", variances[layer], drawn[0][layer]))
        outcomes.append(Trial.of(f"E[M_{layer} D_{layer}] of two examples", predicted, drawn[1][layer]))
    return tuple(outcomes)


def _draw(networks: Networks, random: np.random.Generator) -> tuple[Array, Array]:
    """Return the means of M^2 and of M D over pairs of different examples, (layers, networks)."""
    z = np.broadcast_to(np.sqrt(BATCH) * np.eye(BATCH, dtype=np.float32), (CHUNK, BATCH, BATCH))
    kernels, weights, slopes = [], [], []
    for index, shape in enumerate(zip(networks.widths, networks.widths[1:], strict=False)):
        fan_in, fan_out = shape[0], shape[1] * (LAYERS if index == len(networks.widths) - 2 else 1)
        w = random.standard_normal((CHUNK, fan_in, fan_out), dtype=np.float32)
        weights.append(np.float32(networks.weight_variance(index) ** 0.5) * w)
        kernels.append(z @ np.swapaxes(z, 1, 2) / fan_in)
        s = z @ weights[-1]
        z = np.tanh(s)
        slopes.append(1 - z**2)
    targets = np.tile(np.eye(OUTPUTS, dtype=np.float32)[np.arange(BATCH) % OUTPUTS], LAYERS)
    g, others = s - targets, ~np.eye(BATCH, dtype=bool)
    products = [_product(kernels[-1], g, others)]
    # of every output layer by itself: (networks, output layers, examples, units)
    g, last = (np.moveaxis(each.reshape(CHUNK, -1, LAYERS, OUTPUTS), 2, 1) for each in (g, weights[-1]))
    g = g @ np.swapaxes(last, 2, 3)
    for index in range(len(weights) - 2, -1, -1):
        g = g * slopes[index][:, np.newaxis]
        flat = np.moveaxis(g, 1, 3).reshape(CHUNK, BATCH, -1)
        products.insert(0, _product(kernels[index], flat, others))
        g = g @ np.swapaxes(weights[index], 1, 2)[:, np.newaxis]
    some = np.arange(0, BATCH, 2)  # so few pairs that terms of the next order stay below the standard error
    squares = np.array([m[:, some, some + 1] ** 2 for m in kernels], dtype=np.float64)
    return squares.mean(axis=2), np.array(products)


def _product(kernel: Float32, g: Float32, others: npt.NDArray[np.bool_]) -> Array:
    """Return the mean over pairs of different examples of M D, (networks,); g is (networks, examples, units)."""
    pairs = kernel * (g @ np.swapaxes(g, 1, 2)) / g.shape[2]
    return np.asarray(pairs[:, others].mean(axis=1), dtype=np.float64)
