"""Cadence: how many updates lie between two records of a run.

What a spec leaves open (``validation_every`` or ``monitor_every`` 0) is chosen here, from the spec and the sizes of the
data alone: the same spec gives the same records on any machine. Work is counted in examples trained on, each of which
takes three products with the weights (forward, backward, gradient). An example whose error is counted takes one of the
three (measured: 0.42 of the time in layers of 100 units, 0.34 in the paper's of 1,000). An example of the statistics
takes all three, and its moments and quantiles (measured: 2.7 and 1.2).
"""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab.spec.training import TrainingSpec

ERRORS_SHARE = 0.16
"""Share of the training's work that counting validation and test errors may take."""

STATISTICS_SHARE = 0.04
"""Share of the training's work that records of the statistics may take."""

ERRORS_COST = 0.4
"""Work for the errors of one example, in examples trained on."""

STATISTICS_COST = 3.0
"""Work for the statistics of one example, in examples trained on."""

MOST_INTERVALS = 20
"""Largest number of intervals of a run."""


@dataclass(frozen=True)
class Cadence:
    """Updates between two records; there is always one at the start and one at the end.

    Parameters
    ----------
    validation_interval : int
        Updates between two points of the error curves.
    monitor_interval : int
        Updates between two records of LayerStatistics.
    updates : int
        Updates in all.
    """

    validation_interval: int
    monitor_interval: int
    updates: int

    @classmethod
    def of(cls, training: TrainingSpec, held_out: int, monitored: int) -> Cadence:
        """Return the cadence of a run.

        Parameters
        ----------
        training : TrainingSpec
        held_out : int
            Validation and test examples together.
        monitored : int
            Examples the statistics are taken on.

        Returns
        -------
        Cadence
            As the spec says. Where it leaves the choice (0), a run is cut into at most ``MOST_INTERVALS`` intervals,
            and into fewer where counting errors would exceed ``ERRORS_SHARE``, or statistics ``STATISTICS_SHARE``, of
            the training's own work. A run too short even for the records at its start and end has these two: they then
            take a larger share.
        """
        examples = training.updates * training.batch_size
        validation = _intervals(ERRORS_SHARE * examples, ERRORS_COST * held_out)
        monitor = _intervals(STATISTICS_SHARE * examples, STATISTICS_COST * monitored)
        return cls(
            training.validation_every or _length(training.updates, validation),
            training.monitor_every or _length(training.updates, monitor),
            training.updates,
        )

    def validation_due(self, step: int) -> bool:
        """Whether a point of the error curves is due after ``step`` updates."""
        return self._due(step, self.validation_interval)

    def monitor_due(self, step: int) -> bool:
        """Whether a record of LayerStatistics is due after ``step`` updates."""
        return self._due(step, self.monitor_interval)

    def _due(self, step: int, interval: int) -> bool:
        return step % interval == 0 or step == self.updates

    def updates_left(self, step: int) -> int:
        """Return the number of updates after ``step`` before the next record of either kind, or the end."""
        to_records = (interval - step % interval for interval in (self.validation_interval, self.monitor_interval))
        return min(self.updates - step, *to_records)


def _intervals(budget: float, cost: float) -> int:
    """Return the number of intervals of a run, one less than the number of records within a budget of work."""
    return min(MOST_INTERVALS, max(1, int(budget / cost) - 1))


def _length(updates: int, intervals: int) -> int:
    return max(1, -(-updates // intervals))
