"""The report of a comparison: measurements beside predictions, with bands and verdicts, variable by variable."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import xarray as xr
from markupsafe import Markup

from glorotlab import notebook
from glorotlab.experiments.experiment import Table
from glorotlab.measurement.compare import AGREES, DIFFERS, SECOND_MOMENTS, Comparison, Entry
from glorotlab.measurement.sentences import assumptions, counts, relative_errors, rules
from glorotlab.plotting.plot import plot
from glorotlab.report.picture import Picture
from glorotlab.report.report import Report
from glorotlab.report.spec_text import spec_text
from glorotlab.report.symbols import symbol
from glorotlab.schema import VARIABLES
from glorotlab.spec.network import NetworkSpec

VERDICTS = {
    AGREES: Markup('<span class="verdict pass">✓ agrees</span>'),
    DIFFERS: Markup('<span class="verdict fail">✗ differs</span>'),
    None: "–",
}
"""A verdict as a cell: its mark tells verdicts apart without color."""

HEAD = ("predicted", "measured", "ratio", "verdict", "band")
"""Columns of the numbers of an entry."""


def comparison_report(
    spec: NetworkSpec,
    prediction: xr.Dataset,
    measurement: xr.Dataset,
    comparison: Comparison,
    command: str = "",
) -> Report:
    """Return the report of a comparison.

    Parameters
    ----------
    spec : NetworkSpec
    prediction, measurement : xarray.Dataset
    comparison : Comparison
    command : str, optional
        The command that made it.
    """
    names = [name for name in SECOND_MOMENTS if comparison.select(name)]
    entries = list(itertools.chain.from_iterable(map(comparison.select, names)))
    networks = measurement.sizes["seed"]
    drawn = f"{networks} networks were measured" if networks > 1 else "One network was measured"
    return Report(
        title=f"Prediction and measurement: {spec.layers} {spec.activation}, {spec.initializer}",
        sentences=[
            f"{drawn} on {measurement.attrs['examples']} examples. {counts(entries)}",
            *(f"{sentence}." for sentence in rules(prediction, entries, networks)),
        ],
        parts=[
            comparison_picture(prediction, measurement, comparison),
            *(_table(name, comparison.select(name)) for name in names),
            Markup("<h2>What the prediction assumes</h2>"),
            notebook.items(assumptions(prediction)),
            notebook.paragraph(f"{relative_errors(prediction)}."),
        ],
        command=command,
        facts={"seeds": _range(measurement["seed"].values.tolist())},
        spec=spec_text({"network": spec.model_dump(mode="json")}),
    )


def comparison_picture(prediction: xr.Dataset, measurement: xr.Dataset, comparison: Comparison) -> Picture:
    """Return the picture of second moments, predicted and measured, with every number of the comparison."""
    return Picture.of(
        plot(prediction, measurement),
        "Second moments of signals and gradients over the layers: predictions as lines with bands, measurements as "
        "points; the numbers stand in the tables below.",
        "Second moments, predicted (lines, bands) and measured (points, standard errors).",
        {"comparison.csv": comparison.to_dataframe().to_csv()},
    )


def numbers(entry: Entry) -> tuple[str, ...]:
    """Return the cells of an entry, in the order of `HEAD`."""
    band = "–" if entry.low is None else f"{entry.low:.3g}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{entry.high:.3g}"
    ratio = "–" if entry.ratio is None else f"{entry.ratio:.3f}"
    return f"{entry.predicted:.4g}", f"{entry.measured:.4g}", ratio, VERDICTS[entry.verdict], band


def _range(seeds: Sequence[int]) -> str:
    """Return seeds as text: the first and the last where they follow each other."""
    first, last = seeds[0], seeds[-1]
    if len(seeds) > 1 and list(seeds) == list(range(first, last + 1)):
        return f"{first} to {last}"
    return ", ".join(map(str, seeds))


def _table(name: str, entries: Sequence[Entry]) -> Table:
    caption = Markup("{}, {}").format(symbol(name), VARIABLES[name].long_name)
    return Table(caption, ("layer", *HEAD), tuple((str(entry.layer), *numbers(entry)) for entry in entries))
