"""The options that write a page: its place is looked at before the work, the page is made after it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli.terminal import say

if TYPE_CHECKING:
    from glorotlab.report.report import Report


SUFFIXES = (".html", ".htm")
"""Ends of a page's name that are allowed."""


def page_place(context: typer.Context, path: Path | None) -> Path | None:
    """Return the path of a page; an error if it cannot be written there, or has another file's name.

    A page replaces the file that is there: data and results are safe, as their names end otherwise.
    """
    if path is None or context.resilient_parsing:  # a shell only asks what may follow
        return path
    from glorotlab.errors import InvalidValueError
    from glorotlab.files import check_place, user_path

    place = user_path(path)
    if place.suffix.lower() not in SUFFIXES:
        raise InvalidValueError(f"page {str(path)!r}: allowed are names that end in {' or '.join(SUFFIXES)}")
    check_place(place)
    return place


def _option(*names: str) -> Any:
    return typer.Option(*names, metavar="REPORT.html", callback=page_place, help="Also write a report, one HTML page.")


ReportBeside = Annotated[Path | None, _option("--report")]
"""Place of the report of a command whose ``--out`` is a folder."""

ReportOut = Annotated[Path | None, _option("--report", "--out")]
"""Place of the report of a command that has nothing else to write."""


def check_apart(page: Path | None, folder: Path | None) -> None:
    """Refuse a page that takes the place of the folder of ``--out``, or of a folder above it."""
    if page is None or folder is None:
        return
    from glorotlab.errors import InvalidValueError
    from glorotlab.files import user_path

    place = user_path(folder).absolute()
    if page.absolute() in (place, *place.parents):
        raise InvalidValueError(f"--report {str(page)!r} is where --out {str(folder)!r} goes: allowed are two places")


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
