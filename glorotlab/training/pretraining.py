"""Unsupervised pre-training: the hidden layers, one after the other from the inputs up, as denoising autoencoders.

Where it stands is a number of updates, layer by layer, and what is random in an update is a function of (seed, layer,
update): the network, the biases of the reconstruction in hand and that number are all a checkpoint needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.errors import DataError
from glorotlab.network.autoencoder import DenoisingAutoencoder
from glorotlab.network.mlp import Network
from glorotlab.spec.run import RunSpec
from glorotlab.spec.training import UpdateRule
from glorotlab.streams import Purpose, generator
from glorotlab.training.batches import Batches
from glorotlab.training.state import Arrays, prefixed, without_prefix

FIRST_BATCH = 2**40
"""Number of the first mini-batch of pre-training; lower numbers belong to the supervised updates."""

COST_WINDOW = 100
"""Number of last mini-batches over which a layer's reconstruction cost is averaged."""

NAME = "pretraining"


class Pretraining:
    """The pre-training of a run.

    Parameters
    ----------
    spec : RunSpec
    network : Network
    batches : Batches

    Attributes
    ----------
    updates : int
        Updates of all layers together; 0 of a run without pre-training.
    done : int
        Updates done.
    recorded : bool
        Whether the records before the first supervised update have been taken.

    Raises
    ------
    DataError
        Where inputs lie outside of [-1, 1]: the reconstruction does not reach them. Of an endless stream the first
        mini-batch is looked at.
    """

    def __init__(self, spec: RunSpec, network: Network, batches: Batches) -> None:
        training = spec.training
        self.spec, self.network, self.batches = spec, network, batches
        self.per_layer, self.layers = training.pretraining_updates, len(network.weights) - 1
        self.updates, self.done, self.recorded = self.per_layer * self.layers, 0, False
        self._rule = UpdateRule(training.pretraining_learning_rate)
        self._autoencoder = DenoisingAutoencoder(network, 0) if self.updates else None
        self._costs: list[list[float]] = [[] for _ in range(self.layers)]
        if self.updates:
            _check_inputs(batches)

    def take_step(self) -> bool:
        """Make one update of the current layer; return whether its cost is finite."""
        layer, update = divmod(self.done, self.per_layer)
        if self._autoencoder is None or self._autoencoder.layer != layer:
            self._autoencoder = DenoisingAutoencoder(self.network, layer)
        v = self._autoencoder.below(self.batches.batch(FIRST_BATCH + update)[0])
        with np.errstate(over="ignore", invalid="ignore"):
            cost = self._autoencoder.train_step(v, self._kept(layer, update, v.shape), self._rule)
        self._costs[layer] = [*self._costs[layer], cost][-COST_WINDOW:]
        self.done += 1
        return math.isfinite(cost)

    def _kept(self, layer: int, update: int, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Return a mask of the components that are kept; each is set to 0 with the probability of the spec."""
        random = generator(self.spec.seed, Purpose.CORRUPTION, layer * FIRST_BATCH + update)
        return random.random(shape, dtype=np.float32) >= self.spec.training.corruption

    def state(self) -> Arrays:
        """Return ``pretraining/NAME``: ``place``, ``bias`` and the last costs by layer; empty without pre-training."""
        if self._autoencoder is None:
            return {}
        costs = {f"costs_{layer}": np.array(own) for layer, own in enumerate(self._costs, start=1)}
        place = np.array([self.done, self.recorded], dtype=np.int64)
        return prefixed(NAME, {"place": place, "bias": self._autoencoder.bias.copy()} | costs)

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Load what ``state`` returned; the network has its own state."""
        own = without_prefix(NAME, state)
        if not own:
            return
        self.done, self.recorded = int(own["place"][0]), bool(own["place"][1])
        self._autoencoder = DenoisingAutoencoder(self.network, max(0, self.done - 1) // self.per_layer)
        self._autoencoder.bias[...] = own["bias"]
        self._costs = [own[f"costs_{layer}"].tolist() for layer in range(1, self.layers + 1)]


def progress(spec: RunSpec, state: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Return the progress of a checkpoint's pre-training, for ``status.json``.

    Parameters
    ----------
    spec : RunSpec
    state : mapping of str to ndarray
        The arrays of the checkpoint.

    Returns
    -------
    dict
        Empty without pre-training, else ``pretraining``: its ``updates``, of all layers together, its
        ``updates_in_all``, and the ``reconstruction_cost`` of each layer that was begun, the mean of its last
        ``COST_WINDOW`` mini-batches, None where it is not finite.
    """
    own = without_prefix(NAME, state)
    if not own:
        return {}
    layers = len(spec.network.layer_sizes) - 2
    costs = [own[f"costs_{layer}"] for layer in range(1, layers + 1)]
    means = [float(np.mean(values)) for values in costs if values.size]
    return {
        NAME: {
            "updates": int(own["place"][0]),
            "updates_in_all": spec.training.pretraining_updates * layers,
            "reconstruction_cost": [mean if math.isfinite(mean) else None for mean in means],
        }
    }


def _check_inputs(batches: Batches) -> None:
    source = batches.source
    x = batches.batch(FIRST_BATCH)[0] if batches.endless else source.batch(0, int(source.length))[0]
    outside = ~(np.abs(x) <= 1)
    if outside.any():
        raise DataError(f"pre-training of inputs such as {x[outside][0]:g}: allowed are inputs in [-1, 1]")
