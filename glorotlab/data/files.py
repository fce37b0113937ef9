"""Data files on disk: their folders, compressed by gzip or not, and their verification."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import platformdirs

from glorotlab.errors import DataError, reason
from glorotlab.files import open_regular, user_path
from glorotlab.resources import setting

GZIP_MAGIC = b"\x1f\x8b"
"""First bytes of a gzip file."""


def cache_folder(dataset: str) -> Path:
    """Return the folder where downloads of a dataset are kept for this user; it need not exist."""
    return platformdirs.user_cache_path("glorotlab") / dataset


def search_folders(dataset: str) -> list[Path]:
    """Return the folders in which a dataset is searched: ``$GLOROTLAB_DATA/<dataset>``, then the cache."""
    local = setting("GLOROTLAB_DATA")
    return [*([user_path(local) / dataset] if local else []), cache_folder(dataset)]


@contextmanager
def open_decompressed(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a regular file for reading, decompressed where its content (not its name) is gzip.

    Raises
    ------
    DataError
        Where the file cannot be read or decompressed, also while the block reads it.
    """
    try:
        with os.fdopen(open_regular(path, links=True), "rb") as raw, decompressed(raw, os.fspath(path)) as file:
            yield file
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: {reason(error)}") from error


@contextmanager
def decompressed(raw: IO[bytes], name: str) -> Iterator[BinaryIO]:
    """Read an open file as ``open_decompressed`` does; ``name`` names it in messages."""
    try:
        compressed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        yield cast(BinaryIO, gzip.GzipFile(fileobj=raw) if compressed else raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: {reason(error)}") from error


@dataclass(frozen=True)
class VerifiedFile:
    """A data file known by its decompressed content.

    Parameters
    ----------
    name : str
        File name without ``.gz``.
    size : int
        Decompressed bytes.
    sha256 : str
        SHA-256 of the decompressed bytes, hexadecimal.
    """

    name: str
    size: int
    sha256: str

    def find(self, folder: Path) -> Path | None:
        """Return the file in ``folder`` (``.gz``, else unpacked) without reading it, or None."""
        candidates = (folder / f"{self.name}.gz", folder / self.name)
        return next((path for path in candidates if path.is_file()), None)

    def matches(self, content: bytes) -> bool:
        """Whether decompressed bytes are those of the file."""
        return len(content) == self.size and hashlib.sha256(content).hexdigest() == self.sha256

    @property
    def largest_compressed(self) -> int:
        """Largest size of the file compressed by gzip, which adds bytes if it cannot compress."""
        return self.size + self.size // 1000 + 1024

    def read_from(self, folder: Path) -> bytes:
        """Return the decompressed bytes of the file in a folder; DataError if it is missing or differs."""
        path = self.find(folder)
        if path is None:
            raise DataError(f"{folder / self.name}: no such file")
        return self.read(path)

    def read(self, path: Path) -> bytes:
        """Return the decompressed bytes of ``path``.

        Raises
        ------
        DataError
            Where the file cannot be read or its SHA-256 differs.
        """
        with open_decompressed(path) as file:
            return self._verified(file, str(path))

    def read_open(self, raw: IO[bytes], name: str) -> bytes:
        """Return the decompressed bytes of an open file; ``name`` names it in errors, which are those of ``read``."""
        with decompressed(raw, name) as file:
            return self._verified(file, name)

    def _verified(self, file: BinaryIO, name: str) -> bytes:
        content = file.read(self.size + 1)  # one more shows excess without decompressing all of it
        if len(content) > self.size:
            raise DataError(f"{name}: longer than the {self.size} decompressed bytes of {self.name}")
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256:
            raise DataError(
                f"{name}: SHA-256 of the decompressed bytes is {digest}, expected is {self.sha256} "
                f"({len(content)} of {self.size} bytes)"
            )
        return content

    def check_raw(self, file: IO[bytes], name: str) -> None:
        """Raise DataError where the bytes of an open file, not decompressed, are not those of the file."""
        size = file.seek(0, os.SEEK_END)
        if size != self.size:
            raise DataError(f"{name}: {size} bytes, expected are the {self.size} of {self.name}")
        file.seek(0)
        digest = hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
        file.seek(0)
        if digest != self.sha256:
            raise DataError(f"{name}: SHA-256 is {digest}, expected is {self.sha256}")


def find_folder(folders: Iterable[Path], files: Iterable[VerifiedFile]) -> Path | None:
    """Return the first folder that holds every file (unread), or None."""
    required = tuple(files)
    return next((folder for folder in folders if all(file.find(folder) for file in required)), None)
