"""What several networks of one kind recorded, joined along ``seed``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xarray as xr

from glorotlab.schema import coordinate
from glorotlab.training.runs.run import Run


def over_seeds(runs: Sequence[Run], record: Callable[[Run], xr.Dataset]) -> xr.Dataset:
    """Return the ``record`` of every run, joined along ``seed``, with NaN after the end of a diverged run."""
    seeds = coordinate("seed", [run.spec.seed for run in runs])
    return along_seeds([record(run) for run in runs], seeds)


def along_seeds(records: Sequence[xr.Dataset], seeds: xr.Variable) -> xr.Dataset:
    """Return datasets joined along ``seed``, with the attributes of variables but not those of the datasets."""
    joined = xr.concat(records, seeds, join="outer", combine_attrs="drop_conflicts")
    return joined.drop_attrs(deep=False)
