"""Consoles, progress bars and cells of tables: results on standard output, everything else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

    from glorotlab.arrays import Progress

WIDE = 200  # columns where there is no terminal: a table in a file is not folded


class _Console(Console):
    """A console that leaves a closed pipe to ``main``."""

    def on_broken_pipe(self) -> None:
        raise  # rich calls this while it handles BrokenPipeError


def console(error: bool = False) -> Console:
    """Return a console on standard output (or error) as it is now, which prints text as it stands."""
    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else WIDE
    return _Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def note(message: str) -> None:
    """Print a line that is no result."""
    print(message, file=sys.stderr)


def table(*columns: str, left: int = 1) -> Table:
    """Return an empty table whose first ``left`` columns hold text and whose others hold numbers."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        made.add_column(name, justify="left" if index < left else "right")
    return made


def number(value: float | None, digits: int = 5) -> str:
    """Return a number as a cell; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{digits}g}"


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return plain lines, the first ``left`` columns flush left: rich would take seconds for 10,000 rows."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        aligned = (
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(aligned).rstrip()

    return "\n".join(map(line, (header, *rows)))


@contextmanager
def progress_bars(show: bool = True) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each name, with an estimate of the time left, on standard error where that is a terminal."""
    target = console(error=True)
    if not (show and target.is_terminal):
        yield lambda name, done, total: None
        return
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
    with Bars(*columns, console=target, transient=True) as bars:

        def update(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total, completed=done)  # of a resumed run
            bars.update(tasks[name], completed=done, total=total)

        yield update


@contextmanager
def progress_bar(name: str, show: bool = True) -> Iterator[Progress]:
    """Show one bar."""
    with progress_bars(show) as update:
        yield lambda done, total: update(name, done, total)
