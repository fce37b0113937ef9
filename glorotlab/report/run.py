"""The report of a training run: error curves, statistics of the layers over the updates, histograms, sessions."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from glorotlab.cells import error_text, number
from glorotlab.experiments.experiment import Table
from glorotlab.plotting.objects.statistics import one_of_each
from glorotlab.plotting.plot import plot
from glorotlab.report.csv_tables import csv_tables
from glorotlab.report.picture import Picture
from glorotlab.report.report import Report
from glorotlab.report.spec_text import spec_text
from glorotlab.report.symbols import symbol
from glorotlab.training.runs.ending import cost_and_errors
from glorotlab.training.runs.run import Run

DRAWN = ("activation_quantile", "activation_variance")
"""Variables of the picture of the layers over training."""

SHOWN = (
    *("weight_variance", "activation_second_moment", "activation_saturation"),
    *("backprop_gradient_second_moment", "example_weight_gradient_second_moment"),
)
"""Variables of the tables of the layers."""

SESSION = ("started", "from_update", "glorotlab", "git", "python", "processor", "simd", "threads")
"""What the page says of each session that trained the run; the machine's name is left out."""


def run_report(run: Run, command: str = "") -> Report:
    """Return the report of a run.

    Parameters
    ----------
    run : Run
    command : str, optional
        The command that made it.
    """
    spec, steps = run.spec, run.statistics["step"].values.tolist()
    ending = "the training cost is no longer finite" if run.status == "diverged" else cost_and_errors(run)
    return Report(
        title=f"Training run: {spec.network.layers} {spec.network.activation}, {spec.network.initializer}",
        sentences=[
            f"{run.status.capitalize()} after {run.updates} of {spec.training.updates} updates, each on "
            f"{spec.training.batch_size} examples of {spec.data}, in {run.seconds:.1f} s: {ending}."
        ],
        parts=[
            _curves(run),
            _layers(run.statistics),
            _histograms(run.histograms),
            *(_table(run.statistics, step) for step in dict.fromkeys((steps[0], steps[-1]))),
            _sessions(run),
        ],
        command=command,
        facts={"seed": str(spec.seed), "content hash": spec.content_hash},
        spec=spec_text(spec.model_dump(mode="json")),
    )


def _curves(run: Run) -> Picture:
    test, last = run.curves["test_error"], int(run.curves["step"][-1])
    errors = [error_text(value, squared=run.spec.squared_errors) for value in test.values[[0, -1]].tolist()]
    course = (
        f"{errors[0]} before training and {errors[1]} after {last} updates" if last else f"{errors[0]} before training"
    )
    return Picture.of(
        plot(run),
        f"Validation and test error over the updates: the test error is {course}.",
        f"Errors over the updates: {run.curves['validation_error'].attrs['long_name']}, and {test.attrs['long_name']}.",
        csv_tables("curves", run.curves),
    )


def _layers(statistics: xr.Dataset) -> Picture:
    return Picture.of(
        plot(statistics),
        "98th percentile and standard deviation of the activations of every layer over the updates; the tables below "
        "have the layers at the first and at the last record.",
        "98th percentile (points) and standard deviation (lines) of the activations, one color a layer.",
        csv_tables("layers", statistics[[name for name in DRAWN if name in statistics]]),
    )


def _histograms(histograms: xr.Dataset) -> Picture:
    step = int(histograms["step"][-1])
    return Picture.of(
        plot(histograms),
        f"Densities of the activations of every hidden layer after {step} updates.",
        f"Histograms of the activations after {step} updates, as densities.",
        csv_tables("histograms", histograms[["activation_edge", "activation_count"]]),
    )


def _table(statistics: xr.Dataset, step: int) -> Table:
    names = [name for name in SHOWN if name in statistics]
    columns = [one_of_each(statistics.sel(step=step), name, "layer").values for name in names]
    layers = [str(layer) for layer in statistics["layer"].values]
    return Table(
        f"The layers after {step} updates" if step else "The layers before training",
        ("layer", *map(symbol, names)),
        tuple((layer, *map(number, row)) for layer, row in zip(layers, zip(*columns, strict=True), strict=True)),
    )


def _sessions(run: Run) -> Table:
    rows = [tuple(_text(session.get(name)) for name in SESSION) for session in run.provenance]
    return Table("The sessions that trained it", tuple(name.replace("_", " ") for name in SESSION), tuple(rows))


def _text(value: object) -> str:
    """Return an entry of a session as a cell; of git's state the commit."""
    if isinstance(value, Mapping):
        return f"{str(value.get('commit'))[:10]}{', modified' if value.get('modified') else ''}"
    return "–" if value is None else str(value)
