"""glorotlab derive: a symbolic derivation, or the list of them."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli.terminal import console, note, table

if TYPE_CHECKING:
    from glorotlab.derivations import Derivation, Verification


class Format(StrEnum):
    """How a derivation is written."""

    text = "text"
    latex = "latex"
    mathml = "mathml"
    json = "json"


def derive(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Without it the names are listed.")] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="An assumption to drop, by name; may be given several times.")
    ] = None,
    format: Annotated[Format, typer.Option(help="How it is written.")] = Format.text,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Check every step, and the result by experiment; exit code 1 where one fails."),
    ] = False,
) -> None:
    """Derive how variance travels through a deep network, step by step.

    Where the equation a paper prints differs from what follows, both are shown. Without an assumption a derivation
    carries the extra term, or says why it stops.
    """
    from glorotlab.derivations import derive as derivation

    if name is None:
        _list(format)
        return
    found = derivation(name, without or ())
    outcome = found.verify() if verify else None
    if format is Format.json:
        from glorotlab.cli.json_output import print_json

        print_json(found.to_dict() | ({} if outcome is None else {"verification": _outcome(outcome)}))
    else:
        write = {Format.text: found.text, Format.latex: found.latex, Format.mathml: found.mathml}[format]
        sys.stdout.write(write())
        if outcome is not None:
            note(str(outcome))
    if outcome is not None and not outcome:
        raise typer.Exit(1)


def _list(format: Format) -> None:
    from glorotlab.derivations import derive as derivation

    found: list[Derivation] = [derivation(name) for name in derivation()]
    if format is Format.json:
        from glorotlab.cli.json_output import print_json

        rows = [{"name": item.name, "title": item.title, "source": item.source} for item in found]
        print_json({"derivations": rows})
        return
    listing = table("name", "title", "source", left=3)
    for item in found:
        listing.add_row(item.name, item.title, item.source)
    console().print(listing)


def _outcome(verification: Verification) -> dict[str, Any]:
    return {
        "passed": bool(verification),
        "checks": [{"statement": check.statement, "passed": check.passed} for check in verification.outcomes],
    }
