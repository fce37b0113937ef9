"""The CPUs that this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CAN_LIMIT = hasattr(os, "sched_setaffinity")
"""Whether the system can bind a process to some of its CPUs."""

TASKS = Path("/proc/self/task")
"""Folder with an entry for each thread of this process, on Linux."""


def cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if CAN_LIMIT else os.cpu_count() or 1


@contextmanager
def limited_cpus(count: int) -> Iterator[None]:
    """Bind every thread of this process, and those it starts meanwhile, to ``count`` of its CPUs; then restore them.

    The last ones are taken: interrupts go to the first. Where there are no more CPUs than that, or the system cannot
    limit them (only Linux can), nothing is changed.
    """
    allowed = sorted(os.sched_getaffinity(0)) if CAN_LIMIT else []
    if count >= len(allowed):
        yield
        return
    before = {thread: os.sched_getaffinity(thread) for thread in _threads()}
    for thread in before:
        _hold(thread, allowed[-count:])
    try:
        yield
    finally:
        for thread in _threads():
            _hold(thread, before.get(thread, allowed))


def _threads() -> list[int]:
    """Return the threads of this process, or 0 for the calling one if the system lists none."""
    return [int(task.name) for task in TASKS.iterdir()] if TASKS.exists() else [0]


def _hold(thread: int, allowed: list[int] | set[int]) -> None:
    with suppress(ProcessLookupError):  # the thread has ended
        os.sched_setaffinity(thread, allowed)
