"""Runner: hands the runs of a sweep to an executor, and follows them until each is settled."""

from __future__ import annotations

import itertools
import os
import queue
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from glorotlab.documents import parse_json
from glorotlab.errors import RunError, RunFailedError, reason
from glorotlab.training.runs import lock
from glorotlab.training.runs.status import ENDED, INTERRUPTED, RUNNING, read_status
from glorotlab.training.sweeps.state import FAILED, IN_USE, STOPPED, SweepState
from glorotlab.training.sweeps.task import Task, run_task
from glorotlab.training.sweeps.token import Token

TICK = 0.2
"""Largest time in seconds between two reports of progress."""

LOOK_EVERY = 1.0
"""Time in seconds between two readings of the workers' statuses."""

LOOKED_AT = 64
"""Largest number of runs whose status is read at a time."""

STOP_AFTER = 3.0
"""Time in seconds without a sign of a worker after which Ctrl-C stops waiting."""

DEATHS = 3
"""Number of worker deaths, without a newer checkpoint in between, after which their run counts as failed."""

IDLE_BREAKS = 3
"""Number of executors that break in a row, without any progress of a run, before the sweep gives up."""


class Source(Protocol):
    """The source of a runner's executors."""

    @property
    def renewable(self) -> bool:
        """Whether a new executor may replace one that broke, as a pool does when a process is killed."""

    def open(self) -> Executor:
        """Return the open executor, or open one."""

    def close(self) -> None:
        """Close the executor; processes that were spawned for it have then ended."""


class Runner:
    """A runner that hands out tasks until every run is settled.

    Parameters
    ----------
    folder : Path
        Folder of the sweep.
    tasks : dict of str to Task
        What is to be done, by the name of the run folder.
    state : SweepState
        Kept up to date.
    progress : callable or None
        Called with the state again and again.
    token : Token
        Withdrawn on Ctrl-C.
    """

    def __init__(
        self,
        folder: Path,
        tasks: dict[str, Task],
        state: SweepState,
        progress: Callable[[SweepState], None] | None,
        token: Token,
    ) -> None:
        self.folder, self.tasks, self.state, self.progress, self.token = folder, tasks, state, progress, token
        self.todo = list(tasks)
        self.pending: dict[Future[str], str] = {}
        self.elsewhere: set[str] = set()
        self.lost: list[str] = []
        self.deaths: Counter[str] = Counter()
        self.reached: dict[str, int] = {}
        self.idle_breaks, self.got = 0, self._how_far()
        self.ended: queue.SimpleQueue[Future[str]] = queue.SimpleQueue()
        self.looked = 0.0

    def run(self, source: Source) -> None:
        """Make every run with the executors of a source.

        Raises
        ------
        RunFailedError
            Where executors break again and again before any run begins.
        KeyboardInterrupt
            After the runs in hand have written their checkpoints.
        """
        while self.todo or self.elsewhere:
            executor = source.open()
            try:
                self._submit(executor, self.todo)
                while self.pending or (self.elsewhere and not self.lost):
                    self._wait()
                    self._submit(executor, self._released())
            except KeyboardInterrupt:
                self._stop()
                raise
            self.todo, self.lost = self._survivors(source), []

    def _submit(self, executor: Executor, names: list[str]) -> None:
        for name in names:
            try:
                future = executor.submit(run_task, self.tasks[name].to_json())
            except (BrokenExecutor, RuntimeError):  # RuntimeError: it is shut down
                self.lost.append(name)
                continue
            self.pending[future] = name
            future.add_done_callback(self.ended.put)

    def _wait(self) -> None:
        """Process the tasks that have ended, or wait for a moment."""
        try:
            self._take(self.ended.get(timeout=TICK))
            while True:
                self._take(self.ended.get_nowait())
        except queue.Empty:
            pass
        if time.monotonic() - self.looked >= LOOK_EVERY:
            self._read_reports()
            self.looked = time.monotonic()
        if self.progress:
            self.progress(self.state)

    def _take(self, future: Future[str]) -> None:
        name = self.pending.pop(future)
        run = self.state.runs[name]
        try:
            report = parse_json(future.result())
        except BrokenExecutor:
            self.lost.append(name)
            return
        except CancelledError:
            report = {"status": FAILED, "error": "the executor gave it up"}
        except Exception as error:  # of the executor: our task raises nothing
            report = {"status": FAILED, "error": f"{type(error).__name__}: {reason(error)}"}
        run.status, run.error = report["status"], report.pop("error", "")
        if self.state.stopping and run.status not in ENDED:
            run.status, run.error = INTERRUPTED, ""
        elif run.status == IN_USE:
            self.elsewhere.add(name)
        elif run.status == STOPPED:
            run.error = "its worker was interrupted; its checkpoint is there"
        elif run.status in ENDED:
            run.report = report

    def _read_reports(self) -> None:
        """Read what workers have written about the current runs."""
        folders = self._folders()
        begun = (name for name in self.pending.values() if name in folders)
        for name in itertools.islice(begun, LOOKED_AT):
            run = self.state.runs[name]
            try:
                run.report = read_status(self.folder / name)
            except RunError:
                continue
            run.status = RUNNING if run.report["status"] == RUNNING else run.status

    def _folders(self) -> set[str]:
        with os.scandir(self.folder) as entries:
            return {entry.name for entry in entries}

    def _released(self) -> list[str]:
        """Return the runs that another process left unfinished; record those that it ended."""
        released = []
        for name in sorted(self.elsewhere):
            if lock.living_owner(self.folder / name):
                continue
            self.elsewhere.remove(name)
            run = self.state.runs[name]
            try:
                run.report = read_status(self.folder / name)
            except RunError:
                run.report = {}
            if run.report.get("status") in ENDED:
                run.status, run.error = run.report["status"], ""
            else:
                released.append(name)
        return released

    def _survivors(self, source: Source) -> list[str]:
        """Return the remaining runs of an executor that broke; those that a process died of come last."""
        if not self.lost:
            return []
        source.close()  # from now on no process has any of them in hand
        self._reread(self.lost)
        begun = [name for name in self.lost if self.token.was_claimed(name)]
        for name in begun:
            self._count_death(name)
        failed = {name for name in begun if not source.renewable or self.deaths[name] >= DEATHS}
        for name in failed:
            self._settle(name, FAILED, "its worker process died (killed, or out of memory?)")
        left = [name for name in self.lost if name not in begun] + [name for name in begun if name not in failed]
        if not source.renewable:
            for name in left:
                self._settle(name, STOPPED, "its executor broke; another one resumes it")
            return []
        self._check_that_it_gets_further(begun)
        return left

    def _settle(self, name: str, status: str, error: str) -> None:
        self.state.runs[name].status, self.state.runs[name].error = status, error

    def _reread(self, names: Iterable[str]) -> None:
        """Read the statuses of the runs that have begun."""
        folders = self._folders()
        for name in names:
            if name in folders:
                with suppress(RunError):
                    self.state.runs[name].report = read_status(self.folder / name)

    def _count_death(self, name: str) -> None:
        """Count a process that died during a run; the count restarts at 1 if there is a newer checkpoint."""
        updates = int(self.state.runs[name].report.get("updates", 0))
        if updates > self.reached.get(name, -1):
            self.deaths[name] = 0
        self.reached[name] = updates
        self.deaths[name] += 1

    def _check_that_it_gets_further(self, begun: list[str]) -> None:
        """Raise RunFailedError if executors keep breaking without progress of any run."""
        got, self.got = self.got, self._how_far()
        self.idle_breaks = 0 if begun or got != self.got else self.idle_breaks + 1
        if self.idle_breaks >= IDLE_BREAKS:
            raise RunFailedError(
                f"worker processes end before they begin a run, {IDLE_BREAKS} pools in a row (killed, out of "
                "memory, or started by a script without if __name__ == '__main__'?); "
                f"{self.got[0]} of {len(self.state.runs)} runs have ended, the others are unchanged"
            )

    def _how_far(self) -> tuple[int, int]:
        """Return the number of settled runs and the updates of all runs."""
        runs = self.state.runs.values()
        return sum(run.settled for run in runs), sum(int(run.report.get("updates", 0)) for run in runs)

    def _stop(self) -> None:
        """Tell the runs to write their checkpoints, and wait for them."""
        self.state.stopping = True
        self.token.withdraw()
        alive = time.monotonic()
        while self.pending and time.monotonic() - alive < STOP_AFTER:
            before = len(self.pending)
            self._wait()
            running = any(
                self.state.runs[name].status == RUNNING and lock.living_owner(self.folder / name)
                for name in self.pending.values()
            )
            if running or len(self.pending) < before:
                alive = time.monotonic()
