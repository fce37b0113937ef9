"""sweep: the runs of a SweepSpec, made by any Executor, each once."""

from __future__ import annotations

import itertools
import json
import os
import queue
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glorotlab import files
from glorotlab.checks import whole_number
from glorotlab.errors import InvalidValueError, RunError
from glorotlab.spec.sweep import SweepSpec
from glorotlab.threads import num_threads
from glorotlab.training.runs import lock
from glorotlab.training.runs.saver import CHECKPOINT_EVERY
from glorotlab.training.runs.status import ENDED, INTERRUPTED, RUNNING, read_status
from glorotlab.training.sweeps import plan
from glorotlab.training.sweeps.executors import dask_cluster, processes
from glorotlab.training.sweeps.plan import Point
from glorotlab.training.sweeps.results import SweepResults
from glorotlab.training.sweeps.task import FAILED, IN_USE, STOPPED, Task, run_task

WAITING = "waiting"

GOING_ON = "going-on-"
"""How the names of files begin that are there as long as a sweep goes on."""

TICK = 0.2
LOOK_EVERY = 1.0
"""Seconds between two looks at what the workers have written."""

LOOKED_AT = 64
"""Runs that go on whose status is read at each look, at most."""

STOP_AFTER = 3.0
"""Seconds without a sign of a worker after which Ctrl-C waits no longer."""

DEATHS = 3
"""How many worker processes a run may outlive."""


@dataclass
class RunState:
    """What is known of one run: its labels, its updates, its status, and ``status.json`` once there is one."""

    labels: dict[str, Any]
    updates_in_all: int
    status: str = WAITING
    said: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    skipped: bool = False

    @property
    def settled(self) -> bool:
        """Whether this sweep will do no more about it."""
        return self.status in (*ENDED, FAILED, STOPPED)


@dataclass
class SweepState:
    """A sweep as it goes on: its runs by the name of their folder, and whether it is being stopped."""

    runs: dict[str, RunState]
    stopping: bool = False

    def counts(self) -> dict[str, int]:
        """Return how many runs have each status."""
        return dict(Counter(run.status for run in self.runs.values()))


def sweep(
    spec: SweepSpec,
    out: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    threads: int | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY,
    progress: Callable[[SweepState], None] | None = None,
) -> SweepResults:
    """Make the runs of a sweep that are not there yet, and go on with those that have not ended.

    Parameters
    ----------
    spec : SweepSpec
    out : path-like
        Its folder. Run folders in it are named by content, so several sweeps can share one, and their runs.
    executor : concurrent.futures.Executor, optional
        What makes the runs; it gets texts alone, and is not shut down. By default processes are spawned here (in a
        script, below ``if __name__ == "__main__":``).
    workers : int, optional
        How many processes, by default one for each CPU.
    scheduler : str, optional
        Address of a Dask cluster's scheduler, ``tcp://host:port``, in place of processes.
    threads : int, optional
        Of each run; changes no result. By default CPUs // workers, on a cluster 1, of an executor its workers' own.
    checkpoint_every : float
        Seconds between checkpoints of a run.
    progress : callable, optional
        Called with the SweepState again and again.

    Returns
    -------
    SweepResults
        ``errors`` says which runs failed; those that diverged are results.

    Raises
    ------
    InvalidValueError
        Where executor, workers or scheduler exclude each other, or network and data do not fit.
    RunError
        Where the folder cannot be written.
    RunFailedError
        Where the scheduler does not answer.
    KeyboardInterrupt
        After the runs that went on have written their checkpoints.
    """
    if sum(given is not None for given in (executor, workers, scheduler)) > 1:
        raise InvalidValueError("executor, workers and scheduler: allowed is one of them")
    for name, number in (("workers", workers), ("threads", threads)):
        if number is not None:
            whole_number(name, number, 1, 1024)
    if not checkpoint_every >= 0:
        raise InvalidValueError(f"checkpoint_every {checkpoint_every!r}: allowed are seconds from 0")
    folder = files.user_path(out).absolute()
    points = plan.plan(spec)
    files.make_folder(folder)
    state = _look(folder, points)
    todo = [name for name, run in state.runs.items() if not run.settled]
    plan.write(folder, spec, [point.run for point in points])
    if todo:
        count = workers or min(num_threads(), len(todo))
        if threads is None and executor is None:
            threads = 1 if scheduler else max(1, num_threads() // count)
        specs = {point.run: point.spec.model_dump(mode="json") for point in points}
        with _Token(folder) as token:
            tasks = {
                name: Task(specs[name], str(folder / name), str(token.path), token.word, threads, checkpoint_every)
                for name in todo
            }
            _Runner(folder, tasks, state, progress, token).run(
                _opener(executor, count, scheduler), renewable=executor is None and scheduler is None
            )
    if progress:
        progress(state)
    return SweepResults(folder, spec, [point.run for point in points], errors=_errors(state))


def _look(folder: Path, points: Iterable[Point]) -> SweepState:
    """Return what is there already."""
    runs: dict[str, RunState] = {}
    for point in points:
        if point.run not in runs:
            runs[point.run] = run = RunState(point.labels, point.spec.training.updates)
            try:
                run.said = read_status(folder / point.run)
            except RunError:
                continue
            if run.said["status"] in ENDED and run.said.get("content_hash") == point.spec.content_hash:
                run.status, run.skipped = run.said["status"], True
            elif run.said["status"] == INTERRUPTED:
                run.status = INTERRUPTED
    return SweepState(runs)


def _opener(
    executor: Executor | None, workers: int, scheduler: str | None
) -> Callable[[], AbstractContextManager[Executor]]:
    if executor is not None:
        return lambda: nullcontext(executor)
    return (lambda: dask_cluster(scheduler)) if scheduler else (lambda: processes(workers))


def _errors(state: SweepState) -> dict[str, str]:
    return {name: run.error for name, run in state.runs.items() if run.status not in ENDED}


class _Token:
    """A file that is there as long as the sweep wants its runs to go on; it names the sweep's process."""

    def __init__(self, folder: Path) -> None:
        self.word = lock.Owner.this_process().to_bytes().decode()
        self.path = folder / f"{GOING_ON}{secrets.token_hex(4)}"

    def __enter__(self) -> _Token:
        for path in self.path.parent.glob(f"{GOING_ON}*"):
            owner = lock.read_owner(path)
            if owner and not owner.lives(heartbeat=time.time()):  # of this machine, and killed
                path.unlink(missing_ok=True)
        files.write_whole(self.path, self.word)
        return self

    def __exit__(self, *error: object) -> None:
        self.path.unlink(missing_ok=True)


class _Runner:
    """Hands out tasks until every run is settled."""

    def __init__(
        self,
        folder: Path,
        tasks: dict[str, Task],
        state: SweepState,
        progress: Callable[[SweepState], None] | None,
        token: _Token,
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
        """Make every run; with a new executor where the one before broke, as a pool does when a process is killed."""
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
            self._look()
            self.looked = time.monotonic()
        if self.progress:
            self.progress(self.state)

    def _take(self, future: Future[str]) -> None:
        name = self.pending.pop(future)
        run = self.state.runs[name]
        try:
            said = json.loads(future.result())
        except BrokenExecutor:
            self.lost.append(name)
            return
        except CancelledError:
            said = {"status": FAILED, "error": "the executor gave it up"}
        except Exception as error:  # of the executor: our task raises nothing
            said = {"status": FAILED, "error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
        run.status, run.error = said["status"], said.pop("error", "")
        if self.state.stopping and run.status not in ENDED:
            run.status, run.error = INTERRUPTED, ""
        elif run.status == IN_USE:
            self.elsewhere.add(name)
        elif run.status == STOPPED:
            run.error = "its worker was interrupted; its checkpoint is there"
        elif run.status in ENDED:
            run.said = said

    def _look(self) -> None:
        """Read what workers have written about the runs that go on."""
        with os.scandir(self.folder) as entries:
            there = {entry.name for entry in entries}
        begun = (name for name in self.pending.values() if name in there)
        for name in itertools.islice(begun, LOOKED_AT):
            run = self.state.runs[name]
            try:
                run.said = read_status(self.folder / name)
            except RunError:
                continue
            run.status = RUNNING if run.said["status"] == RUNNING else run.status

    def _released(self) -> list[str]:
        """Return the runs another process had and has left; note those it has ended."""
        found = []
        for name in sorted(self.elsewhere):
            if lock.living_owner(self.folder / name):
                continue
            self.elsewhere.remove(name)
            run = self.state.runs[name]
            try:
                run.said = read_status(self.folder / name)
            except RunError:
                run.said = {}
            if run.said.get("status") in ENDED:
                run.status, run.error = run.said["status"], ""
            else:
                found.append(name)
        return found

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
        self.token.path.unlink(missing_ok=True)
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
