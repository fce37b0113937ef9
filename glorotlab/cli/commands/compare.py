"""glorotlab compare: prediction and measurement side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cells import number
from glorotlab.cli.commands.measure import Seeds, consecutive_seeds, measure_seeds
from glorotlab.cli.describe import examples_line, print_assumptions, spec_line
from glorotlab.cli.options import Csv, ExampleOptions, Json, Layers, Level, NetworkOptions, Quiet, grouped
from glorotlab.cli.progress import progress_bars
from glorotlab.cli.report import ReportOut, command_text, write_report
from glorotlab.cli.tables import Column, fits, table, typed
from glorotlab.cli.terminal import say, say_folded
from glorotlab.errors import AssumptionError

if TYPE_CHECKING:
    import xarray as xr

    from glorotlab.measurement.compare import Comparison, Entry
    from glorotlab.spec.network import NetworkSpec

FIELDS = (
    *("predicted", "measured", "standard_error", "ratio", "z_score", "low", "high", "inside_band"),
    "verdict",
)
"""Fields that JSON and CSV have for each variable in each layer."""


@grouped
def compare(
    context: typer.Context,
    layers: Layers,
    network: NetworkOptions,
    data: ExampleOptions,
    seeds: Seeds = 20,
    level: Level = 0.95,
    bands: Annotated[bool, typer.Option(help="Also predict bands, which decide the verdict.")] = True,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Print every variable, not only second moments; JSON and CSV always do."),
    ] = False,
    report: ReportOut = None,
    quiet: Quiet = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Predict and measure statistics, and compare them layer by layer."""
    from glorotlab.measurement.compare import SECOND_MOMENTS
    from glorotlab.measurement.compare import compare as set_side_by_side
    from glorotlab.measurement.sentences import rules

    spec = network.spec(layers)
    x, y = data.load(spec, network.seed)
    networks = len(consecutive_seeds(network, seeds))
    with progress_bars(not quiet) as update:
        update("predicting", 0, 1)
        prediction = _predict(spec, x, y, level if bands else None, networks)
        update("predicting", 1, 1)
        measurement = measure_seeds(spec, x, y, network, seeds, update)
    comparison = set_side_by_side(prediction, measurement)
    variables = list(dict.fromkeys(entry.variable for entry in comparison.entries))
    examples = {"dataset": data.dataset, "examples": len(x), "seed": network.seed, "seeds": seeds}
    if as_json:
        from glorotlab.cli.json_output import print_layers

        assumptions = json.loads(prediction.attrs["assumptions"])
        print_layers(spec, assumptions, _records(spec, comparison, variables), data=examples)
    elif as_csv:
        from glorotlab.cli.csv_output import print_csv

        print_csv([_place(entry) | _record(entry) for entry in comparison.entries])
    else:
        say_folded(f"Compared: {spec_line(spec)}; {examples_line(examples)}; {seeds} network{'s' * (seeds > 1)}")
        shown = [name for name in variables if everything or name in SECOND_MOMENTS]
        for sentence in rules(prediction, [entry for name in shown for entry in comparison.select(name)], seeds):
            say_folded(sentence)
        _print_tables(comparison, shown)
        print_assumptions(prediction)
    if report is not None:
        from glorotlab.report.comparison import comparison_report

        page = comparison_report(spec, prediction, measurement, comparison, command_text(context))
        write_report(report, page, quiet=as_json or as_csv)


def _predict(spec: NetworkSpec, x: Any, y: Any, level: float | None, networks: int) -> xr.Dataset:
    """Return the prediction, with bands for the mean of the networks; where they are refused it says why."""
    from glorotlab.theory.predict import predict

    if level is None:
        return predict(spec, inputs=x, labels=y)
    try:
        return predict(spec, inputs=x, labels=y, level=level, networks=networks)
    except AssumptionError as refusal:
        return predict(spec, inputs=x, labels=y).assign_attrs(no_band=str(refusal))


def _print_tables(comparison: Comparison, variables: Sequence[str]) -> None:
    """Print a table for each variable; all have z-scores if all have room for them."""
    tables = {name: _table(comparison.select(name)) for name in variables}
    if not all(fits(*columns_and_rows) for columns_and_rows in tables.values()):
        tables = {name: _table(comparison.select(name), z_scores=False) for name in variables}
    for name, columns_and_rows in tables.items():
        say(f"\n{name}", bold=True)
        say(table(*columns_and_rows))


def _table(entries: Sequence[Entry], z_scores: bool = True) -> tuple[list[Column | str], list[list[str]]]:
    """Return columns and rows of one variable, a row for each layer."""
    band = any(entry.low is not None for entry in entries)
    rows = []
    for entry in entries:
        row = [str(entry.layer), number(entry.predicted)]
        if band:
            row.append("–" if entry.low is None else f"{number(entry.low, 3)} .. {number(entry.high, 3)}")
        row += [number(entry.measured), number(entry.standard_error, 2), _fixed(entry.ratio, 4)]
        rows.append([*row, *[_fixed(entry.z_score, 2)] * z_scores, entry.verdict or "–"])
    names = ["layer", "predicted", *["band"] * band, "measured", "standard error", "ratio", *["z-score"] * z_scores]
    return [*names, typed("verdict")], rows


def _fixed(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _records(spec: NetworkSpec, comparison: Comparison, variables: list[str]) -> list[dict[str, Any]]:
    """Return one record per layer; a variable that is missing there, such as a softmax activation, is null."""
    by_place = {(entry.layer, entry.variable): entry for entry in comparison.entries}
    return [
        {"layer": layer, "fan_in": fan_in, "fan_out": fan_out}
        | {name: _record(by_place.get((layer, name))) for name in variables}
        for layer, (fan_in, fan_out) in enumerate(spec.fans, start=1)
    ]


def _record(entry: Entry | None) -> dict[str, Any]:
    return {field: None if entry is None else getattr(entry, field) for field in FIELDS}


def _place(entry: Entry) -> dict[str, Any]:
    return {"variable": entry.variable, "layer": entry.layer}
