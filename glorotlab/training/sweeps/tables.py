"""Results of a sweep as records, and as cells of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glorotlab.cells import error_text, number

if TYPE_CHECKING:
    import xarray as xr

Record = dict[str, Any]


def records(dataset: xr.Dataset) -> list[Record]:
    """Return one record for each element of a dataset, its coordinates first."""
    dims = [str(name) for name in dataset["validation_error"].dims]
    rows = []
    for index in np.ndindex(tuple(dataset.sizes[name] for name in dims)):
        at = dataset.isel(dict(zip(dims, index, strict=True)))
        rows.append({str(name): at[name].values.item() for name in [*dataset.coords, *dataset.data_vars]})
    return rows


def head_and_rows(rows: list[Record], *, squared: bool) -> tuple[list[str], list[list[str]]]:
    """Return the head and the cells of records; a standard deviation goes behind its mean.

    Parameters
    ----------
    rows : list of dict
    squared : bool
        Whether errors are squared distances rather than shares of examples.
    """
    names = [name for name in rows[0] if not name.endswith("_std")]
    cells = [[_cell(record, name, squared) for name in names] for record in rows]
    return [name.replace("_", " ") for name in names], cells


def _cell(record: Record, name: str, squared: bool) -> str:
    value = record[name]
    if not isinstance(value, float):
        return str(value)
    if name.endswith("_error"):
        return error_text(value, record.get(f"{name}_std"), squared=squared)
    return number(value, 6)
