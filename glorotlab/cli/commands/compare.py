"""glorotlab compare: prediction and measurement side by side."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli.commands.measure import Seeds, consecutive_seeds, measure_seeds
from glorotlab.cli.describe import examples_line, print_assumptions, spec_line
from glorotlab.cli.options import ExampleOptions, Json, Layers, Level, NetworkOptions, Quiet, grouped
from glorotlab.cli.progress import progress_bars
from glorotlab.cli.terminal import console, number, table
from glorotlab.errors import AssumptionError

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

    from glorotlab.measurement.compare import Comparison, Entry
    from glorotlab.spec.network import NetworkSpec

SLACK = 0.015
"""Relative difference that is allowed beyond two standard errors."""

RULE = f"agrees: |ratio - 1| <= 2 standard errors + {SLACK:.1%}, else differs; no verdict from one network alone"

FIELDS = ("predicted", "measured", "standard_error", "ratio", "z_score", "low", "high", "inside_band")


@grouped
def compare(
    layers: Layers,
    network: NetworkOptions,
    data: ExampleOptions,
    seeds: Seeds = 20,
    level: Level = 0.95,
    bands: Annotated[bool, typer.Option(help="Also predict bands.")] = True,
    everything: Annotated[
        bool, typer.Option("--all", help="Print every variable, as JSON always does, not second moments alone.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Predict, measure, and set both side by side, layer by layer."""
    from glorotlab.measurement.compare import SECOND_MOMENTS
    from glorotlab.measurement.compare import compare as set_side_by_side

    spec = network.spec(layers)
    x, y = data.load(spec, network.seed)
    networks = len(consecutive_seeds(network, seeds))
    with progress_bars(not quiet) as update:
        update("predicting", 0, 1)
        prediction, refusal = _predict(spec, x, y, level if bands else None, networks)
        update("predicting", 1, 1)
        measurement = measure_seeds(spec, x, y, network, seeds, update)
    comparison = set_side_by_side(prediction, measurement)
    variables = list(dict.fromkeys(entry.variable for entry in comparison.entries))
    assumptions = json.loads(prediction.attrs["assumptions"])
    origin = {"dataset": data.dataset, "examples": len(x), "seed": network.seed, "seeds": seeds}
    if as_json:
        from glorotlab.cli.json_output import print_layers

        print_layers(spec, assumptions, _records(spec, comparison, variables), data=origin)
        return
    out = console()
    out.print(f"{spec_line(spec)}; {examples_line(origin)}; {seeds} network{'s' * (seeds > 1)}")
    for name in variables if everything else [name for name in variables if name in SECOND_MOMENTS]:
        out.print(name, style="bold")
        out.print(_table(comparison.select(name)))
    out.print(RULE)
    if "level" in prediction.attrs:
        whose = f"the mean of {seeds} networks" if seeds > 1 else "one network"
        out.print(f"band: {whose} lies inside with probability {prediction.attrs['level']:g}, finite width included")
    elif refusal:
        out.print(f"no bands: {refusal}")
    print_assumptions(prediction)


def _predict(
    spec: NetworkSpec, x: Any, y: Any, level: float | None, networks: int
) -> tuple[xr.Dataset, AssumptionError | None]:
    """Return the prediction, with bands for the mean of the networks unless these are refused, and the refusal."""
    from glorotlab.theory.predict import predict

    if level is None:
        return predict(spec, inputs=x, labels=y), None
    try:
        return predict(spec, inputs=x, labels=y, level=level, networks=networks), None
    except AssumptionError as refusal:
        return predict(spec, inputs=x, labels=y), refusal


def verdict(entry: Entry) -> str:
    """Return ``agrees`` or ``differs`` by `RULE`, multiplied by the prediction so that it may be 0."""
    if entry.standard_error is None:
        return "–"
    allowed = 2 * entry.standard_error + SLACK * abs(entry.predicted)
    return "agrees" if abs(entry.measured - entry.predicted) <= allowed else "differs"


def _table(entries: Sequence[Entry]) -> Table:
    band = any(entry.low is not None for entry in entries)
    columns = ["layer", "predicted", "measured", "standard error", "ratio", "z-score"] + ["band", "inside"] * band
    rows = table(*columns, "verdict", left=0)
    for entry in entries:
        row = [str(entry.layer), *(number(value) for value in (entry.predicted, entry.measured))]
        row += [number(entry.standard_error, 2), _ratio(entry), _fixed(entry.z_score)]
        if band:
            inside = {None: "–", True: "yes", False: "no"}[entry.inside_band]
            row += [f"{number(entry.low, 3)} .. {number(entry.high, 3)}", inside]
        rows.add_row(*row, verdict(entry))
    return rows


def _ratio(entry: Entry) -> str:
    if entry.ratio is None:
        return "–"
    error = "" if entry.ratio_error is None else f" ± {entry.ratio_error:.4f}"
    return f"{entry.ratio:.4f}{error}"


def _fixed(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _records(spec: NetworkSpec, comparison: Comparison, variables: list[str]) -> list[dict[str, Any]]:
    """Return one record a layer; a variable that is missing there, such as a softmax activation, is null."""
    by_place = {(entry.layer, entry.variable): entry for entry in comparison.entries}
    records: list[dict[str, Any]] = []
    for layer, (fan_in, fan_out) in enumerate(spec.fans, start=1):
        record: dict[str, Any] = {"layer": layer, "fan_in": fan_in, "fan_out": fan_out}
        for name in variables:
            entry = by_place.get((layer, name))
            fields = {} if entry is None else dataclasses.asdict(entry)
            record[name] = {key: fields.get(key) for key in FIELDS}
        records.append(record)
    return records
