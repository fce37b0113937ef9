"""glorotlab reproduce: figures, table and claims of the papers, into one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glorotlab.cli import completion
from glorotlab.cli.options import Json, Quiet
from glorotlab.cli.progress import progress_bars
from glorotlab.cli.tables import prose, table, typed
from glorotlab.cli.terminal import say, say_folded
from glorotlab.errors import UnknownNameError
from glorotlab.experiments.scales import SCALES

if TYPE_CHECKING:
    from glorotlab.report.reproduce import Reproduction


def reproduce(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET ...",
            help="Names of figures, tables or claims.",
            show_default="all",
            autocompletion=completion.experiments,
        ),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(
            metavar="SCALE",
            help=f"Size of the experiments: {', '.join(SCALES)}.",
            autocompletion=completion.scales,
        ),
    ] = "quick",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder, for the report and its results.")] = Path(
        "reproduction"
    ),
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if a claim failed.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the targets and exit.")] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Number of processes that train.", show_default="one for each CPU")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="tls://HOST:PORT",
            help="Scheduler of a Dask cluster that trains, in place of processes; tcp:// without TLS. "
            "A scheduler without TLS runs any code for whoever reaches its port.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Reproduce figures, tables and claims of the papers, and draw predictions over measurements."""
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
    efforts = {name: CATALOGUE[name].effort for name in chosen}
    with progress_bars(not quiet, efforts) as progress:
        reproduction = run(chosen, scale, out, progress, workers=workers, scheduler=scheduler)
    _report(reproduction, as_json)
    if strict and any(claim.verdict == "fail" for claim in reproduction.claims):
        raise typer.Exit(1)


def _list(as_json: bool) -> None:
    from glorotlab.experiments.catalogue import CATALOGUE

    if as_json:
        from glorotlab.cli.json_output import print_json

        targets = [{"name": name, "title": item.title, "source": item.source} for name, item in CATALOGUE.items()]
        print_json({"targets": targets})
        return
    rows = [[name, item.title, item.source] for name, item in CATALOGUE.items()]
    say(table([typed("target"), prose("title"), prose("source")], rows))


def _report(reproduction: Reproduction, as_json: bool) -> None:
    if as_json:
        from glorotlab.cli.json_output import print_json

        names = ("experiment", "sentence", "verdict", "numbers", "explanation", "control", "swap")
        claims = [{name: getattr(claim, name) for name in names} for claim in reproduction.claims]
        print_json({"claims": claims, "seconds": reproduction.seconds, "page": str(reproduction.page)})
        return
    from glorotlab.experiments.claims import number_texts

    rows = []
    for claim in reproduction.claims:
        numbers = "; ".join(f"{name}: {shown}" for name, shown in number_texts(claim.numbers).items())
        rows += [[claim.experiment, claim.verdict, claim.sentence], ["", "", numbers]]
    verdicts = [claim.verdict for claim in reproduction.claims]
    counts = ", ".join(f"{verdicts.count(name)} {name}" for name in ("pass", "fail", "undecided"))
    if rows:
        say(table([typed("target"), typed("verdict"), prose("claim, and the numbers that decide it")], rows))
        say_folded("±: half-width of the interval that holds with 99 % for all numbers of a claim together")
    say(f"{counts}; {reproduction.seconds:.1f} s")
    say(str(reproduction.page))
