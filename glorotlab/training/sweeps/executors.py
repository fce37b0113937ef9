"""Where the runs of a sweep are made: spawned processes of this machine, a Dask cluster, or any Executor."""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from glorotlab.errors import InvalidValueError, RunFailedError
from glorotlab.interrupts import Terminated, terminable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

CONNECT_SECONDS = 20
"""Seconds a scheduler may take to answer."""


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Spawn processes on this machine; forked ones would hang in OpenMP."""
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
        super().__init__(workers, multiprocessing.get_context("spawn"), initializer=_prepare)

    def submit(
        self, function: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Submit a call; processes spawned here inherit that Ctrl-C waits until they are prepared."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(_interruptible, function, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


_busy = threading.Lock()


def _prepare() -> None:
    """Begin a spawned process: Ctrl-C does nothing between tasks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, name="glorotlab parent", daemon=True).start()


def _end_with_parent() -> None:
    """End an idle process whose parent is gone: it would wait for tasks for ever."""
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


@dataclass(frozen=True)
class Tls:
    """The files, in PEM, by which this side and a Dask cluster know each other.

    Parameters
    ----------
    ca_file : path-like or None
        Certificates of the authority that signs those of the cluster.
    cert : path-like or None
        Certificate of this side.
    key : path-like or None
        Its private key; None where it is in the file of the certificate.
    """

    ca_file: str | os.PathLike[str] | None
    cert: str | os.PathLike[str] | None
    key: str | os.PathLike[str] | None = None

    def check(self) -> None:
        """Raise InvalidValueError where one of the two that are needed is missing, or a file is not there."""
        needed = {"ca_file": self.ca_file, "cert": self.cert}
        for name, path in (needed | ({"key": self.key} if self.key else {})).items():
            if path is None:
                raise InvalidValueError(f"TLS without {name}: needed are ca_file and cert, and key where it is no part")
            if not os.path.isfile(os.path.expanduser(path)):
                raise InvalidValueError(f"TLS {name} {os.fspath(path)!r}: there is no such file")


@contextmanager
def dask_cluster(address: str, tls: Tls | None = None) -> Iterator[Executor]:
    """Connect to the scheduler of a Dask cluster.

    Parameters
    ----------
    address : str
    tls : Tls or None
        With an address ``tls://``; None leaves it to Dask's own configuration.

    Raises
    ------
    InvalidValueError
        Where the address is none, it is without TLS where files of TLS are given, or ``distributed`` is not installed.
    RunFailedError
        Where nobody answers.
    """
    if not re.fullmatch(r"(tcp|tls|ws|wss|ucx)://\S+:\d+", address):
        raise InvalidValueError(f"scheduler {address!r}: allowed is an address such as tcp://host:8786")
    if tls and not address.startswith(("tls://", "wss://")):
        raise InvalidValueError(f"scheduler {address!r} with files of TLS: allowed is an address tls://host:port")
    try:
        from distributed import Client
        from distributed.security import Security
    except ImportError:
        raise InvalidValueError(
            f"scheduler {address!r}: Dask is not installed; the extra brings it: pip install 'glorotlab[cluster]'"
        ) from None
    security = None
    if tls:
        tls.check()
        files = {"tls_ca_file": tls.ca_file, "tls_client_cert": tls.cert, "tls_client_key": tls.key}
        named = {name: os.path.abspath(os.path.expanduser(path)) for name, path in files.items() if path}
        security = Security(require_encryption=True, **named)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said in one line
    try:
        client = Client(address, security=security, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise RunFailedError(f"scheduler {address}: it does not answer: {' '.join(str(error).split())}") from None
    try:
        yield client.get_executor(pure=False)
    finally:
        client.close()
