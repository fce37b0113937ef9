"""Consoles and cells of tables: results go to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDE = 200
"""Columns of a line where there is no terminal: a table in a file is not folded."""


def console(error: bool = False) -> Console:
    """Return a console on standard output (or error) as it is now, which prints text as it stands."""
    from rich.console import Console

    class PipeConsole(Console):
        """A console that leaves a closed pipe to ``main``."""

        def on_broken_pipe(self) -> None:
            raise  # rich calls this while it handles BrokenPipeError

    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else WIDE
    return PipeConsole(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def note(message: str) -> None:
    """Print a line that is no result."""
    print(message, file=sys.stderr)


def table(*columns: str, left: int = 1) -> Table:
    """Return an empty table whose first ``left`` columns hold text and whose others hold numbers."""
    from rich import box
    from rich.table import Table

    empty = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        empty.add_column(name, justify="left" if index < left else "right")
    return empty


def number(value: float | None, digits: int = 5) -> str:
    """Return a number as a cell; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{digits}g}"


def error_text(value: float | None, spread: float | None = None, *, autoencoder: bool = False) -> str:
    """Return an error as a cell, its standard deviation behind it: in per cent, an autoencoder's distance as it is."""
    if value is None or value != value:
        return number(None)

    def text(error: float) -> str:
        return number(error, 4) if autoencoder else f"{error:.2%}"

    return text(value) + ("" if spread is None or spread != spread else f" ± {text(spread)}")


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
