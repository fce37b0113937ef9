"""Tables of LayerStatistics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from glorotlab.cells import number
from glorotlab.cli.json_output import layer_records
from glorotlab.cli.tables import table
from glorotlab.cli.terminal import say
from glorotlab.schema import TENSORS

if TYPE_CHECKING:
    import xarray as xr

STATISTICS = ("mean", "second_moment", "variance")

UNDERFLOW = ("subnormal", "zero")
"""Shares of a tensor that are shown if the first is not 0."""

MORE = ("weight_variance", "activation_saturation", "jacobian_singular_value_mean", "learning_speed")
"""Variables with one number per layer that are not moments of a tensor."""


def print_layer_tables(statistics: xr.Dataset, *, everything: bool = False) -> None:
    """Print mean, second moment and pooled variance of every tensor, one row per layer.

    If there are several seeds, ± is the standard error. If any number of a tensor is subnormal, two columns show the
    subnormal share and the share of zeros. ``everything`` adds the variables of `MORE`.
    """
    records = layer_records(statistics)
    for tensor in TENSORS:
        if f"{tensor}_mean" not in statistics:
            continue
        banded = f"{tensor}_second_moment_low" in statistics
        underflow = UNDERFLOW if any(record.get(f"{tensor}_subnormal", 0) > 0 for record in records) else ()
        rows = []
        for record in records:
            mean, square, variance = (_cell(record, f"{tensor}_{statistic}") for statistic in STATISTICS)
            band = [_band(record, f"{tensor}_second_moment")] * banded
            shares = (_cell(record, f"{tensor}_{share}") for share in underflow)
            rows.append([str(record["layer"]), mean, square, *band, variance, *shares])
        say(f"\n{tensor}", bold=True)
        say(table(["layer", "mean", "second moment", *["band"] * banded, "variance", *underflow], rows))
    if everything:
        names = [name for name in MORE if name in records[0]]
        rows = [[str(record["layer"]), *(_cell(record, name) for name in names)] for record in records]
        say()
        say(table(["layer", *(name.replace("_", " ") for name in names)], rows))


def _band(record: dict[str, Any], name: str) -> str:
    low, high = (record.get(f"{name}_{end}", math.nan) for end in ("low", "high"))
    return f"{number(low, 3)} .. {number(high, 3)}" if math.isfinite(low) else number(math.nan)


def _cell(record: dict[str, Any], name: str) -> str:
    error = record.get(f"{name}_sem", math.nan)
    return number(record.get(name, math.nan)) + (f" ± {error:.1g}" if math.isfinite(error) else "")
