"""Descriptions of what experiments save: each variable and coordinate says what it is, and in what unit."""

from __future__ import annotations

import xarray as xr

from glorotlab.schema import COORDINATES, COUNTERS, coordinate
from glorotlab.schema import describe as schema_variable

About = tuple[str, str]
"""A ``long_name`` and ``units``; the unit of a ratio, a count or a number without dimension is ``"1"``."""


def described(dataset: xr.Dataset, **about: About) -> xr.Dataset:
    """Return a dataset in which every variable and coordinate has a description and a unit.

    Parameters
    ----------
    dataset : xarray.Dataset
    **about : tuple of str
        The description and the unit of each variable that neither has them yet nor is one of the schema.

    Returns
    -------
    xarray.Dataset
        A shallow copy; ``layer``, ``seed`` and ``step`` are whole numbers in it.

    Raises
    ------
    KeyError
        Where a variable is described neither here nor in the schema.
    """
    copy = dataset.copy()
    for name in map(str, dataset.variables):
        attributes = copy[name].attrs
        if name in COUNTERS and copy[name].dims == (name,) and name not in about:
            copy = copy.assign_coords({name: coordinate(name, copy[name].values)})
        elif not {"long_name", "units"} <= attributes.keys():
            long_name, units = about.get(name) or COORDINATES.get(name) or _of_schema(name)
            copy[name].attrs = {"long_name": long_name, "units": units} | attributes
    return copy


def _of_schema(name: str) -> About:
    variable = schema_variable(name)
    return variable.long_name, variable.units
