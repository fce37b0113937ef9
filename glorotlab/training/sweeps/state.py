"""State of a sweep: the states of its runs while they are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glorotlab.errors import RunError
from glorotlab.training.runs.status import ENDED, INTERRUPTED, has_derived_files, read_status
from glorotlab.training.sweeps.plan import Point

WAITING = "waiting"
"""Status of a run that has not begun."""

IN_USE, STOPPED, FAILED = "in use", "stopped", "failed"
"""Statuses of a task whose run did not end: held by another process, interrupted, or failed with an error."""


@dataclass
class RunState:
    """The state of one run.

    Parameters
    ----------
    labels : dict
        Its label on each axis of the sweep.
    updates_in_all : int
    status : str
        A status of a run, ``waiting``, ``in use``, ``stopped`` or ``failed``.
    report : dict
        What ``status.json`` said last; empty before there is one.
    error : str
        Why the run failed.
    skipped : bool
        Whether it had ended before the sweep began.
    """

    labels: dict[str, Any]
    updates_in_all: int
    status: str = WAITING
    report: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    skipped: bool = False

    @property
    def settled(self) -> bool:
        """Whether this sweep is done with the run."""
        return self.status in (*ENDED, FAILED, STOPPED)


@dataclass
class SweepState:
    """The state of a sweep at one moment.

    Parameters
    ----------
    runs : dict of str to RunState
        By the name of the run folder.
    stopping : bool
        Whether the sweep waits for its runs to write their checkpoints.
    """

    runs: dict[str, RunState]
    stopping: bool = False

    def counts(self) -> dict[str, int]:
        """Return the number of runs with each status."""
        return dict(Counter(run.status for run in self.runs.values()))

    @property
    def updates_in_all(self) -> int:
        """Updates of all runs together."""
        return sum(run.updates_in_all for run in self.runs.values())

    @property
    def updates_done(self) -> int:
        """Number of updates done; all updates of a settled run count, because no more will be made."""
        return sum(
            run.updates_in_all if run.settled else int(run.report.get("updates", 0)) for run in self.runs.values()
        )

    def errors(self) -> dict[str, str]:
        """Return the errors of runs by the name of their folder."""
        return {name: run.error for name, run in self.runs.items() if run.status not in ENDED}


def read_state(folder: Path, points: Iterable[Point]) -> SweepState:
    """Return the state of a sweep from what earlier sweeps left in its folder."""
    runs: dict[str, RunState] = {}
    for point in points:
        if point.run not in runs:
            runs[point.run] = run = RunState(point.labels, point.spec.training.updates)
            try:
                run.report = read_status(folder / point.run)
            except RunError:
                continue
            ended = run.report["status"] in ENDED and run.report.get("content_hash") == point.spec.content_hash
            if ended and has_derived_files(folder / point.run, run.report):
                run.status, run.skipped = run.report["status"], True
            elif run.report["status"] == INTERRUPTED:
                run.status = INTERRUPTED
    return SweepState(runs)
