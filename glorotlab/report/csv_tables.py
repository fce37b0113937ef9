"""Datasets as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


def csv_tables(name: str, dataset: xr.Dataset, largest: int | None = None) -> dict[str, str]:
    """Return the variables of a dataset as CSV, a table for those of the same dimensions.

    Parameters
    ----------
    name : str
        Beginning of the files' names.
    dataset : xarray.Dataset
    largest : int, optional
        Most numbers of a variable; larger ones are left out.

    Returns
    -------
    dict of str to str
        The tables by file name, such as ``curves_by_step.csv``.
    """
    tables: dict[tuple[str, ...], list[str]] = {}
    for variable, array in dataset.data_vars.items():
        if array.ndim and (largest is None or array.size <= largest):
            tables.setdefault(tuple(map(str, array.dims)), []).append(str(variable))
    return {
        f"{name}_by_{'_'.join(dims)}.csv": dataset[variables].to_dataframe(dim_order=dims)[variables].to_csv()
        for dims, variables in tables.items()
    }
