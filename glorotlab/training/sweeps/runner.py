"""Runner: hands the runs of a sweep to an executor, and follows them until each is settled."""

from __future__ import annotations

import itertools
import json
import os
import queue
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import AbstractContextManager
from pathlib import Path

from glorotlab.errors import RunError
from glorotlab.training.runs import lock
from glorotlab.training.runs.status import ENDED, INTERRUPTED, RUNNING, read_status
from glorotlab.training.sweeps.state import FAILED, IN_USE, STOPPED, SweepState
from glorotlab.training.sweeps.task import Task, run_task
from glorotlab.training.sweeps.token import Token

TICK = 0.2
"""Seconds between two reports of progress, at most."""

LOOK_EVERY = 1.0
"""Seconds between two looks at what the workers have written."""

LOOKED_AT = 64
"""Runs whose status is read at each look, at most."""

STOP_AFTER = 3.0
"""Seconds without a sign of a worker after which Ctrl-C waits no longer."""

DEATHS = 3
"""Worker processes that may die of one run before it counts as failed."""


class Runner:
    """A runner hands out tasks until every run is settled.

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
        self.ended: queue.SimpleQueue[Future[str]] = queue.SimpleQueue()
        self.looked = 0.0

    def run(self, opener: Callable[[], AbstractContextManager[Executor]], renewable: bool) -> None:
        """Make every run.

        Parameters
        ----------
        opener : callable
            Returns a context manager of an Executor.
        renewable : bool
            Whether a new executor may take over from one that broke, as a pool does when a process is killed.
        """
        while self.todo:
            with opener() as executor:
                try:
                    self._submit(executor, self.todo)
                    while self.pending or self.elsewhere:
                        self._wait()
                        self._submit(executor, self._released())
                except KeyboardInterrupt:
                    self._stop()
                    raise
            self.todo, self.lost = self._survivors(renewable), []

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
        """Take what has ended, or let a moment pass."""
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
            report = json.loads(future.result())
        except BrokenExecutor:
            self.lost.append(name)
            return
        except CancelledError:
            report = {"status": FAILED, "error": "the executor gave it up"}
        except Exception as error:  # of the executor: our task raises nothing
            report = {"status": FAILED, "error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
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
        """Read what workers have written about the runs in hand."""
        with os.scandir(self.folder) as entries:
            folders = {entry.name for entry in entries}
        begun = (name for name in self.pending.values() if name in folders)
        for name in itertools.islice(begun, LOOKED_AT):
            run = self.state.runs[name]
            try:
                run.report = read_status(self.folder / name)
            except RunError:
                continue
            run.status = RUNNING if run.report["status"] == RUNNING else run.status

    def _released(self) -> list[str]:
        """Return the runs that another process had and left unfinished; note those that it ended."""
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

    def _survivors(self, renewable: bool) -> list[str]:
        """Return what is left when an executor broke, runs that it may have broken over last."""
        begun = [name for name in self.lost if (self.folder / name).exists()]
        self.deaths.update(begun or self.lost)
        left = [name for name in self.lost if name not in begun] + begun
        for name in self.lost:
            if not renewable or self.deaths[name] >= DEATHS:
                run = self.state.runs[name]
                run.status, run.error = FAILED, "its worker process died (killed, or out of memory?)"
                left.remove(name)
        return left

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
