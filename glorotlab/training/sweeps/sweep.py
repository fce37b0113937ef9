"""sweep: the runs of a SweepSpec, made by any Executor, each once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext

from glorotlab import files
from glorotlab.checks import whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.spec.sweep import SweepSpec
from glorotlab.threads import num_threads
from glorotlab.training.runs.saver import CHECKPOINT_EVERY
from glorotlab.training.sweeps import plan
from glorotlab.training.sweeps.executors import dask_cluster, processes
from glorotlab.training.sweeps.results import SweepResults
from glorotlab.training.sweeps.runner import Runner
from glorotlab.training.sweeps.state import SweepState, read_state
from glorotlab.training.sweeps.task import Task
from glorotlab.training.sweeps.token import Token


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
    """Make the runs of a sweep that are not there yet, and resume those that have not ended.

    Parameters
    ----------
    spec : SweepSpec
    out : path-like
        Output folder. Run folders in it are named by content, so several sweeps can share it, and their runs.
    executor : concurrent.futures.Executor, optional
        It makes the runs; it gets texts alone, and is not shut down. By default processes are spawned here (in a
        script, below ``if __name__ == "__main__":``).
    workers : int, optional
        Number of processes, by default one for each CPU.
    scheduler : str, optional
        Address of a Dask cluster's scheduler, ``tcp://host:port``, in place of processes.
    threads : int, optional
        Threads of each run, which change no result. By default CPUs // workers, on a cluster 1, of an executor its
        workers' own number.
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
        After the runs in hand have written their checkpoints.
    """
    if sum(choice is not None for choice in (executor, workers, scheduler)) > 1:
        raise InvalidValueError("executor, workers and scheduler: allowed is one of them")
    for name, number in (("workers", workers), ("threads", threads)):
        if number is not None:
            whole_number(name, number, 1, 1024)
    if not checkpoint_every >= 0:
        raise InvalidValueError(f"checkpoint_every {checkpoint_every!r}: allowed are seconds from 0")
    folder = files.user_path(out).absolute()
    points = plan.plan(spec)
    files.make_folder(folder)
    state = read_state(folder, points)
    todo = [name for name, run in state.runs.items() if not run.settled]
    plan.write(folder, spec, [point.run for point in points])
    if todo:
        count = workers or min(num_threads(), len(todo))
        if threads is None and executor is None:
            threads = 1 if scheduler else max(1, num_threads() // count)
        specs = {point.run: point.spec.model_dump(mode="json") for point in points}
        with Token(folder) as token:
            tasks = {
                name: Task(specs[name], str(folder / name), str(token.path), token.word, threads, checkpoint_every)
                for name in todo
            }
            Runner(folder, tasks, state, progress, token).run(
                _opener(executor, count, scheduler), renewable=executor is None and scheduler is None
            )
    if progress:
        progress(state)
    return SweepResults(folder, spec, [point.run for point in points], errors=state.errors())


def _opener(
    executor: Executor | None, workers: int, scheduler: str | None
) -> Callable[[], AbstractContextManager[Executor]]:
    if executor is not None:
        return lambda: nullcontext(executor)
    return (lambda: dask_cluster(scheduler)) if scheduler else (lambda: processes(workers))
