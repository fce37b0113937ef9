"""Trial: the widths, seeds and updates of a coordinate check, whatever it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array
from glorotlab.scaling.expectation import Expectation
from glorotlab.scaling.parametrization import Parametrization, Role
from glorotlab.scaling.result import CoordinateCheck
from glorotlab.scaling.verdicts import judge

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Trial:
    """The common settings of all coordinate checks.

    Parameters
    ----------
    widths : list of int
    steps : int
        Number of updates.
    networks : int
        How many of each width.
    first_seed : int
    learning_rate : float
    record : Parametrization
    level : float
        Probability that a healthy network is inside all bands.
    progress : callable or None
    """

    widths: list[int]
    steps: int
    networks: int
    first_seed: int
    learning_rate: float
    record: Parametrization
    level: float
    progress: Progress | None

    @property
    def numbers(self) -> Array:
        """The widths as numbers, (widths,)."""
        return np.array(self.widths, dtype=np.float64)

    @property
    def seeds(self) -> list[list[int]]:
        """The seeds of each width: all are different, so that networks are independent."""
        count = len(self.widths)
        return [[self.first_seed + place * count + index for place in range(self.networks)] for index in range(count)]

    def measure(self, one: Callable[[int, int], Array]) -> Array:
        """Return the sizes of all networks.

        Parameters
        ----------
        one : callable
            ``one(index of the width, seed)`` returns the sizes of a network, (2, updates + 1, layers).

        Returns
        -------
        ndarray, shape (2, updates + 1, layers, widths, seeds)
        """
        rows: list[Array] = []
        total = self.networks * len(self.widths)
        for index, seeds in enumerate(self.seeds):
            for seed in seeds:
                if self.progress:
                    self.progress(len(rows), total)
                rows.append(one(index, seed))
        if self.progress:
            self.progress(total, total)
        return np.moveaxis(np.array(rows).reshape(len(self.widths), self.networks, *rows[0].shape), (0, 1), (3, 4))

    def result(
        self,
        names: Sequence[str],
        roles: Sequence[Role | None],
        sizes: Array,
        expected: Sequence[Sequence[Expectation | None]],
        optimizer: str,
    ) -> CoordinateCheck:
        """Return the check with its verdicts; arguments as those of ``judge``."""
        verdicts = judge(self.numbers, names, roles, sizes, expected, self.record, optimizer, self.level)
        record, widths, (coordinate, change) = self.record, tuple(self.widths), sizes
        return CoordinateCheck(record.name, optimizer, widths, tuple(names), coordinate, change, self.level, verdicts)
