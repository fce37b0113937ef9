"""The command line: arguments to calls. Commands import what they need when they run."""

import functools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import typer

from glorotlab.cli.app import app
from glorotlab.cli.terminal import discard_output, flush, note, usable_streams
from glorotlab.errors import DivergedError, FetchError, GlorotlabError, RunFailedError
from glorotlab.interrupts import Terminated

__all__ = ["main"]

SUCCESS, FAILED, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

PROGRAM, COMPLETION = "glorotlab", "_GLOROTLAB_COMPLETE"

WRONG_PATHS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
"""Errors of the system that a path of the user's causes; what else it refuses, such as space, is no bad input."""

# The public name of this class differs: older releases of typer take click's, newer ones have a copy of click.
UsageError: Any = typer.BadParameter.__bases__[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments after the program's name; those of the process where there are none.

    Returns
    -------
    int
        0; 1 where what was asked is allowed and could not be done: a run failed or diverged, a check or with
        ``--strict`` a claim failed, the network or the disk refused; 2 for bad input; 130 for Ctrl-C; 143 for a run or
        sweep that SIGTERM ended. One line on standard error says what is wrong.
    """
    with usable_streams(), _drawing_to_files():
        return _code(list(sys.argv[1:] if arguments is None else arguments) or ["--help"])


def _code(arguments: list[str]) -> int:
    """Run one command and return its exit code, after printing any error in one line."""
    try:
        _run(arguments)
    except typer.Exit as end:
        return int(end.exit_code)
    except SystemExit as end:  # typer's way to end a completion
        return int(end.code or 0)
    except UsageError as error:
        return _fail(error.format_message().replace("Value error, ", ""), BAD_INPUT)  # pydantic's words, below typer
    except (DivergedError, FetchError, RunFailedError) as error:
        return _fail(str(error), FAILED)
    except GlorotlabError as error:
        return _fail(str(error), BAD_INPUT)
    except BrokenPipeError:  # whoever read the output, `head` for one, has seen enough
        discard_output()
    except OSError as error:
        reason = error.strerror or str(error)
        line = reason if error.filename is None else f"{os.fsdecode(error.filename)}: {reason}"
        return _fail(line, BAD_INPUT if isinstance(error, WRONG_PATHS) else FAILED)
    except MemoryError as error:
        return _fail(f"not enough memory: {error}" if str(error) else "not enough memory", BAD_INPUT)
    except KeyboardInterrupt as interrupt:
        code = TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED
        return _print_error(": ".join(["interrupted", *map(str, interrupt.args)]), code)
    return SUCCESS


def _run(arguments: list[str]) -> None:
    """Parse and call; unlike typer's own entry point this turns no exception into output or an exit."""
    try:
        if COMPLETION in os.environ:  # a shell asks what may follow
            _command().main(arguments, prog_name=PROGRAM)
        with _command().make_context(PROGRAM, arguments, obj=tuple(arguments)) as context:
            _command().invoke(context)
    finally:
        flush()


@contextmanager
def _drawing_to_files() -> Iterator[None]:
    """Let matplotlib draw without a display, whatever a notebook around this process asks for."""
    before = os.environ.get("MPLBACKEND")
    os.environ["MPLBACKEND"] = "agg"
    try:
        yield
    finally:
        if before is None:
            del os.environ["MPLBACKEND"]
        else:
            os.environ["MPLBACKEND"] = before


@functools.cache
def _command() -> Any:
    """Return the parser of all commands."""
    return typer.main.get_command(app)


def _fail(message: str, code: int) -> int:
    return _print_error(f"error: {message}", code)


def _print_error(message: str, code: int) -> int:
    """Print a message in one line, whatever it quotes, and return the code."""
    with suppress(OSError):  # nobody reads standard error any more
        note(f"glorotlab: {' '.join(message.split())}")
    return code
