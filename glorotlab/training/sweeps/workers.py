"""Workers: who makes runs (processes of this machine, a Dask cluster, any Executor), opened once for several calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from glorotlab.checks import whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.threads import num_threads
from glorotlab.training.sweeps.executors import dask_cluster, processes
from glorotlab.training.sweeps.plan import Point
from glorotlab.training.sweeps.runner import Runner
from glorotlab.training.sweeps.state import SweepState
from glorotlab.training.sweeps.task import Task
from glorotlab.training.sweeps.token import Token


class Workers:
    """The makers of runs, used as a context manager; what they need is opened when there is something to make.

    Parameters
    ----------
    executor : concurrent.futures.Executor, optional
        It makes the runs; it gets texts alone, and is not shut down.
    workers : int, optional
        Number of processes that are spawned here, by default one for each CPU.
    scheduler : str, optional
        Address of a Dask cluster's scheduler, ``tcp://host:port``, in place of processes.
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
        threads: int | None = None,
    ) -> None:
        if sum(choice is not None for choice in (executor, workers, scheduler)) > 1:
            raise InvalidValueError("executor, workers and scheduler: allowed is one of them")
        for name, number in (("workers", workers), ("threads", threads)):
            if number is not None:
                whole_number(name, number, 1, 1024)
        self._given, self._scheduler, self._threads = executor, scheduler, threads
        self._count = workers
        self._opened: Executor | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

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
            Where the scheduler does not answer.
        KeyboardInterrupt
            After the runs in hand have written their checkpoints.
        """
        todo = [name for name, run in state.runs.items() if not run.settled]
        if todo:
            specs = {point.run: point.spec.model_dump(mode="json") for point in points}
            count = self._count or min(num_threads(), len(todo))
            with Token(folder) as token:
                tasks = {
                    name: Task(
                        specs[name],
                        str(folder / name),
                        str(token.path),
                        token.word,
                        self._threads_of_a_run(count),
                        checkpoint_every,
                    )
                    for name in todo
                }
                renewable = self._given is None and self._scheduler is None
                Runner(folder, tasks, state, progress, token).run(self._opener(count), renewable)
        if progress:
            progress(state)

    def _threads_of_a_run(self, count: int) -> int | None:
        if self._threads is not None or self._given is not None:
            return self._threads
        return 1 if self._scheduler else max(1, num_threads() // count)

    def _opener(self, count: int) -> Callable[[], AbstractContextManager[Executor]]:
        """Return what opens the executor; what is open is used on, but for a second call: then it has broken."""
        calls = 0

        @contextmanager
        def opener() -> Iterator[Executor]:
            nonlocal calls
            if calls:
                self._close()
            calls += 1
            if self._opened is None:
                self._opened = self._open(count)
            try:
                yield self._opened
            except BaseException:
                self._close()
                raise

        return opener

    def _open(self, count: int) -> Executor:
        if self._given is not None:
            return self._given
        return self._stack.enter_context(dask_cluster(self._scheduler) if self._scheduler else processes(count))

    def _close(self) -> None:
        self._opened = None
        self._stack.close()
