"""The one place where text leaves for a terminal, a pipe or a file.

Results go to standard output, everything else to standard error. Whatever is printed loses its control characters and
is spelled in what the stream's encoding has; a closed stream takes everything and shows nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from glorotlab.cli.text import ERRORS, as_encoded, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDE = 200
"""Columns of a line where there is no terminal: a table in a file need not be narrow."""

DUMB = ("dumb", "unknown")
"""Values of ``TERM`` of terminals that know no escape codes."""

MINUTE = 20
"""Fewest columns that lines are folded to."""


def line_width() -> int:
    """Return the width of a line: that of COLUMNS, of the terminal, or `WIDE`."""
    return max(MINUTE, shutil.get_terminal_size((WIDE, 24)).columns)


def fitting(text: str, *, error: bool = False) -> str:
    """Return a text as standard output or standard error can show it."""
    stream = sys.stderr if error else sys.stdout
    return as_encoded(visible(text), getattr(stream, "encoding", None) or "utf-8")


def obeys(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that obeys escape codes."""
    return stream.isatty() and os.environ.get("TERM") not in DUMB


def say(text: str = "", *, bold: bool = False) -> None:
    """Print lines of a result, bold only on a terminal and unless ``NO_COLOR`` is set and not empty."""
    shown = fitting(text)
    styled = bold and obeys(sys.stdout) and not os.environ.get("NO_COLOR")
    with _printing():
        sys.stdout.write(f"\033[1m{shown}\033[0m\n" if styled else f"{shown}\n")


def flush() -> None:
    """Flush the output while a closed pipe can still be ignored and a full disk reported."""
    with _printing():
        sys.stdout.flush()


@contextmanager
def _printing() -> Iterator[None]:
    """Turn an error of the system, except a closed pipe, into one that says that the result cannot be printed."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output()
        raise OSError(error.errno, f"cannot print the result: {error.strerror or error}") from None


def say_folded(text: str, indent: str = "", hanging: str = "  ") -> None:
    """Print a sentence of a result; on a terminal a long one is folded between words."""
    narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    say(folded(text, line_width(), indent, hanging) if narrow else indent + text)


def say_facts(facts: Mapping[str, str]) -> None:
    """Print names and values in two columns; a value that is too long is folded between words."""
    space = max(map(len, facts)) + 2
    for name, value in facts.items():
        say(folded(f"{name:{space}}{value}", line_width(), hanging=" " * min(space, MINUTE)))


def folded(text: str, width: int, indent: str = "", hanging: str = "") -> str:
    """Return a text folded between words; a word longer than a line stays whole."""
    return textwrap.fill(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def note(message: str) -> None:
    """Print a line that is not part of the result on standard error."""
    sys.stderr.write(f"{fitting(message, error=True)}\n")


def console() -> Console:
    """Return a console of rich on standard error, for bars and live tables."""
    from rich.console import Console

    class PipeConsole(Console):
        """A console that leaves a closed pipe to ``main``."""

        def on_broken_pipe(self) -> None:
            raise  # rich calls this while it handles BrokenPipeError

    width = None if sys.stderr.isatty() else WIDE
    return PipeConsole(file=sys.stderr, width=width, highlight=False, markup=False, emoji=False)


def live_table(*columns: str, left: int = 1) -> Table:
    """Return an empty table of rich, whose first ``left`` columns hold text and whose others hold numbers."""
    from rich import box
    from rich.table import Table

    class FittingTable(Table):
        """A table whose cells contain only what the terminal can show."""

        def add_row(self, *cells: Any, **settings: Any) -> None:
            super().add_row(*(fitting(str(cell), error=True) for cell in cells), **settings)

    empty = FittingTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        empty.add_column(name, justify="left" if index < left else "right")
    return empty


@contextmanager
def usable_streams() -> Iterator[None]:
    """Let every standard stream take every text while the block runs.

    A closed one leads to nowhere, also for what is opened later: the next file would get its number, and whatever
    writes to standard error would write into that file. Characters that an encoding lacks are spelled in ASCII.
    """
    _open_to_nowhere()
    with ExitStack() as stack:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:
                stack.callback(setattr, sys, name, None)
                setattr(sys, name, stack.enter_context(open(os.devnull, "w", encoding="utf-8")))
            stack.enter_context(_spelling(getattr(sys, name)))
        yield


def _open_to_nowhere() -> None:
    """Open the numbers of standard streams that are closed, from the lowest: the next file opened gets that one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


@contextmanager
def _spelling(stream: TextIO) -> Iterator[None]:
    """Spell what a stream's encoding lacks, where the stream lets its errors be handled (a notebook's does not)."""
    reconfigure, before = getattr(stream, "reconfigure", None), getattr(stream, "errors", None)
    if reconfigure is None:
        yield
        return
    reconfigure(errors=ERRORS)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):  # a full disk, or a stream that was closed meanwhile
            reconfigure(errors=before)


def discard_output() -> None:
    """Discard buffered output, so that Python does not complain about the stream when it exits."""
    with suppress(OSError, ValueError):  # a stream of no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
