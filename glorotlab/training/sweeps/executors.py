"""Processes of this machine that make the runs of a sweep."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from glorotlab.interrupts import Terminated, terminable
from glorotlab.kernels import simd

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Spawn processes on this machine; forked ones would have one thread each."""
    pool = Processes(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


class Processes(ProcessPoolExecutor):
    """A pool of spawned processes that Ctrl-C stops only inside a task, and that end when their parent does.

    SIGTERM ends a process after its task has seen it as Ctrl-C.

    Parameters
    ----------
    workers : int
        Number of processes.
    """

    def __init__(self, workers: int) -> None:
        spawned, level = multiprocessing.get_context("spawn"), simd.get_level()
        super().__init__(workers, spawned, initializer=_prepare, initargs=(level,))

    def submit(
        self, function: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Submit a call; Ctrl-C is postponed in spawned processes until they are prepared."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(_interruptible, function, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


_busy = threading.Lock()


def _prepare(level: str) -> None:
    """Prepare a spawned process: Ctrl-C does nothing between tasks, and the SIMD level is that of its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, name="glorotlab parent", daemon=True).start()
    simd.set_level(level)


def _end_with_parent() -> None:
    """End an idle process whose parent is gone, which would otherwise wait for tasks forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        with _busy:
            os._exit(1)


def _interruptible(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with _busy:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with terminable():
                return function(*args, **kwargs)
        except Terminated:  # what was done is saved
            signal.raise_signal(signal.SIGTERM)
            raise
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
