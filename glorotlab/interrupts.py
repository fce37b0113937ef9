"""Ctrl-C and SIGTERM between two updates: never inside one, and never while a run is being written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM, where it is taken as Ctrl-C is."""


def terminate(signum: int, frame: FrameType | None) -> NoReturn:
    """Raise Terminated: a handler of SIGTERM."""
    raise Terminated


HANDLERS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: terminate}
"""Signal handlers that are postponed; a handler of the user's is left alone."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated on SIGTERM inside the block; without effect beside the main thread or another handler."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def held_interrupts() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C, and SIGTERM where it is ``terminable``, back inside the block.

    Yields a function that raises KeyboardInterrupt where Ctrl-C was pressed since the last call (Terminated on
    SIGTERM); what is still held when the block ends is raised then. Without effect beside the main thread or a handler
    of the user's own.
    """
    held: list[int] = []

    def note(signum: int, frame: FrameType | None) -> None:
        held.append(signum)

    def release() -> None:
        if held:
            signum = max(held)  # SIGTERM, where there are both
            held.clear()
            HANDLERS[signal.Signals(signum)](signum, None)

    in_main = threading.current_thread() is threading.main_thread()
    ours = [signum for signum, handler in HANDLERS.items() if in_main and signal.getsignal(signum) is handler]
    for signum in ours:
        signal.signal(signum, note)
    try:
        yield release
    finally:
        for signum in ours:
            signal.signal(signum, HANDLERS[signum])
    release()
