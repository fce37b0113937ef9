"""A guard of a network: one thread of Python trains it, or any number read it.

The compiled steps leave the interpreter's lock, so that two threads could train one network at the same time, with
results that no program could repeat. They are refused rather than made to wait: each would still meet weights that the
other has changed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock, get_ident

from glorotlab.errors import NetworkInUseError


class Guard:
    """The threads that currently use a network; the one that trains it may read it and train it again."""

    def __init__(self) -> None:
        self._lock = RLock()  # a signal's handler may use the network where this thread holds the lock
        self._readers = 0
        self._trainer: int | None = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep others from training the network; NetworkInUseError if another thread does."""
        with self._lock:
            self._refuse_other_trainer()
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1

    @contextmanager
    def training(self) -> Iterator[None]:
        """Keep others from using the network; NetworkInUseError if another thread does."""
        with self._lock:
            self._refuse_other_trainer()
            if self._readers and self._trainer is None:
                raise _in_use("read")
            before, self._trainer = self._trainer, get_ident()
        try:
            yield
        finally:
            with self._lock:
                self._trainer = before

    def _refuse_other_trainer(self) -> None:
        if self._trainer not in (None, get_ident()):
            raise _in_use("trained")


def _in_use(how: str) -> NetworkInUseError:
    return NetworkInUseError(
        f"this network is being {how} in another thread: allowed is one thread that trains a network, or several that "
        "read it; give each thread a network of its own (copy.deepcopy)"
    )
