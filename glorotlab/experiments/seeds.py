"""What several networks of one kind recorded, joined along ``seed``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xarray as xr

from glorotlab.training.runs.run import Run


def over_seeds(runs: Sequence[Run], record: Callable[[Run], xr.Dataset]) -> xr.Dataset:
    """Return what ``record`` takes of every run, joined along ``seed``; NaN where a run that diverged has ended."""
    seeds = xr.Variable("seed", [float(run.spec.seed) for run in runs])
    return xr.concat([record(run) for run in runs], seeds, join="outer", combine_attrs="drop")
