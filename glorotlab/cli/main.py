"""The command line: arguments to calls. Commands import what they need when they run."""

import functools
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from glorotlab.cli.app import app
from glorotlab.errors import DivergedError, GlorotlabError, RunFailedError
from glorotlab.interrupts import Terminated

__all__ = ["main"]

SUCCESS, FAILED, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

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
        0; 1 where a run failed or diverged, or with ``--strict`` a claim failed; 2 for bad input; 130 for Ctrl-C; 143
        for a run or sweep that SIGTERM ended. One line on standard error says what is wrong.
    """
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments) or ["--help"])
    except typer.Exit as end:
        return int(end.exit_code)
    except UsageError as error:
        return _fail(error.format_message(), BAD_INPUT)
    except (DivergedError, RunFailedError) as error:
        return _fail(str(error), FAILED)
    except GlorotlabError as error:
        return _fail(str(error), BAD_INPUT)
    except BrokenPipeError:  # whoever read the output, `head` for one, has seen enough
        _discard_output()
    except OSError as error:
        reason = error.strerror or str(error)
        return _fail(reason if error.filename is None else f"{error.filename}: {reason}", BAD_INPUT)
    except MemoryError as error:
        return _fail(f"not enough memory: {error}" if str(error) else "not enough memory", BAD_INPUT)
    except KeyboardInterrupt as interrupt:
        code = TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED
        return _print_error(": ".join(["interrupted", *map(str, interrupt.args)]), code)
    return SUCCESS


def _run(arguments: list[str]) -> None:
    """Parse and call; unlike typer's own entry point this turns no exception into output or an exit."""
    try:
        with _command().make_context("glorotlab", arguments) as context:
            _command().invoke(context)
    finally:
        sys.stdout.flush()  # here a closed pipe can still be met quietly


@functools.cache
def _command() -> Any:
    """Return the parser of all commands."""
    return typer.main.get_command(app)


def _fail(message: str, code: int) -> int:
    return _print_error(f"error: {message}", code)


def _print_error(message: str, code: int) -> int:
    """Print one line without control characters, whatever the message quotes, and return the code."""
    line = "".join(character if character.isprintable() else "?" for character in " ".join(message.split()))
    print(f"glorotlab: {line}", file=sys.stderr)
    return code


def _discard_output() -> None:
    """Send what is still buffered to nowhere, so that Python does not complain about the pipe on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
