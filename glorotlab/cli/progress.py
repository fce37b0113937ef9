"""Progress of long work on standard error: bars on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glorotlab.cli.terminal import console, note, obeys

if TYPE_CHECKING:
    from glorotlab.arrays import Progress

INTERVAL = 10.0
"""Fewest seconds between two lines about a part that goes on; later on they are a tenth of all the time so far."""

PATIENCE = 2.0
"""Seconds from the start in which no line is printed, so that quick commands stay silent."""

Update = Callable[[str, int, int], None]
"""Function that takes the name of a part of the work, its steps done and its steps in all."""


@contextmanager
def progress_bars(show: bool = True, efforts: Mapping[str, float] | None = None) -> Iterator[Update]:
    """Show the progress of named parts of the work, with an estimate of the time left.

    Parameters
    ----------
    show : bool
        Whether to show anything.
    efforts : mapping of str to float, optional
        Parts that are to come and the time that each takes, in any unit: lines then also estimate the time left in all.

    Yields
    ------
    callable
        Called with name, steps done and steps in all, as often as the work likes.
    """
    if not show:
        yield lambda name, done, total: None
    elif obeys(sys.stderr):
        with _bars() as update:
            yield update
    else:
        yield ProgressLines(note, time.monotonic, efforts)


@contextmanager
def progress_bar(name: str, show: bool = True) -> Iterator[Progress]:
    """Show the progress of work that has one part."""
    with progress_bars(show) as update:
        yield lambda done, total: update(name, done, total)


@contextmanager
def _bars() -> Iterator[Update]:
    """Show a bar for each part, and remove them in the end."""
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=console(), transient=True) as bars:

        def update(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total, completed=done)  # a resumed run has steps behind it
            bars.update(tasks[name], completed=done, total=total)

        yield update


@dataclass
class _Part:
    """A part of the work.

    Parameters
    ----------
    started : float
        Time at which it began.
    total : int
        Steps in all; where it changes, steps of another kind begin.
    since, first : float, int
        Time and steps done when the steps of this kind began: a resumed run has steps behind it.
    share : float
        Share of the part that is done.
    """

    started: float
    total: int
    since: float
    first: int
    share: float = 0.0


class ProgressLines:
    """Lines about the progress of named parts: one when a part ends, and some before that.

    Parameters
    ----------
    write : callable
        Takes each line.
    clock : callable
        Returns seconds, from any origin.
    efforts : mapping of str to float, optional
        Parts that are to come and the time that each takes, in any unit.
    """

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float], efforts: Mapping[str, float] | None = None
    ) -> None:
        self._write, self._clock, self._efforts = write, clock, efforts or {}
        self._parts: dict[str, _Part] = {}
        self._started = self._latest = clock()

    def __call__(self, name: str, done: int, total: int) -> None:
        """Record the progress of a part; print a line if one is due."""
        now = self._clock()
        part = self._parts.setdefault(name, _Part(now, total, now, done))
        if part.share == 1:
            return
        if total != part.total:
            part.total, part.since, part.first = total, now, done
        part.share = min(done / max(total, 1), 1.0)
        if part.share == 1:
            if now - self._started >= PATIENCE:
                self._print(now, f"{name}: finished in {duration(now - part.started)}")
        elif now - self._latest >= max(INTERVAL, (now - self._started) / 10):
            taken = done - part.first
            left = f", about {duration((now - part.since) / taken * (total - done))} left" if taken > 0 else ""
            self._print(now, f"{name}: {done} of {total} in {duration(now - part.started)}{left}")

    def _print(self, now: float, line: str) -> None:
        self._latest = now
        self._write(line + self._left_in_all(now))

    def _left_in_all(self, now: float) -> str:
        """Return the time left of all parts, as far as their efforts are known."""
        done = sum(effort * self._parts[name].share for name, effort in self._efforts.items() if name in self._parts)
        left = sum(self._efforts.values()) - done
        if not done or left <= 0:
            return ""
        return f"; about {duration((now - self._started) / done * left)} left in all"


def duration(seconds: float) -> str:
    """Return a time in the two units that matter: ``7 s``, ``2 min 5 s``, ``3 h 40 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole // 60 % 60} min"
