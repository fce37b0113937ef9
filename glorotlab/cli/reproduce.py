"""glorotlab reproduce: figures, table and claims of the papers, into one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glorotlab.cli.options import Json
from glorotlab.cli.terminal import console, number, progress_bars, table
from glorotlab.errors import UnknownNameError
from glorotlab.experiments.scales import SCALES

if TYPE_CHECKING:
    from glorotlab.report.reproduce import Reproduction


def reproduce(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET ...]", help="All where none is given.")
    ] = None,
    scale: Annotated[str, typer.Option(metavar="SCALE", help=f"How much is computed: {', '.join(SCALES)}.")] = "quick",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the page and its results go.")] = Path("reproduction"),
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 where a claim failed.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the targets.")] = False,
    as_json: Json = False,
) -> None:
    """Reproduce figures, tables and claims of the papers, prediction over measurement."""
    if listing:
        _list(as_json)
        return
    from glorotlab.experiments.catalogue import CATALOGUE
    from glorotlab.report.reproduce import reproduce as run

    chosen = list(dict.fromkeys(targets or CATALOGUE))
    for name in chosen:
        if name not in CATALOGUE:
            raise UnknownNameError("target", name, CATALOGUE)
    if scale not in SCALES:
        raise UnknownNameError("scale", scale, SCALES)
    with progress_bars() as progress:
        done = run(chosen, scale, out, progress)
    _report(done, as_json)
    if strict and any(claim.verdict == "fail" for claim in done.claims):
        raise typer.Exit(1)


def _list(as_json: bool) -> None:
    from glorotlab.experiments.catalogue import CATALOGUE

    if as_json:
        from glorotlab.cli.json_output import print_json

        rows = [{"name": name, "title": item.title, "source": item.source} for name, item in CATALOGUE.items()]
        print_json({"targets": rows})
        return
    made = table("target", "title", "source", left=3)
    for name, item in CATALOGUE.items():
        made.add_row(name, item.title, item.source)
    console().print(made)


def _report(done: Reproduction, as_json: bool) -> None:
    if as_json:
        from glorotlab.cli.json_output import print_json

        names = ("experiment", "sentence", "verdict", "numbers", "explanation")
        claims = [{name: getattr(claim, name) for name in names} for claim in done.claims]
        print_json({"claims": claims, "seconds": done.seconds, "page": str(done.page)})
        return
    made = table("target", "verdict", "claim, and the numbers that decide it", left=3)
    for claim in done.claims:
        made.add_row(claim.experiment, claim.verdict, claim.sentence)
        made.add_row("", "", _numbers(claim.numbers), style="dim")
    counts = {name: sum(claim.verdict == name for claim in done.claims) for name in ("pass", "fail", "undecided")}
    out = console()
    out.print(made)
    out.print("±: half-width of the interval that holds with 99 % for all numbers of a claim together")
    out.print(", ".join(f"{count} {name}" for name, count in counts.items()) + f"; {done.seconds:.1f} s")
    print(done.page)


def _numbers(numbers: dict[str, float]) -> str:
    """Write a number and its uncertainty, which goes by the same name with a plus-minus behind, as one."""
    found = []
    for name, value in numbers.items():
        if not name.endswith(" ±"):
            error = numbers.get(f"{name} ±")
            found.append(f"{name}: {number(value, 4)}" + ("" if error is None else f" ± {number(error, 2)}"))
    return "; ".join(found)
