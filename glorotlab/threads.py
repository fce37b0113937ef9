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
from glorotlab.errors import InvalidValueError
from glorotlab.resources import setting, usable_cpus

_lock = Lock()
_state = {"threads": 0, "limits": 0, "shared": 0, "forked": 0}
_restore: list[Any] = []


def _check(n: object, origin: str) -> int:
    return whole_number(origin, n, 1, 1024)


def default_num_threads() -> int:
    """Return GLOROTLAB_NUM_THREADS where it is set and not empty, else the number of CPUs this process may use."""
    text = setting("GLOROTLAB_NUM_THREADS")
    if text is None:
        return usable_cpus()
    return _check(int(text) if text.isdecimal() else text, "GLOROTLAB_NUM_THREADS")


def num_threads() -> int:
    """Return the number of threads the kernels use.

    It is 1 in a process that ``os.fork`` has made of one that used several, where GNU OpenMP would wait for threads
    that the fork has not taken along.

    Returns
    -------
    int

    Examples
    --------
    >>> import glorotlab as gl
    >>> gl.num_threads() >= 1
    True
    """
    if _state["forked"]:
        return 1
    if not _state["threads"]:
        _state["threads"] = default_num_threads()
    _state["shared"] |= _state["threads"] > 1
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
        Where ``n`` is not a whole number from 1 to 1024, or not 1 in a forked process.

    Examples
    --------
    >>> import glorotlab as gl
    >>> before = gl.num_threads()
    >>> gl.set_num_threads(1)
    >>> gl.num_threads()
    1
    >>> gl.set_num_threads(before)
    """
    n = _check(n, "number of threads")
    if _state["forked"] and n > 1:
        raise InvalidValueError(
            f"number of threads {n}: allowed is 1 in a forked process, as the one it comes from has used several; "
            "processes of the start methods spawn and forkserver have as many as they are given"
        )
    _state["threads"] = n


@contextmanager
def one_kernel_thread() -> Iterator[None]:
    """Hold the kernels of this process at one thread: other processes have the CPUs, and threads that wait spin."""
    before = num_threads()
    set_num_threads(1)
    try:
        yield
    finally:
        set_num_threads(before)


def _begin_in_fork() -> None:
    """Begin in a forked process, where the only thread is the one that has forked; others may have held the lock."""
    global _lock
    _lock = Lock()
    _state["forked"] |= _state["shared"]  # what has only imported the kernels, as a fork server has, has no threads yet


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_fork)


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
