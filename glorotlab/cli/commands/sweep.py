"""glorotlab sweep: many runs, on this machine or a cluster."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glorotlab.cells import has_squared_errors
from glorotlab.cli.options import Csv, Json
from glorotlab.cli.report import ReportBeside, check_apart, command_text, write_report
from glorotlab.cli.sweep_progress import label, sweep_progress
from glorotlab.cli.tables import table, typed
from glorotlab.cli.terminal import say, say_folded
from glorotlab.errors import InvalidValueError

if TYPE_CHECKING:
    from glorotlab.spec.sweep import SweepSpec
    from glorotlab.training.sweeps.results import SweepResults
    from glorotlab.training.sweeps.state import SweepState

CLUSTER = "Cluster"
"""Heading of the options of a Dask cluster."""

OPEN_PORT = "A scheduler without TLS runs any code for whoever reaches its port."


def sweep(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="SWEEP.toml", help="A spec with a table [sweep].")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Output folder.", show_default="runs/ and the file's name")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of processes on this machine.", show_default="one for each CPU"),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="tls://HOST:PORT",
            help=f"Scheduler of a Dask cluster, in place of processes here; tcp:// without TLS. {OPEN_PORT}",
            rich_help_panel=CLUSTER,
        ),
    ] = None,
    tls_ca_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Certificates of the authority that the cluster trusts.", rich_help_panel=CLUSTER
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificate shown to the scheduler.", rich_help_panel=CLUSTER),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Private key of that certificate.",
            show_default="in the certificate's file",
            rich_help_panel=CLUSTER,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Number of threads of each run; it changes no result.",
            show_default="CPUs / workers, 1 on a cluster",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Make every N-th run from the I-th on, as one job of N."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the runs that would be made, and make none.")
    ] = False,
    checkpoint_every: Annotated[
        float, typer.Option(metavar="SECONDS", help="Number of seconds between checkpoints.")
    ] = 60.0,
    report: ReportBeside = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Make the runs of a sweep: skip those that have ended and resume those that were interrupted."""
    if dry_run and report is not None:
        raise InvalidValueError("--report together with --dry-run: allowed is one of the two")
    part = _shard(shard)
    spec = _read(Path(target))
    folder = out if out is not None else Path("runs") / Path(target).stem
    check_apart(report, folder)
    if dry_run:
        _print_plan(spec, folder, part, quiet, as_json, as_csv)
        return
    options = {
        "--workers": workers,
        "--scheduler": scheduler,
        "--tls-ca-file": tls_ca_file,
        "--tls-cert": tls_cert,
        "--tls-key": tls_key,
        "--threads": threads,
        "--shard": shard,
    }
    from glorotlab.interrupts import terminable
    from glorotlab.training.sweeps.cluster import Tls
    from glorotlab.training.sweeps.sweep import sweep as run

    last: list[SweepState] = []
    try:
        with terminable(), sweep_progress(show=not quiet) as shown:

            def progress(state: SweepState) -> None:
                last[:] = [state]
                shown.running(state)

            results = run(
                spec,
                folder,
                workers=workers,
                scheduler=scheduler,
                tls=Tls(tls_ca_file, tls_cert, tls_key) if tls_ca_file or tls_cert or tls_key else None,
                threads=threads,
                shard=part,
                checkpoint_every=checkpoint_every,
                planning=shown.planning,
                progress=progress,
            )
    except KeyboardInterrupt as interrupt:
        chosen = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        command = shlex.join(["glorotlab", "sweep", target, "--out", str(folder), *chosen])
        raise type(interrupt)(f"{_ended(last)}resume with: {command}") from None
    _print(results, last[-1], shard, as_json, as_csv)
    if report is not None:
        from glorotlab.report.sweep import sweep_report

        write_report(report, sweep_report(results, command_text(context)), quiet=as_json or as_csv)
    if set(last[-1].counts()) != {"finished"}:
        raise typer.Exit(1)


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InvalidValueError(f"--shard {text!r:.60}: allowed is I/N with I from 1 to N, such as 2/8")
    return int(match[1]), int(match[2])


def _read(path: Path) -> SweepSpec:
    from glorotlab.files import read_text
    from glorotlab.spec.sweep import SweepSpec

    return SweepSpec.from_toml(read_text(path), origin=str(path))


def _ended(last: list[SweepState]) -> str:
    if not last:
        return ""
    from glorotlab.training.runs.status import ENDED

    runs = last[-1].runs.values()
    return f"{sum(run.status in ENDED for run in runs)} of {len(runs)} runs have ended, the others are saved; "


def _print(results: SweepResults, state: SweepState, shard: str | None, as_json: bool, as_csv: bool) -> None:
    """Print the chosen values."""
    from glorotlab.training.sweeps.tables import head_and_rows, records

    counts = state.counts()
    best = records(results.best())
    if as_json:
        from glorotlab.cli.json_output import print_json

        runs = [{"run": name} | run.labels | {"status": run.status} | run.report for name, run in state.runs.items()]
        print_json(
            {
                "sweep": results.spec.model_dump(mode="json"),
                "folder": str(results.folder),
                "counts": counts,
                "best": best,
                "runs": [{key: value for key, value in run.items() if key != "fields"} for run in runs],
                "errors": results.errors,
            }
        )
    elif as_csv:
        from glorotlab.cli.csv_output import print_csv

        print_csv([record for record in records(results.final()) if record["run"] in state.runs])
    else:
        squared = any(has_squared_errors(run.report) for run in state.runs.values())
        names, rows = head_and_rows(best, squared=squared)
        say(table([name if name.endswith(("cost", "error")) else typed(name) for name in names], rows))
        for name, error in results.errors.items():
            say_folded(f"{name} {label(state.runs[name].labels)}: {error}")
        ending = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        chosen = f"; {', '.join(results.spec.choose)} chosen on validation error" if results.spec.choose else ""
        made = f"{len(state.runs)} runs{f' of shard {shard}' if shard else ''} in {results.folder}"
        say_folded(f"{ending} of {made}{chosen}")


def _print_plan(
    spec: SweepSpec, folder: Path, shard: tuple[int, int] | None, quiet: bool, as_json: bool, as_csv: bool
) -> None:
    """Print which runs a sweep would make, resume and skip; nothing is written."""
    from glorotlab.training.runs.status import ENDED
    from glorotlab.training.sweeps.sweep import preview

    with sweep_progress(show=not quiet) as shown:
        state = preview(spec, folder, shard=shard, planning=shown.planning)
    runs = [
        {"run": name, **run.labels, "status": run.status, "updates": int(run.report.get("updates", 0))}
        | {"updates_in_all": run.updates_in_all}
        for name, run in state.runs.items()
    ]
    counts = state.counts()
    left = state.updates_in_all - state.updates_done
    if as_json:
        from glorotlab.cli.json_output import print_json

        content = {"folder": str(folder), "counts": counts, "updates_left": left, "runs": runs}
        print_json({"sweep": spec.model_dump(mode="json")} | content)
        return
    if as_csv:
        from glorotlab.cli.csv_output import print_csv

        print_csv(runs)
        return
    rows = [[str(value) for value in run.values()] for run in runs]
    names = [name.replace("_", " ") for name in runs[0]]
    say(table([*map(typed, names[:-2]), *names[-2:]], rows))
    ended = sum(counts.get(status, 0) for status in ENDED)
    say_folded(
        f"{len(runs)} runs in {folder}{f', shard {shard[0]}/{shard[1]}' if shard else ''}: {ended} have ended, "
        f"{len(runs) - ended} would be made or resumed, {left} updates; nothing was made"
    )
