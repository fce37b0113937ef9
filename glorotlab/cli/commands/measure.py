"""glorotlab measure: statistics of real networks at initialization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli.describe import examples_line, spec_line
from glorotlab.cli.options import DATA, Csv, ExampleOptions, Json, Layers, NetworkOptions, Quiet, grouped
from glorotlab.cli.progress import Update, progress_bars
from glorotlab.cli.terminal import say_folded
from glorotlab.errors import InvalidValueError

if TYPE_CHECKING:
    import xarray as xr

    from glorotlab.spec.network import NetworkSpec

MAX_SEEDS = 10**6

Seeds = Annotated[
    int,
    typer.Option(metavar="N", help="Number of networks; their seeds count up from --seed.", rich_help_panel=DATA),
]


@grouped
def measure(
    layers: Layers,
    network: NetworkOptions,
    data: ExampleOptions,
    seeds: Seeds = 20,
    quiet: Quiet = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Measure the statistics of every layer of real networks at initialization."""
    spec = network.spec(layers)
    x, y = data.load(spec, network.seed)
    with progress_bars(not quiet) as update:
        measurement = measure_seeds(spec, x, y, network, seeds, update)
    origin = {"dataset": data.dataset, "examples": len(x), "seed": network.seed, "seeds": seeds}
    if as_json:
        from glorotlab.cli.json_output import layer_records, print_layers

        print_layers(spec, [], layer_records(measurement), data=origin)
        return
    if as_csv:
        from glorotlab.cli.csv_output import print_csv
        from glorotlab.cli.json_output import layer_records

        print_csv(layer_records(measurement))
        return
    from glorotlab.cli.layer_tables import print_layer_tables

    count = "one network" if seeds == 1 else f"mean of {seeds} networks ± standard error"
    say_folded(f"Measured: {spec_line(spec)}; {examples_line(origin)}; {count}")
    print_layer_tables(measurement)


def consecutive_seeds(network: NetworkOptions, seeds: int) -> range:
    """Return the seeds of the networks; InvalidValueError where there are none or too many."""
    from glorotlab.streams import check_seed

    if not 1 <= seeds <= MAX_SEEDS:
        raise InvalidValueError(f"--seeds {seeds}: allowed are 1 to {MAX_SEEDS}")
    check_seed(network.seed + seeds - 1)
    return range(network.seed, network.seed + seeds)


def measure_seeds(spec: NetworkSpec, x: Any, y: Any, network: NetworkOptions, seeds: int, update: Update) -> xr.Dataset:
    """Return the measurement of networks with consecutive seeds, as the part ``measuring`` of the progress."""
    from glorotlab.measurement.measure import measure as measure_networks

    return measure_networks(
        spec,
        x,
        y,
        consecutive_seeds(network, seeds),
        dtype=network.dtype.value,
        progress=lambda done, total: update("measuring", done, total),
    )
