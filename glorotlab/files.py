"""Files written whole: a temporary file in the same folder, flushed to disk, then renamed into place."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from glorotlab.errors import RunError

if TYPE_CHECKING:
    import xarray as xr

Content = TypeVar("Content")

INTEGERS = "integers"
"""Attribute of a stored variable that was of integers of 64 bits: their type."""

_NARROWER = {np.int32: 2**31 - 1, np.float64: 2**53, np.str_: 2**64}
"""Types that NetCDF 3 has, and the largest integer that each holds exactly."""


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path as the user means it, ``~`` being the home folder; RunError where there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise RunError(f"folder {str(path)!r}: {error}") from None


def make_folder(folder: Path) -> None:
    """Make a folder and see that it can be written; RunError where not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:  # ValueError: a null byte
        reason = getattr(error, "strerror", None) or error
        raise RunError(f"output folder {str(folder)!r} cannot be written: {reason}") from None


def write_whole(path: Path, content: bytes | str | Callable[[IO[bytes]], object]) -> None:
    """Write a file so that no reader ever sees a part of it; RunError where the disk refuses.

    The content may be a function that writes it.
    """
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
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


def is_temporary(name: str, of: Iterable[str]) -> bool:
    """Whether a file is what a kill left of ``write_whole`` to one of the files ``of``."""
    return any(name.startswith(f".{file}.") for file in of)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk, so that a rename outlasts a power failure, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # network file systems that cannot
            raise RunError(f"cannot write {str(folder)!r}: {error.strerror or error}") from None


def read_whole(path: Path, parse: Callable[[bytes], Content]) -> Content:
    """Return what ``parse`` makes of a file; RunError, in one line, where it is missing or damaged."""
    try:
        return parse(path.read_bytes())
    except Exception as error:  # damage shows in zipfile, zlib, NumPy, SciPy or xarray, in many ways
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"cannot read {str(path)!r}: {reason}") from None


def write_dataset(path: Path, dataset: xr.Dataset) -> None:
    """Write NetCDF 3, which ``xarray.open_dataset`` reads with SciPy alone.

    That format has no integers of 64 bits. Those that fit are stored with 32, larger ones as float64, those that would
    lose a digit there as decimal text; the attribute ``integers`` has the type that ``read_dataset`` gives back.
    """
    write_whole(path, bytes(_storable(dataset).to_netcdf(engine="scipy")))


def read_dataset(path: Path) -> xr.Dataset:
    """Read what ``write_dataset`` wrote, whole into memory; RunError where it is missing or damaged."""
    import xarray as xr

    return read_whole(path, lambda content: _restored(xr.load_dataset(io.BytesIO(content), engine="scipy")))


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
    """Return a dataset whose variables, coordinates included, are what ``convert`` makes of them."""
    made = {name: convert(variable.to_base_variable()) for name, variable in dataset.variables.items()}
    return dataset.assign_coords({name: made[name] for name in dataset.coords}).assign(
        {name: made[name] for name in dataset.data_vars}
    )


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write an ``.npz`` of plain arrays."""
    write_whole(path, lambda file: np.savez(file, allow_pickle=False, **dict(arrays)))


def parse_arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return what ``write_arrays`` wrote, never unpickling; any error where it is damaged (each array has a CRC)."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
