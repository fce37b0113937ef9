"""The mini-batch of every update, a function of (seed, update) alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.data.source import Source
from glorotlab.errors import InvalidValueError
from glorotlab.spec.run import TrainingSpec
from glorotlab.streams import Purpose, generator


class Batches:
    """Mini-batches of a source in the order of a TrainingSpec.

    An endless stream gives consecutive examples. A finite source gives floor(length / batch_size) batches an epoch,
    consecutive or in a permutation of the epoch's own; what is left over waits for the next epoch.

    Parameters
    ----------
    source : Source
    training : TrainingSpec
    seed : int

    Raises
    ------
    InvalidValueError
        Where a batch is larger than the source.
    """

    def __init__(self, source: Source, training: TrainingSpec, seed: int) -> None:
        self.source, self.size, self.seed = source, training.batch_size, seed
        self.endless = math.isinf(source.length)
        self.shuffled = training.batch_order == "shuffled" and not self.endless
        if self.size > source.length:
            raise InvalidValueError(f"batch_size {self.size}: allowed are 1 to {source.length}, the training examples")
        self.per_epoch = 0 if self.endless else int(source.length) // self.size
        self._epoch = -1
        self._order: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        if self.shuffled:
            self._x, self._y = source.batch(0, int(source.length))

    def batch(self, update: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return (x, y) of one update, counted from 0."""
        if self.endless:
            return self.source.batch(update * self.size, self.size)
        epoch, place = divmod(update, self.per_epoch)
        if not self.shuffled:
            return self.source.batch(place * self.size, self.size)
        if epoch != self._epoch:
            order = generator(self.seed, Purpose.BATCH_ORDER, epoch).permutation(int(self.source.length))
            self._epoch, self._order = epoch, order
        chosen = self._order[place * self.size : (place + 1) * self.size]
        return self._x[chosen], self._y[chosen]
