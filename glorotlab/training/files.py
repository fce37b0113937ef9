"""Files written whole: a temporary file in the same folder, flushed to disk, then renamed into place."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from glorotlab.errors import RunError

if TYPE_CHECKING:
    import xarray as xr


def make_folder(folder: Path) -> None:
    """Make a folder and see that it can be written; RunError where not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RunError(f"output folder {str(folder)!r} cannot be written: {error.strerror}") from None


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file so that no reader ever sees a part of it; RunError where the disk refuses."""
    data = content.encode() if isinstance(content, str) else content
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunError(f"cannot write {str(path)!r}: {error.strerror}") from None
        raise


def write_dataset(path: Path, dataset: xr.Dataset) -> None:
    """Write NetCDF 3, which ``xarray.open_dataset`` reads with SciPy alone."""
    write_whole(path, bytes(dataset.to_netcdf(engine="scipy")))


def read_dataset(path: Path) -> xr.Dataset:
    """Read what ``write_dataset`` wrote, whole into memory; RunError where it is missing or damaged."""
    import xarray as xr

    try:
        return xr.load_dataset(path, engine="scipy")
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise RunError(f"cannot read {str(path)!r}: {error}") from None


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write an ``.npz`` of plain arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    write_whole(path, buffer.getvalue())
