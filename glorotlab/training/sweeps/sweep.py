"""sweep: the runs of a SweepSpec, made by any Executor, each once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor

from glorotlab import files
from glorotlab.checks import instance_of, progress_function, real_number
from glorotlab.spec.sweep import SweepSpec
from glorotlab.training.runs.saver import CHECKPOINT_EVERY
from glorotlab.training.sweeps import plan
from glorotlab.training.sweeps.results import SweepResults
from glorotlab.training.sweeps.state import SweepState, read_state
from glorotlab.training.sweeps.workers import Workers


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
        Where the scheduler does not answer, or worker processes end again and again before they begin a run.
    KeyboardInterrupt
        After the runs in hand have written their checkpoints.
    """
    instance_of("sweep", spec, SweepSpec, "a SweepSpec: SweepSpec.from_toml(text)")
    checkpoint_every, progress = real_number("checkpoint_every", checkpoint_every, 0), progress_function(progress)
    folder = files.user_path(out).absolute()
    with Workers(executor=executor, workers=workers, scheduler=scheduler, threads=threads) as makers:
        points = plan.plan(spec)
        files.make_folder(folder)
        state = read_state(folder, points)
        plan.write(folder, spec, [point.run for point in points])
        makers.make(folder, points, state, checkpoint_every, progress)
    return SweepResults(folder, spec, [point.run for point in points], errors=state.errors())
