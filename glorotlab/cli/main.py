"""The command line: arguments to calls. Commands import what they need when they run."""

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

# Its public name differs: click's in older releases of typer, typer's own since it carries a copy of click.
UsageError: Any = typer.BadParameter.__bases__[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0; 1 where a run failed or diverged, or with ``--strict`` a claim failed; 2 for bad input; 130 for Ctrl-C, 143
        for a run or sweep that SIGTERM ended.
        What is wrong is said in one line on standard error.
    """
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        _run(given)
    except typer.Exit as end:
        return int(end.exit_code)
    except UsageError as error:
        return _complain(error.format_message(), BAD_INPUT)
    except (DivergedError, RunFailedError) as error:
        return _complain(str(error), FAILED)
    except GlorotlabError as error:
        return _complain(str(error), BAD_INPUT)
    except BrokenPipeError:  # whoever read the output, `head` for one, has seen enough
        _discard_output()
    except OSError as error:
        reason = error.strerror or str(error)
        return _complain(reason if error.filename is None else f"{error.filename}: {reason}", BAD_INPUT)
    except MemoryError as error:
        return _complain(f"not enough memory: {error}" if str(error) else "not enough memory", BAD_INPUT)
    except KeyboardInterrupt as interrupt:
        code = TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED
        return _say(": ".join(["interrupted", *map(str, interrupt.args)]), code)
    return SUCCESS


def _run(arguments: list[str]) -> None:
    """Parse and call; unlike typer's own entry point this turns no exception into output or an exit."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("glorotlab", arguments) as context:
            command.invoke(context)
    finally:
        sys.stdout.flush()  # here a closed pipe can still be met quietly


def _complain(message: str, code: int) -> int:
    return _say(f"error: {message}", code)


def _say(message: str, code: int) -> int:
    """Print one line without control characters, whatever the message quotes."""
    line = "".join(character if character.isprintable() else "?" for character in " ".join(message.split()))
    print(f"glorotlab: {line}", file=sys.stderr)
    return code


def _discard_output() -> None:
    """Send what is still buffered to nowhere, so that Python does not complain about the pipe on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
