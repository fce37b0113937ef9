"""Files written whole: a temporary file in the same folder, flushed to disk, then renamed into place."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from glorotlab.errors import RunError

if TYPE_CHECKING:
    import xarray as xr

Content = TypeVar("Content")


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path as the user means it, ``~`` being the home folder; RunError where there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise RunError(f"folder {str(path)!r}: {error}") from None


def is_free(folder: Path) -> bool:
    """Whether a run may take a folder: it does not exist, or is empty; RunError where it cannot be seen."""
    try:
        return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    except OSError as error:
        raise RunError(f"output folder {str(folder)!r} cannot be read: {error.strerror or error}") from None


def make_folder(folder: Path) -> None:
    """Make a folder and see that it can be written; RunError where not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:  # ValueError: a null byte
        reason = getattr(error, "strerror", None) or error
        raise RunError(f"output folder {str(folder)!r} cannot be written: {reason}") from None


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
            raise RunError(f"cannot write {str(path)!r}: {error.strerror or error}") from None
        raise


def read_whole(path: Path, parse: Callable[[bytes], Content]) -> Content:
    """Return what ``parse`` makes of a file; RunError, in one line, where it is missing or damaged."""
    try:
        return parse(path.read_bytes())
    except Exception as error:  # damage shows in zipfile, zlib, NumPy, SciPy or xarray, in many ways
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"cannot read {str(path)!r}: {reason}") from None


def write_dataset(path: Path, dataset: xr.Dataset) -> None:
    """Write NetCDF 3, which ``xarray.open_dataset`` reads with SciPy alone."""
    write_whole(path, bytes(dataset.to_netcdf(engine="scipy")))


def read_dataset(path: Path) -> xr.Dataset:
    """Read what ``write_dataset`` wrote, whole into memory; RunError where it is missing or damaged."""
    import xarray as xr

    return read_whole(path, lambda content: xr.load_dataset(io.BytesIO(content), engine="scipy"))


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write an ``.npz`` of plain arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    write_whole(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read what ``write_arrays`` wrote, never unpickling; RunError where it is missing or damaged."""

    def parse(content: bytes) -> dict[str, npt.NDArray[Any]]:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    return read_whole(path, parse)
