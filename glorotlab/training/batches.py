"""The mini-batch of every update, a function of (seed, update) alone, and the steps on many of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.checks import finite_inputs
from glorotlab.data.source import CompiledSource, Source, targets_of
from glorotlab.errors import InvalidValueError
from glorotlab.network.mlp import Network
from glorotlab.spec.training import TrainingSpec
from glorotlab.streams import Purpose, generator


class Batches:
    """Mini-batches of a source in the order of a TrainingSpec.

    Sequential batches are consecutive examples, and a finite source begins again after its last one: a batch may run
    over its end. Shuffled batches of a finite source are floor(length / batch_size) an epoch, in a permutation of the
    epoch's own; the length mod batch_size examples at its end are left out of this epoch.

    Parameters
    ----------
    source : Source
    training : TrainingSpec
    seed : int
    dtype : str, optional
        The dtype of the inputs that are held to be shuffled, so that they are converted once.

    Raises
    ------
    InvalidValueError
        Where a batch is larger than the source.
    """

    def __init__(self, source: Source, training: TrainingSpec, seed: int, dtype: str | None = None) -> None:
        self.source, self.training, self.size, self.seed = source, training, training.batch_size, seed
        self.endless = math.isinf(source.length)
        self.shuffled = training.batch_order == "shuffled" and not self.endless
        if self.size > source.length:
            raise InvalidValueError(f"batch_size {self.size}: allowed are 1 to {source.length}, the training examples")
        self.per_epoch = 0 if self.endless else int(source.length) // self.size
        self._epoch = -1
        self._order: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        if self.shuffled:
            x, y = source.batch(0, int(source.length))
            self._x = finite_inputs("training inputs", x, dtype)
            self._y: npt.NDArray[Any] = finite_inputs("training targets", y, dtype) if targets_of(source) else y

    def train(self, network: Network, update: int, most: int) -> npt.NDArray[np.float64]:
        """Make at most ``most`` updates from ``update`` on and return their costs, as ``Network.train_steps`` does.

        They end where the update rule changes.

        Examples of an endless source that offers compiled batches are made one mini-batch at a time.
        """
        most = min(most, self.training.updates_of_rule(update))
        if self.endless and isinstance(self.source, CompiledSource):
            examples = self.source.batch_source(update * self.size)
        else:
            examples = network.rows(*self.span(update, most), looked_at=self.shuffled)
            most = examples.length // self.size
        self._look_ahead_anew(network, update)
        return network.train_on(examples, most, self.training.rule_at(update), batch_size=self.size)

    def _look_ahead_anew(self, network: Network, update: int) -> None:
        """Move a network to the point ahead of this update of Nesterov's momentum, if its momentum changes."""
        before, now = (self.training.momentum_at(max(0, step)) for step in (update - 1, update))
        if self.training.nesterov and now != before:
            network.move_along_velocities(now - before)

    def span(
        self, update: int, most: int
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        """Return (x, y, order) of at most ``most`` updates from ``update`` on, for ``Network.train_steps``.

        They end with an epoch, and where a batch runs over the end of the source.
        """
        if not self.shuffled:
            return *self._consecutive(update, most), None
        epoch, place = divmod(update, self.per_epoch)
        most = min(most, self.per_epoch - place)
        if epoch != self._epoch:
            order = generator(self.seed, Purpose.BATCH_ORDER, epoch).permutation(int(self.source.length))
            self._epoch, self._order = epoch, order
        return self._x, self._y, self._order[place * self.size : (place + most) * self.size]

    def _consecutive(self, update: int, most: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return (x, y) of at most ``most`` sequential updates, or of the one that crosses the source's end."""
        start = update * self.size
        if self.endless:
            return self.source.batch(start, most * self.size)
        start %= int(self.source.length)
        left = int(self.source.length) - start
        if left >= self.size:
            return self.source.batch(start, min(most, left // self.size) * self.size)
        parts = self.source.batch(start, left), self.source.batch(0, self.size - left)
        x, y = (np.concatenate(pair) for pair in zip(*parts, strict=True))
        return x, y

    def examples(self, update: int, count: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return (x, y) of the first ``count`` examples from an update on."""
        batches = [self.batch(later) for later in range(update, update - (-count // self.size))]
        x, y = (np.concatenate(parts)[:count] for parts in zip(*batches, strict=True))
        return x, y

    def batch(self, update: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return (x, y) of one update, counted from 0."""
        x, y, order = self.span(update, 1)
        return (x, y) if order is None else (x[order], y[order])
