"""sweep: the runs of a SweepSpec, made by any Executor, each once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor

from glorotlab import files
from glorotlab.arrays import Progress
from glorotlab.checks import instance_of, progress_function, real_number
from glorotlab.spec.sweep import SweepSpec
from glorotlab.training.runs.saver import CHECKPOINT_EVERY
from glorotlab.training.sweeps import plan
from glorotlab.training.sweeps.cluster import Tls
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
    tls: Tls | None = None,
    threads: int | None = None,
    shard: tuple[int, int] | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY,
    planning: Progress | None = None,
    progress: Callable[[SweepState], None] | None = None,
) -> SweepResults:
    """Make the runs of a sweep that are not there yet, and resume those that have not ended.

    Parameters
    ----------
    spec : SweepSpec
    out : path-like
        Output folder. A run is known there by its content, so several sweeps can share it, and their runs.
    executor : concurrent.futures.Executor, optional
        It makes the runs; it gets texts alone, and is not shut down. By default processes are spawned here (in a
        script, below ``if __name__ == "__main__":``).
    workers : int, optional
        Number of processes, by default one for each CPU.
    scheduler : str, optional
        Address of a Dask cluster's scheduler, ``tls://host:port`` or ``tcp://host:port``, in place of processes.
        Without TLS a scheduler runs any code for whoever reaches its port.
    tls : Tls, optional
        Files by which this side and the scheduler know each other; by default those of Dask's own configuration.
    threads : int, optional
        Threads of each run, which change no result. By default CPUs // workers, on a cluster 1, of an executor its
        workers' own number.
    shard : tuple of int, optional
        (i, n) makes every n-th run from the i-th on: n calls, on as many machines that see the folder, make them all.
    checkpoint_every : float
        Seconds between checkpoints of a run.
    planning : callable, optional
        Called with (runs planned, runs in all) before the first run is made.
    progress : callable, optional
        Called with the SweepState again and again.

    Returns
    -------
    SweepResults
        All runs of the sweep; ``errors`` says which failed in this call. Those that diverged are results.

    Raises
    ------
    InvalidValueError
        Where executor, workers or scheduler exclude each other, there is no such shard, or network and data do not fit.
    RunError
        Where the folder cannot be written.
    RunFailedError
        Where the scheduler does not answer, or worker processes end again and again before they begin a run.
    KeyboardInterrupt
        After the runs in hand have written their checkpoints.

    Examples
    --------
    >>> import glorotlab as gl
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from tempfile import TemporaryDirectory
    >>> run = {"data": "shapeset(validation=10, test=10)", "network": {"layers": "1024,9"}, "training": {"updates": 1}}
    >>> spec = gl.SweepSpec(run=run, grid={"learning_rate": [0.01, 0.1]})
    >>> with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as executor:
    ...     results = gl.sweep(spec, folder, executor=executor)
    ...     results.final()["status"].values.tolist()
    ['finished', 'finished']
    """
    instance_of("sweep", spec, SweepSpec, "a SweepSpec: SweepSpec.from_toml(text)")
    checkpoint_every, progress = real_number("checkpoint_every", checkpoint_every, 0), progress_function(progress)
    folder = files.user_path(out).absolute()
    with Workers(executor=executor, workers=workers, scheduler=scheduler, tls=tls, threads=threads) as makers:
        points = plan.plan(spec, folder, planning)
        chosen = plan.shard_of(points, shard) if shard else points
        files.make_folder(folder)
        state = read_state(folder, chosen)
        plan.write(folder, spec, [point.run for point in points])
        makers.make(folder, chosen, state, checkpoint_every, progress)
    return SweepResults(folder, spec, [point.run for point in points], errors=state.errors())


def preview(
    spec: SweepSpec,
    out: str | os.PathLike[str],
    *,
    shard: tuple[int, int] | None = None,
    planning: Progress | None = None,
) -> SweepState:
    """Return what ``sweep`` would find in a folder: which runs have ended, and which it would make or resume.

    Parameters are those of ``sweep``. Nothing is written.

    Raises
    ------
    InvalidValueError
        Where there is no such shard, or network and data do not fit.
    """
    folder = files.user_path(out).absolute()
    points = plan.plan(spec, folder, planning)
    return read_state(folder, plan.shard_of(points, shard) if shard else points)
