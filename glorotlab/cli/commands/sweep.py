"""glorotlab sweep: many runs, on this machine or a cluster."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli.numbers import error_text, has_squared_errors, number
from glorotlab.cli.options import Json
from glorotlab.cli.tables import table, typed
from glorotlab.cli.terminal import console, live_table, note, say, say_folded
from glorotlab.errors import DataError

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

    from glorotlab.spec.sweep import SweepSpec
    from glorotlab.training.sweeps.results import SweepResults
    from glorotlab.training.sweeps.state import RunState, SweepState

SHOWN = 16
"""Rows of the live table, at most."""


def sweep(
    target: Annotated[str, typer.Argument(metavar="SWEEP.toml", help="A spec with a table [sweep].")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Output folder.", show_default="runs/ and the file's name")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes on this machine.", show_default="one for each CPU")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="Scheduler of a Dask cluster, in place of processes here."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Threads of each run; change no result.", show_default="CPUs / workers, 1 on a cluster"
        ),
    ] = None,
    checkpoint_every: Annotated[float, typer.Option(metavar="SECONDS", help="Time between checkpoints.")] = 60.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress table.")] = False,
    as_json: Json = False,
) -> None:
    """Make the runs of a sweep: those that have ended are skipped, those interrupted are resumed."""
    spec = _read(Path(target))
    folder = out if out is not None else Path("runs") / Path(target).stem
    options = {"--workers": workers, "--scheduler": scheduler, "--threads": threads}
    from glorotlab.interrupts import terminable
    from glorotlab.training.sweeps.sweep import sweep as run

    last: list[SweepState] = []
    try:
        with terminable(), _progress(show=not quiet) as show:

            def progress(state: SweepState) -> None:
                last[:] = [state]
                show(state)

            results = run(
                spec,
                folder,
                workers=workers,
                scheduler=scheduler,
                threads=threads,
                checkpoint_every=checkpoint_every,
                progress=progress,
            )
    except KeyboardInterrupt as interrupt:
        chosen = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        command = shlex.join(["glorotlab", "sweep", target, "--out", str(folder), *chosen])
        raise type(interrupt)(f"{_ended(last)}resume with: {command}") from None
    _report(results, last[-1], as_json)


def _read(path: Path) -> SweepSpec:
    from glorotlab.files import read_text
    from glorotlab.spec.sweep import SweepSpec

    try:
        return SweepSpec.from_toml(read_text(path), origin=str(path))
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file in UTF-8") from None


def _ended(last: list[SweepState]) -> str:
    if not last:
        return ""
    from glorotlab.training.runs.status import ENDED

    runs = last[-1].runs.values()
    return f"{sum(run.status in ENDED for run in runs)} of {len(runs)} runs have ended, the others are saved; "


def label(labels: dict[str, Any]) -> str:
    """Return a text that tells a run from the others."""
    return " ".join(f"{name}={value}" for name, value in labels.items())


def _errors(report: dict[str, Any]) -> str:
    errors = (
        f"{name.replace('_', ' ')} {error_text(report[name], squared=has_squared_errors(report))}"
        for name in ("validation_error", "test_error")
        if report.get(name) is not None
    )
    return ", ".join(errors)


@contextmanager
def _progress(show: bool) -> Iterator[Callable[[SweepState], None]]:
    """Show a live table on standard error where that is a terminal, else a line for each run that ends."""
    target = console()
    if not show:
        yield lambda state: None
    elif not target.is_terminal:
        yield _Lines()
    else:
        from rich.live import Live

        made = _Table()
        with Live(console=target, auto_refresh=False, transient=True) as live:
            yield lambda state: live.update(made(state), refresh=True)


class _Lines:
    """A line for each run that ends, and one for those that had."""

    def __init__(self) -> None:
        self.noted: set[str] = set()
        self.begun = False

    def __call__(self, state: SweepState) -> None:
        if not self.begun:
            skipped = {name for name, run in state.runs.items() if run.skipped}
            if skipped:
                note(f"{len(skipped)} of {len(state.runs)} runs had ended before")
            self.noted, self.begun = skipped, True
        for name, run in state.runs.items():
            if name not in self.noted and run.settled and run.status != "stopped":
                self.noted.add(name)
                what = _errors(run.report) if run.status == "finished" else run.error
                note(
                    f"[{len(self.noted)}/{len(state.runs)}] {run.status} {label(run.labels)}"
                    + (f": {what}" if what else "")
                )


class _Table:
    """A table of counts, the time left, the runs in hand and those that ended last."""

    def __init__(self) -> None:
        self.started, self.before = time.monotonic(), -1
        self.ended: dict[str, None] = {}

    def __call__(self, state: SweepState) -> Table:
        running = [run for run in state.runs.values() if run.status in ("running", "in use")]
        self.ended |= {name: None for name, run in state.runs.items() if run.settled and not run.skipped}
        last = [state.runs[name] for name in list(self.ended)[::-1][: max(0, SHOWN - len(running))]]
        made = live_table("run", "status", "updates", "training cost", "validation error", left=2)
        made.title = self._title(state)
        made.title_justify = "left"
        for run in [*running[:SHOWN], *last]:
            made.add_row(*_cells(run))
        return made

    def _title(self, state: SweepState) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(state.counts().items()))
        if state.stopping:
            return f"{counts}; stopping: the runs write their checkpoints"
        done, left = state.updates_done, state.updates_in_all - state.updates_done
        self.before = done if self.before < 0 else self.before
        passed = time.monotonic() - self.started
        if done <= self.before or not left:
            return counts
        seconds = round(passed / (done - self.before) * left)
        return f"{counts}; about {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"


def _cells(run: RunState) -> list[str]:
    report = run.report
    return [
        label(run.labels),
        run.status + (f": {run.error}" if run.error else ""),
        f"{report.get('updates', 0)}/{run.updates_in_all}",
        number(report.get("training_cost"), 4),
        error_text(report.get("validation_error"), squared=has_squared_errors(report)),
    ]


def _report(results: SweepResults, state: SweepState, as_json: bool) -> None:
    """Print what was chosen; exit code 1 where a run failed or diverged."""
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
    else:
        names, rows = _rows(best, any(has_squared_errors(run.report) for run in state.runs.values()))
        say(table([name if name.endswith(("cost", "error")) else typed(name) for name in names], rows))
        for name, error in results.errors.items():
            say_folded(f"{name} {label(state.runs[name].labels)}: {error}")
        ending = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        chosen = f"; {', '.join(results.spec.choose)} chosen on validation error" if results.spec.choose else ""
        say_folded(f"{ending} of {len(state.runs)} runs in {results.folder}{chosen}")
    if set(counts) != {"finished"}:
        raise typer.Exit(1)


def records(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """Return one record for each element of a dataset, its coordinates first."""
    import numpy as np

    dims = [str(name) for name in dataset["validation_error"].dims]
    rows = []
    for index in np.ndindex(tuple(dataset.sizes[name] for name in dims)):
        at = dataset.isel(dict(zip(dims, index, strict=True)))
        rows.append({str(name): at[name].values.item() for name in [*dataset.coords, *dataset.data_vars]})
    return rows


def _rows(best: list[dict[str, Any]], squared: bool) -> tuple[list[str], list[list[str]]]:
    """Return header and cells; a standard deviation goes behind its mean."""
    names = [name for name in best[0] if not name.endswith("_std")]
    rows = [[_cell(record, name, squared) for name in names] for record in best]
    return [name.replace("_", " ") for name in names], rows


def _cell(record: dict[str, Any], name: str, squared: bool) -> str:
    value = record[name]
    if not isinstance(value, float):
        return str(value)
    if name.endswith("_error"):
        return error_text(value, record.get(f"{name}_std"), squared=squared)
    return number(value, 6)
