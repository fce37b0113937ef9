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


def print_layers_tables(statistics: xr.Dataset) -> None:
    """Print mean, second moment and variance (pooled) of every tensor, layer below layer; with ± over seeds."""
    out, records = console(), layer_records(statistics)
    for tensor in TENSORS:
        if f"{tensor}_mean" not in statistics:
            continue
        made = table("layer", "mean", "second moment", "variance", left=0)
        for record in records:
            made.add_row(str(record["layer"]), *(_cell(record, f"{tensor}_{statistic}") for statistic in STATISTICS))
        out.print(tensor, style="bold")
        out.print(made)


def _cell(record: dict[str, Any], name: str) -> str:
    error = record.get(f"{name}_sem", math.nan)
    return number(record[name]) + (f" ± {error:.1g}" if math.isfinite(error) else "")
