"""glorotlab derive: a symbolic derivation, or the list of them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli import completion
from glorotlab.cli.tables import prose, table, typed
from glorotlab.cli.terminal import line_width, note, say

if TYPE_CHECKING:
    from glorotlab.derivations import Derivation, Verification


class Format(StrEnum):
    """Formats of a derivation."""

    text = "text"
    latex = "latex"
    mathml = "mathml"
    json = "json"


def derive(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Name of a derivation.",
            show_default="list the names",
            autocompletion=completion.derivations,
        ),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Name of an assumption to drop; may be given several times.")
    ] = None,
    format: Annotated[Format, typer.Option(help="Format of the derivation.")] = Format.text,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Check every step, and the result by experiment; exit with code 1 if a check fails."
        ),
    ] = False,
) -> None:
    """Derive how variance travels through a deep network, step by step.

    Where an equation as printed in a paper differs from the derived one, both are shown. When an assumption is dropped,
    the derivation carries the extra term or says why it stops.
    """
    from glorotlab.derivations import derive as build

    if name is None:
        _list(format)
        return
    derivation = build(name, without or ())
    verification = derivation.verify() if verify else None
    if format is Format.json:
        from glorotlab.cli.json_output import print_json

        print_json(derivation.to_dict() | ({} if verification is None else {"verification": _record(verification)}))
    else:
        say(_written(derivation, format).removesuffix("\n"))
        if verification is not None:
            note(str(verification))
    if verification is not None and not verification:
        raise typer.Exit(1)


def _written(derivation: Derivation, format: Format) -> str:
    if format is Format.latex:
        return derivation.latex()
    if format is Format.mathml:
        return derivation.mathml()
    from glorotlab.derivations.engine.rendering import TEXT_COLUMNS

    return derivation.text(min(TEXT_COLUMNS, line_width()))


def _list(format: Format) -> None:
    """Print name, title and source of every derivation."""
    from glorotlab.derivations.catalogue import CATALOGUE

    if format is Format.json:
        from glorotlab.cli.json_output import print_json

        rows = [{"name": name, "title": entry.title, "source": entry.source} for name, entry in CATALOGUE.items()]
        print_json({"derivations": rows})
        return
    listing = [[name, entry.title, entry.source] for name, entry in CATALOGUE.items()]
    say(table([typed("name"), prose("title"), prose("source")], listing))


def _record(verification: Verification) -> dict[str, Any]:
    return {
        "passed": bool(verification),
        "checks": [{"statement": check.statement, "passed": check.passed} for check in verification.outcomes],
    }
