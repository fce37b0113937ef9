"""Tables of LayerStatistics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from glorotlab.cli.jsonout import layer_records
from glorotlab.cli.terminal import number, table
from glorotlab.schema import TENSORS

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

STATISTICS = ("mean", "second_moment", "variance")


def layers_table(statistics: xr.Dataset) -> Table:
    """Return mean, second moment and variance (pooled) of every tensor, layer below layer; with ± over seeds."""
    records = layer_records(statistics)
    made = table("tensor", "layer", "fan_in", "fan_out", "mean", "second moment", "variance")
    for tensor in TENSORS:
        if f"{tensor}_mean" not in statistics:
            continue
        for record in records:
            cells = [_cell(record, f"{tensor}_{statistic}") for statistic in STATISTICS]
            place = [str(record[name]) for name in ("layer", "fan_in", "fan_out")]
            made.add_row(tensor if record is records[0] else "", *place, *cells)
        made.add_section()
    return made


def _cell(record: dict[str, float], name: str) -> str:
    error = record.get(f"{name}_sem", np.nan)
    return number(record[name]) + (f" ± {error:.1g}" if math.isfinite(error) else "")
