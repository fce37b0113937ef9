"""Two lanes of work, one in a thread beside the other: the one waits for other processes while the other computes.

An error or Ctrl-C in one ends both.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

Check = Callable[[], None]
"""Function that a lane calls repeatedly; it raises ``Stopped``, once, if the other lane has ended early."""


class Stopped(KeyboardInterrupt):
    """Raised in a lane because the other has ended; it interrupts the current work as Ctrl-C does."""


def side_by_side(here: Callable[[Check], None], beside: Callable[[Check], None]) -> None:
    """Run ``here`` in this thread, which receives Ctrl-C, and ``beside`` in another, until both have ended.

    Parameters
    ----------
    here, beside : callable
        Each takes a ``Check``.

    Raises
    ------
    BaseException
        What ended the lane that failed first; the other one has then ended too.
    """
    stop_here, stop_beside = Event(), Event()

    def watched() -> None:
        try:
            beside(_check(stop_beside))
        except BaseException:
            stop_here.set()
            raise

    with ThreadPoolExecutor(1, "glorotlab lane") as pool:
        try:
            other = pool.submit(watched)
            here(_check(stop_here))
            other.result()
        except Stopped:
            other.result()  # raises what it failed of
            raise
        except BaseException:
            stop_beside.set()
            raise


def _check(stop: Event) -> Check:
    def check() -> None:
        if stop.is_set():
            stop.clear()  # what ends in an orderly way may go on to report how far it is
            raise Stopped

    return check
