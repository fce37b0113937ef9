"""Workers: who makes runs (processes of this machine, a Dask cluster, any Executor), opened once for several calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import TracebackType

from glorotlab.checks import whole_number
from glorotlab.errors import InvalidValueError, NotEnoughMemoryError
from glorotlab.spec.run import RunSpec
from glorotlab.threads import num_threads, one_kernel_thread
from glorotlab.training.memory import fitting
from glorotlab.training.sweeps.cluster import Tls, check_scheduler, dask_cluster
from glorotlab.training.sweeps.executors import processes
from glorotlab.training.sweeps.plan import Point
from glorotlab.training.sweeps.runner import Runner
from glorotlab.training.sweeps.state import SweepState
from glorotlab.training.sweeps.task import Task
from glorotlab.training.sweeps.token import Token


class Workers:
    """The workers that make runs, as a context manager; executors are opened when needed.

    Parameters
    ----------
    executor : concurrent.futures.Executor, optional
        It makes the runs; it gets texts alone, and is not shut down.
    workers : int, optional
        Number of processes that are spawned here, by default one for each CPU.
    scheduler : str, optional
        Address of a Dask cluster's scheduler, ``tls://host:port`` or ``tcp://host:port``, in place of processes.
    tls : Tls, optional
        Files by which this side and the scheduler know each other; by default those of Dask's own configuration.
    threads : int, optional
        Threads of each run, which change no result. By default CPUs // workers, on a cluster 1, of an executor its
        workers' own number.

    Raises
    ------
    InvalidValueError
        Where executor, workers or scheduler exclude each other, or a number is not allowed.
    """

    def __init__(
        self,
        *,
        executor: Executor | None = None,
        workers: int | None = None,
        scheduler: str | None = None,
        tls: Tls | None = None,
        threads: int | None = None,
    ) -> None:
        if sum(choice is not None for choice in (executor, workers, scheduler)) > 1:
            raise InvalidValueError("executor, workers and scheduler: allowed is one of them")
        if scheduler is not None:
            check_scheduler(scheduler, tls)
        for name, number in (("workers", workers), ("threads", threads)):
            if number is not None:
                whole_number(name, number, 1, 1024)
        if tls and scheduler is None:
            raise InvalidValueError("files of TLS without a scheduler: allowed are both together")
        self._given, self._scheduler, self._tls, self._threads = executor, scheduler, tls, threads
        self._count, self._size = workers, workers or 1
        self._opened: Executor | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def make(
        self,
        folder: Path,
        points: Iterable[Point],
        state: SweepState,
        checkpoint_every: float,
        progress: Callable[[SweepState], None] | None = None,
    ) -> None:
        """Make the runs of a state that are not settled, each in its own folder below ``folder``; update the state.

        Raises
        ------
        RunFailedError
            Where the scheduler does not answer, or worker processes end again and again before they begin a run.
        KeyboardInterrupt
            After the runs in hand have written their checkpoints.
        """
        todo = [name for name, run in state.runs.items() if not run.settled]
        if todo:
            of_runs = {point.run: point.spec for point in points}
            specs = {name: spec.model_dump(mode="json") for name, spec in of_runs.items()}
            self._size = self._count or min(num_threads(), len(todo))
            if self._given is None and self._scheduler is None:
                self._size = self._fitting([of_runs[name] for name in todo])
            with Token(folder) as token:
                tasks = {
                    name: Task(
                        specs[name],
                        str(folder / name),
                        str(token.path),
                        token.word,
                        self._threads_of_a_run(self._size),
                        checkpoint_every,
                    )
                    for name in todo
                }
                try:
                    with one_kernel_thread() if self.renewable else nullcontext():
                        Runner(folder, tasks, state, progress, token).run(self)
                except BaseException:
                    self.close()
                    raise
        if progress:
            progress(state)

    def _fitting(self, specs: list[RunSpec]) -> int:
        """Return how many processes have memory for their runs; NotEnoughMemoryError if more were requested."""
        most, together = fitting(specs), min(self._size, len(specs))
        if self._count and most < together:
            raise NotEnoughMemoryError(
                f"workers {self._count}: {together} of these runs at a time do not fit into the memory there is: "
                f"allowed are 1 to {most}"
            )
        return self._size if self._count else min(self._size, most)

    def _threads_of_a_run(self, count: int) -> int | None:
        if self._threads is not None or self._given is not None:
            return self._threads
        return 1 if self._scheduler else max(1, num_threads() // count)

    @property
    def renewable(self) -> bool:
        """Whether a new executor may replace one that broke, which is so for processes spawned here."""
        return self._given is None and self._scheduler is None

    def open(self) -> Executor:
        """Return the open executor, or open one."""
        if self._opened is None:
            self._opened = self._open(self._size)
        return self._opened

    def close(self) -> None:
        """Close the executor unless it is the caller's; processes spawned here have then ended."""
        self._opened = None
        self._stack.close()

    def _open(self, count: int) -> Executor:
        if self._given is not None:
            return self._given
        makers = dask_cluster(self._scheduler, self._tls) if self._scheduler else processes(count)
        return self._stack.enter_context(makers)
