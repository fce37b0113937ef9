"""NetCDF files: labeled results as ``xarray.open_dataset`` reads them with SciPy alone, and integers of 64 bits."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glorotlab import files

if TYPE_CHECKING:
    import xarray as xr

LARGEST = 2**31
"""Largest NetCDF file that is read, in bytes, which is near the format's own limit."""

INTEGERS = "integers"
"""Attribute with the type of a stored variable that had 64-bit integers."""

_NARROWER = {np.int32: 2**31 - 1, np.float64: 2**53, np.str_: 2**64}
"""Types that NetCDF 3 has, and the largest integer that each holds exactly."""


def read(path: Path) -> xr.Dataset:
    """Read a file of ``write`` into memory; RunError if it is missing or damaged."""
    import xarray as xr

    def parse(content: bytes) -> xr.Dataset:
        return _restored(xr.load_dataset(io.BytesIO(content), engine="scipy"))

    return files.read_whole(path, parse, LARGEST)


def write(path: Path, dataset: xr.Dataset) -> None:
    """Write NetCDF 3, which ``xarray.open_dataset`` reads with SciPy alone.

    That format has no integers of 64 bits. Those that fit are stored with 32, larger ones as float64, those that would
    lose a digit there as decimal text; the attribute ``integers`` has the type that ``read`` gives back.
    """
    files.write_whole(path, to_bytes(dataset))


def to_bytes(dataset: xr.Dataset) -> bytes:
    """Return the bytes that ``write`` writes."""
    return bytes(_storable(dataset).to_netcdf(engine="scipy"))


def _storable(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset without integers of 64 bits, whose type an attribute says."""

    def stored(variable: xr.Variable) -> xr.Variable:
        values = variable.values
        if variable.dtype not in (np.int64, np.uint64):
            return variable
        dtype = next(kind for kind, most in _NARROWER.items() if np.abs(values).max(initial=0) <= most)
        attributes = variable.attrs | {INTEGERS: variable.dtype.name}
        return type(variable)(variable.dims, values.astype(dtype), attributes)

    return _with(dataset, stored)


def _restored(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset with the integers that its attributes speak of."""

    def restored(variable: xr.Variable) -> xr.Variable:
        name = variable.attrs.get(INTEGERS)
        if name not in ("int64", "uint64"):
            return variable
        attributes = {key: value for key, value in variable.attrs.items() if key != INTEGERS}
        return type(variable)(variable.dims, variable.values.astype(name), attributes)

    return _with(dataset, restored)


def _with(dataset: xr.Dataset, convert: Callable[[xr.Variable], xr.Variable]) -> xr.Dataset:
    """Return a dataset with ``convert`` applied to all variables and coordinates."""
    made = {name: convert(variable.to_base_variable()) for name, variable in dataset.variables.items()}
    return dataset.assign_coords({name: made[name] for name in dataset.coords}).assign(
        {name: made[name] for name in dataset.data_vars}
    )
