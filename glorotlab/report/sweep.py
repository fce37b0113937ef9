"""The report of a sweep: what is chosen on validation error, the errors over the swept fields, every run as CSV."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence

import xarray as xr
from markupsafe import Markup

from glorotlab import notebook
from glorotlab.cells import error_text
from glorotlab.experiments.experiment import Table
from glorotlab.plotting.curves import is_share
from glorotlab.plotting.objects.sweep import MOST, axes_of
from glorotlab.plotting.plot import plot
from glorotlab.report.csv_tables import csv_tables
from glorotlab.report.picture import Picture
from glorotlab.report.report import Report
from glorotlab.report.spec_text import spec_text
from glorotlab.spec.sweep_axes import SEED
from glorotlab.training.sweeps.plan import public_fields
from glorotlab.training.sweeps.results import SweepResults
from glorotlab.training.sweeps.tables import head_and_rows, records

MOST_PICTURES = 12
"""Most pictures of a page."""

MOST_ROWS = 500
"""Most rows of the table of what is chosen."""


def sweep_report(results: SweepResults, command: str = "") -> Report:
    """Return the report of a sweep, also of one that is not done: as of the runs that have ended.

    Parameters
    ----------
    results : SweepResults
    command : str, optional
        The command that made it.
    """
    final, fields = results.final(), public_fields(results.spec)
    run = fields.pop("run")
    statuses = dict(zip(results.runs, final["status"].values.ravel().tolist(), strict=True))
    statuses |= dict.fromkeys(results.errors, "failed")
    counts = ", ".join(f"{count} {status}" for status, count in sorted(Counter(statuses.values()).items()))
    differing = _words(dim for dim in final.dims if final.sizes[dim] > 1)
    seeds = final.sizes.get(SEED, 1) > 1
    pictures = list(itertools.islice(_pictures(final, seeds), MOST_PICTURES + 1))
    return Report(
        title=f"Sweep {results.folder.name}",
        sentences=[
            f"{len(statuses)} runs that differ in {differing}: {counts}." if differing else f"One run: {counts}.",
            *_choice(results),
            *([f"The first {MOST_PICTURES} pictures are shown."] if len(pictures) > MOST_PICTURES else []),
        ],
        parts=[_chosen(results, final, seeds), *pictures[:MOST_PICTURES], *_failures(results)],
        command=command,
        spec=spec_text({**run, "sweep": fields}),
    )


def _words(names: Iterable[Hashable]) -> str:
    return " and ".join(str(name).replace("_", " ") for name in names)


def _choice(results: SweepResults) -> list[str]:
    """Return how the table's rows were chosen."""
    chosen = _words(results.spec.choose)
    return [f"The {chosen} of each row has the least validation error, mean over the seeds."] if chosen else []


def _chosen(results: SweepResults, final: xr.Dataset, seeds: bool) -> Table:
    head, rows = head_and_rows(records(results.best()), squared=not is_share(final["validation_error"]))
    caption = "Cost and errors at the end" + (": mean ± standard deviation over the seeds" if seeds else "")
    left_out = f"; {len(rows) - MOST_ROWS} rows more" if len(rows) > MOST_ROWS else ""
    cells = (tuple(cell.replace(" ", "\N{NO-BREAK SPACE}") for cell in row) for row in rows[:MOST_ROWS])
    return Table(caption + left_out, tuple(head), tuple(cells))


def _pictures(final: xr.Dataset, seeds: bool) -> Iterator[Picture]:
    along, lines = axes_of(final)
    over = along.replace("_", " ") or "the seeds"
    each = f", a line for each {_words(lines)}" if lines else ""
    drawn = "mean over the seeds, standard errors as bars, the least ringed" if seeds else "the least is ringed"
    for part in _parts(final, lines):
        errors = part["validation_error"]
        means = errors.mean(SEED) if SEED in errors.dims else errors
        known = means.notnull().any()
        least = (
            f"the least is {error_text(float(means.min()), squared=not is_share(errors))}" if known else "none is known"
        )
        yield Picture.of(
            plot(part),
            f"Validation error over {over}{each}; {least}.",
            f"Validation error over {over}{each}: {drawn}.",
            csv_tables("runs", part.reset_coords()),
        )


def _parts(final: xr.Dataset, lines: Sequence[str]) -> Iterator[xr.Dataset]:
    """Return parts of a sweep that have no more lines than a picture can show."""
    sizes = [final.sizes[name] for name in lines]
    if math.prod(sizes) <= MOST:
        yield final
        return
    first, *rest = lines
    step = max(1, MOST // math.prod(sizes[1:]))
    for start in range(0, sizes[0], step):
        yield from _parts(final.isel({first: slice(start, start + step)}), rest if step == 1 else lines)


def _failures(results: SweepResults) -> list[Markup]:
    """Return why runs failed, without saying where the sweep lies: the page can be given away."""
    if not results.errors:
        return []
    reasons = {run: error.replace(str(results.folder), results.folder.name) for run, error in results.errors.items()}
    return [Markup(notebook.form("Runs that did not end", notebook.fields(reasons)))]  # noqa: S704
