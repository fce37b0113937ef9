"""glorotlab runs: list, show and compare run folders."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Annotated, Any

import typer

from glorotlab.cells import error_text, has_squared_errors, number
from glorotlab.cli.help import App
from glorotlab.cli.options import Csv, Json
from glorotlab.cli.tables import Column, table, typed
from glorotlab.cli.terminal import say, say_facts, say_folded
from glorotlab.errors import RunError

app = App(help="List, show and compare runs.", epilog="glorotlab runs list runs")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of run folders, such as a sweep's.")]

ERRORS = ("training_cost", "validation_error", "test_error")
COST = "Training cost: mean of the last 100 mini-batches, or of all where they are fewer"
WITHIN = {"seed", "data_digest"}
"""Fields in which runs of one group may differ; the digest of an .npz file depends on the seed that splits it."""


@app.command("list", epilog="glorotlab runs list runs/study --csv")
def list_runs(folder: Folder, as_json: Json = False, as_csv: Csv = False) -> None:
    """List the runs in a folder, with the fields in which they differ."""
    runs = _runs(folder)
    if as_json:
        from glorotlab.cli.json_output import print_json

        print_json({"folder": str(folder), "runs": runs})
        return
    if as_csv:
        from glorotlab.cli.csv_output import print_csv

        print_csv([run | {"fields": None} | run.get("fields", {}) for run in runs])
        return
    differing = _differing(runs, {"data_digest"})
    rows = [
        [
            run["run"],
            run["status"],
            *(_text(run.get("fields", {}).get(name)) for name in differing),
            f"{run.get('updates', 0)}/{run.get('updates_in_all', '?')}",
            number(run.get("training_cost"), 4),
            *(error_text(run.get(name), squared=has_squared_errors(run)) for name in ERRORS[1:]),
            number(run.get("seconds"), 4),
        ]
        for run in runs
    ]
    say(table([*map(_words, ["run", "status", *differing]), "updates", *map(_title, ERRORS), "seconds"], rows))
    counts = {
        status: sum(run["status"] == status for run in runs) for status in sorted({run["status"] for run in runs})
    }
    noun = "run" if len(runs) == 1 else "runs"
    say_folded(f"{len(runs)} {noun}: {', '.join(f'{count} {status}' for status, count in counts.items())}")
    say_folded(COST)


@app.command(epilog="glorotlab runs compare runs/study")
def compare(folder: Folder, as_json: Json = False, as_csv: Csv = False) -> None:
    """Compare runs: means over runs that differ only in their seed, the smallest validation error first."""
    runs = _runs(folder)
    differing = _differing(runs, WITHIN)
    groups = sorted(
        _groups(runs, differing), key=lambda group: (group["validation_error"] is None, group["validation_error"])
    )
    if as_json:
        from glorotlab.cli.json_output import print_json

        print_json({"folder": str(folder), "groups": groups})
        return
    if as_csv:
        from glorotlab.cli.csv_output import print_csv

        print_csv([group["fields"] | {name: group[name] for name in group if name != "fields"} for group in groups])
        return
    counted = ("finished", "diverged", "unfinished")
    rows = [
        [
            *(_text(group["fields"].get(name)) for name in differing),
            *(str(group[name]) for name in counted),
            number(group["training_cost"], 4),
            *(error_text(group[name], group[f"{name}_std"], squared=group["squared_errors"]) for name in ERRORS[1:]),
        ]
        for group in groups
    ]
    say(table([*map(_words, differing), *counted, *map(_title, ERRORS)], rows))
    say_folded("Costs and errors: means of finished runs ± standard deviation between seeds")
    say_folded(COST)


@app.command(epilog="glorotlab runs show runs/a")
def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")],
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Show one run: its spec, its progress, the machines it ran on and its last statistics."""
    from glorotlab.training.runs.ending import cost_and_errors, last_errors
    from glorotlab.training.runs.run import load_run

    run = load_run(folder)
    layers = run.statistics.isel(step=-1)
    if as_json:
        from glorotlab.cli.json_output import layer_records, print_layers

        ending = {"status": run.status, "updates": run.updates, "seconds": run.seconds} | last_errors(run)
        print_layers(run.spec, [], layer_records(layers), **ending, provenance=run.provenance, folder=str(folder))
        return
    if as_csv:
        from glorotlab.cli.csv_output import print_csv
        from glorotlab.cli.json_output import layer_records

        print_csv(layer_records(layers))
        return
    from glorotlab.cli.layer_tables import print_layer_tables

    say_facts({name: str(value) for name, value in run.spec.by_field().items()})
    for session in run.provenance:
        where = f"on {session['host']} ({session['processor']}), {session['threads']} threads, {session['simd']}"
        begun = f"from update {session['from_update']}: {session['started']}"
        say_folded(f"{begun} {where}, glorotlab {session['glorotlab']}")
    print_layer_tables(layers)
    say()
    say_folded(
        f"{run.status} after {run.updates} of {run.spec.training.updates} updates in {run.seconds:.1f} s: "
        f"{cost_and_errors(run)}"
    )


def _words(name: str) -> Column:
    """Return a column of names or words."""
    return typed(_title(name))


def _title(name: str) -> str:
    return name.replace("_", " ")


def _runs(folder: Path) -> list[dict[str, Any]]:
    from glorotlab.files import user_path
    from glorotlab.training.runs.status import list_runs

    runs = list_runs(user_path(folder))
    if not runs:
        raise RunError(f"{str(folder)!r} holds no run folders")
    return runs


def _differing(runs: list[dict[str, Any]], without: set[str]) -> list[str]:
    """Return the fields that are not the same in all runs."""
    first: dict[str, Any] = {}
    names: dict[str, None] = {}
    for run in runs:
        for name, value in run.get("fields", {}).items():
            if first.setdefault(name, value) != value:
                names[name] = None
    return [name for name in first if name in names and name not in without]


def _groups(runs: list[dict[str, Any]], differing: list[str]) -> list[dict[str, Any]]:
    """Return counts and mean errors of the runs with the same fields but for the seed."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in _distinct(runs):
        fields = run.get("fields", {})
        groups.setdefault(tuple(fields.get(name) for name in differing), []).append(run)
    made = []
    for key, members in groups.items():
        counts = {status: sum(run["status"] == status for run in members) for status in ("finished", "diverged")}
        group: dict[str, Any] = {"fields": dict(zip(differing, key, strict=True))} | counts
        group["unfinished"] = len(members) - sum(counts.values())
        group["squared_errors"] = any(map(has_squared_errors, members))
        for name in ERRORS:
            values = [run[name] for run in members if run["status"] == "finished" and run.get(name) is not None]
            group[name] = statistics.fmean(values) if values else None
            group[f"{name}_std"] = statistics.stdev(values) if len(values) > 1 else None
        made.append(group)
    return made


def _distinct(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each run once, preferring a finished copy: counted twice it would make the deviation too small."""
    finished_last = sorted(runs, key=lambda run: run["status"] == "finished")
    return list({run.get("content_hash", run["run"]): run for run in finished_last}.values())


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
