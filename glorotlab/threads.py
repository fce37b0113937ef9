"""How many threads the kernels use, and a BLAS that stays single-threaded while they do.

The number of threads never changes a result: work is cut into tiles by shape alone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

import threadpoolctl

from glorotlab.checks import whole_number

_lock = Lock()
_state = {"threads": 0, "limits": 0}
_restore: list[Any] = []


def _check(n: object, origin: str) -> int:
    return whole_number(origin, n, 1, 1024)


def default_num_threads() -> int:
    """Return GLOROTLAB_NUM_THREADS where it is set, else the number of CPUs this process may use."""
    text = os.environ.get("GLOROTLAB_NUM_THREADS")
    if text is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _check(int(text) if text.isdecimal() else text, "GLOROTLAB_NUM_THREADS")


def num_threads() -> int:
    """Return the number of threads the kernels use.

    Returns
    -------
    int
    """
    if not _state["threads"]:
        _state["threads"] = default_num_threads()
    return _state["threads"]


def set_num_threads(n: int) -> None:
    """Set the number of threads of every kernel from now on; results do not depend on it.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    InvalidValueError
        Where ``n`` is not a whole number from 1 to 1024.
    """
    _state["threads"] = _check(n, "number of threads")


@lru_cache(maxsize=1)
def _controller() -> threadpoolctl.ThreadpoolController:
    import scipy.linalg  # noqa: F401  so that the controller sees SciPy's BLAS as well as NumPy's

    return threadpoolctl.ThreadpoolController().select(user_api="blas")


@contextmanager
def _in_control() -> Iterator[None]:
    """Let this thread set the limit.

    Newer versions of threadpoolctl obey only the first Python thread that sets OpenBLAS's process-wide limit and
    silently ignore every other one for as long as it lives; our lock and count already keep threads apart.
    """
    clear = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", lambda force: None)
    clear(force=True)
    yield
    clear(force=True)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS at one thread; nests, and costs next to nothing inside another of its kind."""
    with _lock:
        _state["limits"] += 1
        if _state["limits"] == 1:
            with _in_control():
                _restore.append(_controller().limit(limits=1))
    try:
        yield
    finally:
        with _lock:
            _state["limits"] -= 1
            if _state["limits"] == 0:
                with _in_control():
                    _restore.pop().restore_original_limits()
