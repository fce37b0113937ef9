"""Tables of LayerStatistics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from glorotlab.cli.jsonout import layer_records
from glorotlab.cli.terminal import console, number, table
from glorotlab.schema import TENSORS

if TYPE_CHECKING:
    import xarray as xr

STATISTICS = ("mean", "second_moment", "variance")

MORE = ("weight_variance", "activation_saturation", "jacobian_singular_value_mean", "learning_speed")
"""What has one number a layer and is no tensor's moment."""


def print_layers_tables(statistics: xr.Dataset, *, everything: bool = False) -> None:
    """Print mean, second moment and variance (pooled) of every tensor, layer below layer; with ± over seeds.

    ``everything``: and what else has one number a layer.
    """
    out, records = console(), layer_records(statistics)
    for tensor in TENSORS:
        if f"{tensor}_mean" not in statistics:
            continue
        made = table("layer", "mean", "second moment", "variance", left=0)
        for record in records:
            made.add_row(str(record["layer"]), *(_cell(record, f"{tensor}_{statistic}") for statistic in STATISTICS))
        out.print(tensor, style="bold")
        out.print(made)
    if everything:
        made = table("layer", *(name.replace("_", " ") for name in MORE), left=0)
        for record in records:
            made.add_row(str(record["layer"]), *(_cell(record, name) for name in MORE))
        out.print(made)


def _cell(record: dict[str, Any], name: str) -> str:
    error = record.get(f"{name}_sem", math.nan)
    return number(record.get(name, math.nan)) + (f" ± {error:.1g}" if math.isfinite(error) else "")
