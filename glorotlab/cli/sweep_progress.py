"""Progress of a sweep on standard error: a live table on a terminal, elsewhere a line for each run that ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from glorotlab.cells import error_text, has_squared_errors, number
from glorotlab.cli.terminal import console, live_table, note, obeys

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from glorotlab.training.sweeps.state import RunState, SweepState

SHOWN = 16
"""Rows of the live table, at most."""

MANY = 10_000
"""Runs whose planning takes long enough to be announced by a line."""


class SweepProgress(Protocol):
    """Receiver of a sweep's progress."""

    def planning(self, done: int, total: int) -> None:
        """Receive the number of planned runs, before the first is made."""

    def running(self, state: SweepState) -> None:
        """Receive the state of the runs."""


def label(labels: dict[str, Any]) -> str:
    """Return a text that distinguishes a run from the others."""
    return " ".join(f"{name}={value}" for name, value in labels.items())


def errors_text(report: dict[str, Any]) -> str:
    """Return the errors of a run that a report has."""
    errors = (
        f"{name.replace('_', ' ')} {error_text(report[name], squared=has_squared_errors(report))}"
        for name in ("validation_error", "test_error")
        if report.get(name) is not None
    )
    return ", ".join(errors)


@contextmanager
def sweep_progress(show: bool) -> Iterator[SweepProgress]:
    """Show a live table on standard error if that is a terminal, else a line for each run that ends."""
    if not show:
        yield _Nothing()
    elif not obeys(sys.stderr):
        yield _Lines()
    else:
        from rich.live import Live

        with Live(console=console(), auto_refresh=False, transient=True) as live:
            yield _LiveTable(live)


class _Nothing:
    """Progress that is not shown."""

    def planning(self, done: int, total: int) -> None:
        """Show nothing."""

    def running(self, state: SweepState) -> None:
        """Show nothing."""


class _LiveTable:
    """A table that is redrawn as the runs progress."""

    def __init__(self, live: Live) -> None:
        self._live, self._table = live, RunTable()

    def planning(self, done: int, total: int) -> None:
        """Show how many runs are planned."""
        self._live.update(f"planning: {done} of {total} runs", refresh=True)

    def running(self, state: SweepState) -> None:
        """Show the runs."""
        self._live.update(self._table(state), refresh=True)


class _Lines:
    """A line for each run that ends, and one for those that had ended before."""

    def __init__(self) -> None:
        self.noted: set[str] = set()
        self.begun = False

    def planning(self, done: int, total: int) -> None:
        """Print once that many runs are planned."""
        if not done and total >= MANY:
            note(f"planning {total} runs")

    def running(self, state: SweepState) -> None:
        """Print what is new."""
        if not self.begun:
            skipped = {name for name, run in state.runs.items() if run.skipped}
            if skipped:
                note(f"{len(skipped)} of {len(state.runs)} runs had ended before")
            self.noted, self.begun = skipped, True
        for name, run in state.runs.items():
            if name not in self.noted and run.settled and run.status != "stopped":
                self.noted.add(name)
                what = errors_text(run.report) if run.status == "finished" else run.error
                note(
                    f"[{len(self.noted)}/{len(state.runs)}] {run.status} {label(run.labels)}"
                    + (f": {what}" if what else "")
                )


class RunTable:
    """A table of counts, the time left, the current runs and those that ended last."""

    def __init__(self) -> None:
        self.started, self.before = time.monotonic(), -1
        self.ended: dict[str, None] = {}

    def __call__(self, state: SweepState) -> Table:
        """Return the table of a state."""
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
