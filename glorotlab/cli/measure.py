"""glorotlab measure: statistics of real networks at initialisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli.options import DATA, ExampleOptions, Json, Layers, NetworkOptions, grouped
from glorotlab.cli.predict import described, spec_line
from glorotlab.cli.terminal import console, progress_bar
from glorotlab.errors import InvalidValueError

if TYPE_CHECKING:
    import xarray as xr

    from glorotlab.spec.network import NetworkSpec

MAX_SEEDS = 10**6

Seeds = Annotated[
    int, typer.Option(metavar="N", help="How many networks, of seeds --seed and up.", rich_help_panel=DATA)
]


@grouped
def measure(
    layers: Layers, network: NetworkOptions, data: ExampleOptions, seeds: Seeds = 20, as_json: Json = False
) -> None:
    """Measure the statistics of every layer of real networks at initialisation."""
    spec = network.spec(layers)
    x, y = data.load(spec, network.seed)
    found = measured(spec, x, y, network, seeds)
    origin = {"dataset": data.dataset, "examples": len(x), "seed": network.seed, "seeds": seeds}
    if as_json:
        from glorotlab.cli.json_output import layer_records, print_layers

        print_layers(spec, [], layer_records(found), data=origin)
        return
    from glorotlab.cli.tables import print_layers_tables

    count = "one network" if seeds == 1 else f"mean of {seeds} networks ± standard error"
    console().print(f"Measured: {spec_line(spec)}; {described(origin)}; {count}")
    print_layers_tables(found)


def chosen_seeds(network: NetworkOptions, seeds: int) -> range:
    """Return the seeds of the networks; InvalidValueError where there are none or too many."""
    from glorotlab.streams import check_seed

    if not 1 <= seeds <= MAX_SEEDS:
        raise InvalidValueError(f"--seeds {seeds}: allowed are 1 to {MAX_SEEDS}")
    check_seed(network.seed + seeds - 1)
    return range(network.seed, network.seed + seeds)


def measured(spec: NetworkSpec, x: Any, y: Any, network: NetworkOptions, seeds: int) -> xr.Dataset:
    """Return the measurement of consecutive seeds, with a progress bar."""
    from glorotlab.measurement.measure import measure as real

    chosen = chosen_seeds(network, seeds)
    with progress_bar("measuring") as progress:
        return real(spec, x, y, chosen, dtype=network.dtype.value, progress=progress)
