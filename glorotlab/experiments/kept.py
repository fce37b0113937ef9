"""Results that take long to make and are no training runs, kept as NetCDF files named by what determines them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from glorotlab import files, netcdf

if TYPE_CHECKING:
    import xarray as xr


def kept(
    folder: str | os.PathLike[str],
    kind: str,
    content: Mapping[str, str | float | list[float]],
    make: Callable[[], xr.Dataset],
) -> xr.Dataset:
    """Return the stored result of ``make`` for the same content, or make and store it.

    Parameters
    ----------
    folder : path-like
        Folder of ``{kind}-{hash of the content}.nc``; made where it is missing.
    kind : str
    content : mapping
        All that determines the result. The file has it as attribute ``content``.
    make : callable

    Returns
    -------
    xarray.Dataset
        The content of the file, read back.

    Raises
    ------
    RunError
        Where the file cannot be written, or is damaged.
    """
    text = json.dumps(dict(content), sort_keys=True)
    place = files.user_path(folder).absolute()
    path = place / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.nc"
    if not path.exists():
        files.make_folder(place)
        netcdf.write(path, make().assign_attrs(content=text))
    return netcdf.read(path)
