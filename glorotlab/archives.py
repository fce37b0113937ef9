"""Arrays in ``.npz`` files: what a member says of itself is checked before it takes memory; nothing is unpickled.

``numpy.load`` takes the memory that an array's header asks for before it looks whether the file has as much, and zip
archives hold a thousand times their own size.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from glorotlab.errors import InvalidValueError, reason

ENDING = ".npy"
"""Ending of the names of members that are arrays."""

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compression methods that NumPy writes."""

HEADER = 4096
"""Longest header of an array that is read, in characters; a plain one has about 100."""


@dataclass(frozen=True)
class Form:
    """Type and shape of an array."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize


class Archive:
    """The arrays of an ``.npz`` file that is open for reading.

    Parameters
    ----------
    file : binary file
        One that can seek.
    largest : int
        Bytes that an array may take.

    Raises
    ------
    InvalidValueError
        Where it is no zip archive, or holds two members of one name.
    """

    def __init__(self, file: BinaryIO, largest: int) -> None:
        self.largest = largest
        try:
            self._zip = zipfile.ZipFile(file)
        except Exception as error:  # damage shows in zipfile and struct, in many ways
            raise InvalidValueError(reason(error)) from None
        members = [info.filename for info in self._zip.infolist()]
        if len(set(members)) < len(members):
            raise InvalidValueError("two members have one name")
        self.names = tuple(name.removesuffix(ENDING) for name in members if name.endswith(ENDING))

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._zip.close()

    def form(self, name: str) -> Form:
        """Return type and shape of an array, whose values are not read.

        Raises
        ------
        InvalidValueError
            Where its header is damaged, or does not fit the length of the member, or asks for more than ``largest``.
        """
        try:
            info = self._zip.getinfo(name + ENDING)
            if info.compress_type not in METHODS:
                raise InvalidValueError("it is compressed in a way that NumPy does not write")
            with self._zip.open(info) as member, _without_warnings():
                form = _read_form(member)
                self._check_length(form, member.tell(), info.file_size)
        except Exception as error:  # of zipfile, zlib, ast and NumPy
            raise _unreadable(name, error) from None
        return form

    def _check_length(self, form: Form, header: int, length: int) -> None:
        if header + form.size != length:
            raise InvalidValueError(
                f"shape {_shown(form.shape)} needs {header + form.size:,} bytes, and {length:,} are there"
            )
        if form.size > self.largest:
            raise InvalidValueError(f"it has {form.size:,} bytes, and {self.largest:,} are allowed")

    def read(self, name: str) -> npt.NDArray[Any]:
        """Return an array after verifying its checksum; errors are those of ``form``."""
        self.form(name)
        try:
            with self._zip.open(name + ENDING) as member, _without_warnings():
                array = npy.read_array(member, allow_pickle=False, max_header_size=HEADER)
                member.read(1)  # the checksum is looked at where the member ends
                return np.asarray(array)
        except Exception as error:
            raise _unreadable(name, error) from None


def read_arrays(file: BinaryIO, largest: int) -> dict[str, npt.NDArray[Any]]:
    """Return all arrays of an ``.npz`` file; errors are those of `Archive`."""
    with Archive(file, largest) as archive:
        return {name: archive.read(name) for name in archive.names}


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Suppress the warnings of NumPy and Python about damaged headers or headers written by Python 2."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _read_form(member: IO[bytes]) -> Form:
    version = npy.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise InvalidValueError(f"it has version {version} of NumPy's format: allowed are 1.0 and 2.0")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(member, max_header_size=HEADER)
    if dtype.hasobject:
        raise InvalidValueError("it holds pickled objects, which are never loaded")
    if not dtype.itemsize or min(shape, default=0) < 0:
        raise InvalidValueError(f"dtype {dtype} and shape {_shown(shape)}: allowed are arrays that have bytes")
    return Form(dtype, shape)


def _unreadable(name: str, error: Exception) -> InvalidValueError:
    return InvalidValueError(f"array {name} cannot be read ({reason(error)})")


def _shown(shape: tuple[int, ...]) -> str:
    text = str(shape)
    return text if len(text) <= 60 else f"{text[:57]}..."
