"""RunStore: training runs by their specs, kept in one folder; those that have ended are read, the others made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from glorotlab import files
from glorotlab.arrays import Progress
from glorotlab.errors import RunFailedError
from glorotlab.spec.run import RunSpec
from glorotlab.training.runs.run import Run, load_run
from glorotlab.training.runs.saver import CHECKPOINT_EVERY
from glorotlab.training.sweeps.plan import points_of
from glorotlab.training.sweeps.state import SweepState, read_state
from glorotlab.training.sweeps.workers import Workers


def _labels(spec: RunSpec) -> dict[str, object]:
    """Return the labels in the name of a run's folder, which depend on the run alone."""
    return {"activation": spec.network.activation, "initializer": spec.network.initializer, "seed": spec.seed}


@dataclass(frozen=True)
class RunStore:
    """A folder of runs, each named by the content of its spec, with the workers that make missing ones.

    Parameters
    ----------
    folder : path-like
        Folder of run folders; sweeps of the same folder share its runs.
    workers : Workers
        Who makes the runs.
    checkpoint_every : float
        Seconds between checkpoints of a run.
    """

    folder: str | os.PathLike[str]
    workers: Workers
    checkpoint_every: float = CHECKPOINT_EVERY

    def get(self, specs: Sequence[RunSpec], progress: Progress | None = None) -> list[Run]:
        """Return the runs of specs, in their order, once all have ended.

        Parameters
        ----------
        specs : sequence of RunSpec
            Equal specs share a run.
        progress : callable, optional
            Called with (updates done, updates in all) of those runs together.

        Returns
        -------
        list of Run
            Each has status ``finished`` or ``diverged``.

        Raises
        ------
        InvalidValueError
            Where network and data do not fit.
        DataError
            Where the data are not there; the error says how to get them.
        RunFailedError
            Where a run failed; those that ended are kept.
        KeyboardInterrupt
            After the runs in hand have written their checkpoints.
        """
        folder = files.user_path(self.folder).absolute()
        points = list(points_of(((_labels(spec), spec) for spec in specs), folder))
        files.make_folder(folder)
        state = read_state(folder, points)

        def report(state: SweepState) -> None:
            if progress:
                progress(state.updates_done, state.updates_in_all)

        self.workers.make(folder, points, state, self.checkpoint_every, report)
        for name, error in state.errors().items():
            raise RunFailedError(f"run {name} in {str(folder)!r}: {error}")
        runs = {point.run: load_run(folder / point.run) for point in points}
        return [runs[point.run] for point in points]
