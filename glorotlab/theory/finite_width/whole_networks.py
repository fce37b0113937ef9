"""Second moments of networks that are drawn whole, for narrow layers where expansions in 1 / width are inaccurate.

A hidden layer's weights are met twice, by the signal and by the gradient that comes back. Where logits count in the
gradient, as those of linear outputs do, T holds W'W of a hidden layer squared, and scatters by it twice as far as by
two that are independent; expansions unit by unit know this of the outputs' weights alone. The share of the variance
that they miss is of the order of outputs / width a layer, and of examples / width where those cancel over the batch: a
quarter to a half in layers of 100 to 150 units. Where it is large, networks are small, and a thousand of them are drawn
in the time that the expansion takes. The law of many is T's own, whatever its skewness.
"""

from __future__ import annotations

import math

import numpy as np

from glorotlab.arrays import Array
from glorotlab.streams import Purpose, generator
from glorotlab.theory.finite_width.drawn_networks import Samples
from glorotlab.theory.finite_width.fluctuations import GRADIENTS
from glorotlab.theory.gaussian.sampling import covariance_root
from glorotlab.theory.mean_field.kernels import diagonal
from glorotlab.theory.mean_field.propagate import Propagation

LEAST, MOST = 2**9, 2**11
"""Least and largest number of networks drawn; 2,000 give the standard deviation to 1.6 %, 500 to 3 %."""

WORK, DRAWN = 2**37, 2**9
"""Largest number of multiplications of all networks, and the number that a random number or an activation counts as."""

TOGETHER = 2**20
"""Size of the largest array of the networks drawn at a time."""

RANGE = 1e12
"""Largest root mean square, and inverse of the least, of networks drawn whole, which is in float32."""


def second_moments(propagation: Propagation) -> dict[str, Array]:
    """Return the second moments of drawn networks, (layers, networks) for each name; of ``fluctuations``' names.

    It is empty where networks are too large for ``LEAST`` of them, or so wide that the expansion knows variances better
    than so many networks would.
    """
    networks = _Networks(propagation)
    count = min(MOST, WORK // networks.work)
    if count < LEAST or 2 / count > _missing(propagation) ** 2 or not _in_range(propagation):
        return {}
    with np.errstate(over="ignore", under="ignore"):  # in the tails of activations
        blocks = [networks.draw(min(networks.together, count - at)) for at in range(0, count, networks.together)]
    return {name: np.concatenate([block[name] for block in blocks], axis=1) for name in blocks[0]}


def _missing(propagation: Propagation) -> float:
    """Return the order of the relative error of the expansion's variance; N networks give it to (2 / N)^(1/2).

    Of one example it misses nothing of this kind: what gradients have along their own example's signal, it has.
    """
    others, spec = propagation.batch.examples - 1, propagation.spec
    return float(sum(2 * min(others, spec.classes) / units for units in spec.layer_sizes[1:-1]))


def _in_range(propagation: Propagation) -> bool:
    signal = propagation.signal
    sizes = np.concatenate([signal.q.ravel(), diagonal(signal.below).ravel()])
    return bool((sizes < RANGE**2).all() and (sizes[sizes > 0] > RANGE**-2).all())


class _Networks:
    """Networks on a batch, drawn in float32.

    Attributes
    ----------
    together : int
        How many are drawn at a time.
    work : int
        Multiplications that one takes.
    """

    def __init__(self, propagation: Propagation) -> None:
        self._propagation, self._spec = propagation, propagation.spec
        self._random = generator(0, Purpose.WHOLE_NETWORKS)
        batch, sizes = propagation.batch, self._spec.layer_sizes
        self.together = max(1, TOGETHER // max(batch.examples * max(sizes), *(a * b for a, b in self._spec.fans)))
        inputs = np.zeros((1, 0)) if batch.inputs is None else batch.inputs
        self._inputs: Samples = inputs.astype(np.float32)
        normal = self._spec.weight_initializer.distribution == "normal" and not self._spec.bias_initializer.scale
        self._root: Samples | None = None
        if batch.inputs is None or (normal and batch.examples < sizes[0]):  # the same law, and fewer numbers
            self._root = covariance_root(propagation.signal.preactivation[0]).astype(np.float32)
        numbers = sum(a * b for a, b in self._spec.fans[self._root is not None :])
        self.work = numbers * (3 * batch.examples + DRAWN) + batch.examples * sum(sizes[1:]) * (batch.examples + DRAWN)

    def draw(self, count: int) -> dict[str, Array]:
        """Return the second moments of ``count`` further networks, (layers, networks) for each name."""
        z: list[Samples] = [self._inputs[np.newaxis]]
        s: list[Samples] = []
        weights: list[Samples] = []
        for index, fans in enumerate(self._spec.fans):
            weights.append(self._weights(count, *fans) if index or self._root is None else self._inputs)
            s.append(z[-1] @ weights[-1] if index or self._root is None else self._first_layer(count))
            if self._spec.bias_initializer.scale and (index or self._root is None):
                sample = self._spec.bias_initializer.sample
                s[-1] += np.array([[sample(self._random, *fans)] for _ in range(count)], dtype=np.float32)
            record = self._spec.layer_activation(index)
            if record is not None:
                z.append(np.asarray(record.function(s[-1]), dtype=np.float32))
        statistics = {
            "preactivation": [_mean_square(each) for each in s],
            "activation": [_mean_square(each) for each in z[1:]],
        }
        if self._propagation.gradient is not None:
            statistics |= self._backward(z, s, weights)
        return {name: np.array(layers) for name, layers in statistics.items()}

    def _first_layer(self, count: int) -> Samples:
        """Draw pre-activations that are Gaussian."""
        assert self._root is not None  # noqa: S101
        shape = (count, len(self._root), self._spec.layer_sizes[1])
        return self._root @ self._random.standard_normal(shape, dtype=np.float32)

    def _weights(self, count: int, fan_in: int, fan_out: int) -> Samples:
        initializer, shape = self._spec.weight_initializer, (count, fan_in, fan_out)
        if initializer.distribution == "normal":
            weights = self._random.standard_normal(shape, dtype=np.float32)
            weights *= np.float32(math.sqrt(initializer.variance(fan_in, fan_out)))
            return weights
        weights = np.empty(shape, dtype=np.float32)
        for own in weights:
            initializer.fill(self._random, own)
        return weights

    def _backward(self, z: list[Samples], s: list[Samples], weights: list[Samples]) -> dict[str, list[Array]]:
        """Return the second moments of gradients, the first layer's first."""
        gradient, targets = self._propagation.gradient, self._propagation.batch.targets
        assert gradient is not None  # noqa: S101
        assert targets is not None  # noqa: S101
        sizes = np.sqrt(diagonal(gradient.backprop).mean(axis=1))  # of dC/ds, which may be beyond float32
        logits, layers = s[-1].astype(np.float64), list[list[Array]]()
        output = self._spec.cost_record.gradient(logits, np.broadcast_to(targets, logits.shape))
        d: Samples = (output / sizes[-1]).astype(np.float32)
        for index in range(len(s) - 1, -1, -1):
            layers.insert(0, [part * sizes[index] ** 2 for part in self._gradients(index, z[index], d)])
            if index:
                slope = self._spec.activation_record.derivative(s[index - 1])
                d = d @ np.swapaxes(weights[index], 1, 2)
                d *= np.asarray(slope * (sizes[index] / sizes[index - 1]), dtype=np.float32)
        return {name: list(parts) for name, parts in zip(GRADIENTS, zip(*layers, strict=True), strict=True)}

    def _gradients(self, index: int, z: Samples, d: Samples) -> tuple[Array, ...]:
        """Return the second moments of one layer's gradients, (networks,) each, in the order of ``GRADIENTS``."""
        examples, fan_in, fan_out = d.shape[1], *self._spec.fans[index]
        known = self._propagation.signal.below[0].astype(np.float32) if index == 0 else None
        own = (z**2).mean(axis=2) if known is None else np.diagonal(known)
        squares, fewer = (d**2).mean(axis=2), fan_in if index == 0 else fan_in * fan_out / (fan_in + fan_out)
        if examples < fewer or examples == 1:  # fewer multiplications than in the gradient itself
            kernel = known if known is not None else z @ np.swapaxes(z, 1, 2) / fan_in
            batch = (kernel * (d @ np.swapaxes(d, 1, 2))).mean(axis=(1, 2)) / fan_out
        else:
            batch = _mean_square(np.swapaxes(z, 1, 2) @ d / examples)
        return squares.mean(axis=1), (own * squares).mean(axis=1), batch, (d.mean(axis=1) ** 2).mean(axis=1)


def _mean_square(values: Samples) -> Array:
    """Return the second moment of each network, (networks,)."""
    return np.asarray((values**2).mean(axis=(1, 2)), dtype=np.float64)
