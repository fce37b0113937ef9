"""The option that writes a report: its place is looked at before the work, its page is made after it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli.terminal import say

if TYPE_CHECKING:
    from glorotlab.report.report import Report


def _checked(context: typer.Context, path: Path | None) -> Path | None:
    """Return the path of the report; RunError if it cannot be written there."""
    if path is None or context.resilient_parsing:  # a shell only asks what may follow
        return path
    from glorotlab.files import check_place, user_path

    place = user_path(path)
    check_place(place)
    return place


def _option(*names: str) -> Any:
    return typer.Option(*names, metavar="REPORT.html", callback=_checked, help="Also write a report, one HTML page.")


ReportBeside = Annotated[Path | None, _option("--report")]
"""Place of the report of a command whose ``--out`` is a folder."""

ReportOut = Annotated[Path | None, _option("--report", "--out")]
"""Place of the report of a command that has nothing else to write."""


def command_text(context: typer.Context) -> str:
    """Return the command as it was typed, without the paths of files in other folders."""
    return shlex.join(["glorotlab", *map(_public, context.obj)])


def _public(word: str) -> str:
    from glorotlab.data.places import public_name

    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{public_name(value)}"


def write_report(path: Path, report: Report, *, quiet: bool) -> None:
    """Write a report and print its path."""
    from glorotlab.files import write_whole

    write_whole(path, report.to_html())
    if not quiet:
        say(f"Report: {path}")
