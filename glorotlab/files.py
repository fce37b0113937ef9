"""Files: read within bounds where they are regular, and written whole, beside their place and then renamed into it.

A name in a folder may be a link to something else, a named pipe that never answers, or a device. So a file of ours is
opened without following a link and without waiting, is looked at once it is open, and is read up to a bound.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, TypeVar

from glorotlab.errors import DataError, InvalidValueError, RunError, reason

if TYPE_CHECKING:
    import numpy.typing as npt

Content = TypeVar("Content")
Place = str | os.PathLike[str]

CHUNK = 1 << 20
"""Number of bytes read at a time."""

LARGEST_TEXT = 2**20
"""Largest text file that a person may have written, in bytes."""

KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""Names of the kinds of files other than regular files and folders."""


def user_path(path: Place) -> Path:
    """Return a path as the user means it, ``~`` being the home folder.

    Raises
    ------
    InvalidValueError
        Where it is no path.
    RunError
        Where there is no home folder.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidValueError(f"path of type {type(path).__name__}: allowed is a text or a pathlib.Path")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise RunError(f"folder {str(path)!r}: {error}") from None


# reading


def check_regular(path: Place, *, links: bool = False) -> None:
    """Raise OSError, with the kind of file, if a path does not lead to a regular file.

    Parameters
    ----------
    path : path-like
    links : bool
        Whether a symbolic link to a regular file is one.
    """
    try:
        status = os.stat(path, follow_symlinks=links)
    except ValueError as error:  # a null byte, or half a character
        raise OSError(errno.EINVAL, f"no path: {error}", repr(path)) from None
    _check_kind(status, path)


def open_regular(path: Place, flags: int = os.O_RDONLY, *, links: bool = False) -> int:
    """Open a regular file, never waiting for it, and return its descriptor.

    Parameters
    ----------
    path : path-like
    flags : int
        As of ``os.open``; a file that is made has the rights that the user's umask leaves.
    links : bool
        Whether to follow a symbolic link.

    Returns
    -------
    int

    Raises
    ------
    OSError
        Where it cannot be opened, or is a link, named pipe, socket, device or folder.
    """
    with suppress(FileNotFoundError):  # a device is not even opened
        check_regular(path, links=links)
    follow = 0 if links else os.O_NOFOLLOW
    descriptor = os.open(path, flags | follow | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    try:
        _check_kind(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_kind(status: os.stat_result, path: Place) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise OSError(errno.EINVAL, f"{kind}: allowed is a regular file", str(path))


def read_bytes(path: Place, limit: int, *, links: bool = False) -> bytes:
    """Return the content of a regular file.

    Parameters
    ----------
    path : path-like
    limit : int
        Bytes that are allowed.
    links : bool
        Whether to follow a symbolic link.

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        Where it cannot be read, is no regular file, or is larger.
    """
    with os.fdopen(open_regular(path, links=links), "rb") as file:
        return _read_at_most(file, limit, path)


def read_text(path: Place) -> str:
    """Return a text in UTF-8 that a person wrote, at most ``LARGEST_TEXT`` bytes; links are followed.

    Raises
    ------
    DataError
        Where it is no regular file, or larger, or no UTF-8.
    OSError
        Where it cannot be read.
    """
    try:
        return read_bytes(path, LARGEST_TEXT, links=True).decode()
    except UnicodeDecodeError:
        raise DataError(f"{os.fspath(path)}: not a text file in UTF-8") from None
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EFBIG):
            raise DataError(f"{os.fspath(path)}: {error.strerror}") from None
        raise


def _read_at_most(file: BinaryIO, limit: int, path: Place) -> bytes:
    size = os.fstat(file.fileno()).st_size
    content = bytearray()  # which follows what is there: read(limit) would take the memory of the limit at once
    while size <= limit and (chunk := file.read(min(CHUNK, limit + 1 - len(content)))):
        content += chunk
    if max(size, len(content)) > limit:  # a file may grow while it is read
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes, the largest size allowed", str(path))
    return bytes(content)


def read_file(path: Path, parse: Callable[[BinaryIO], Content]) -> Content:
    """Return ``parse`` of an open regular file; RunError if it is missing or damaged."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return parse(file)
    except Exception as error:  # damage shows in zipfile, zlib, NumPy, SciPy or xarray, in many ways
        raise RunError(f"cannot read {str(path)!r}: {reason(error)}") from None


def read_whole(path: Path, parse: Callable[[bytes], Content], limit: int) -> Content:
    """Return ``parse`` of a regular file of at most ``limit`` bytes; RunError as in ``read_file``."""
    return read_file(path, lambda file: parse(_read_at_most(file, limit, path)))


# writing


def make_folder(folder: Path) -> None:
    """Make a folder and those around it, their names on disk, and see that it can be written; RunError where not."""
    try:
        made = [place for place in (folder, *folder.absolute().parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for place in made or [folder]:  # of a folder that is there, an earlier call may have been killed before this
            _sync(place.absolute().parent)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise RunError(f"output folder {str(folder)!r} cannot be written: {reason(error)}") from None


def check_place(path: Path) -> None:
    """See that a file can be written there, whose folder is made; RunError where it cannot, or is no regular file."""
    try:
        with suppress(FileNotFoundError):
            check_regular(path, links=True)
    except OSError as error:
        raise RunError(f"cannot write {str(path)!r}: {reason(error)}") from None
    make_folder(path.parent)


def write_whole(path: Path, content: bytes | str | Callable[[IO[bytes]], object], *, sync: bool = True) -> None:
    """Write a file so that no reader ever sees a part of it; RunError where the disk refuses.

    Parameters
    ----------
    path : Path
        Its rights are those that the user's umask leaves. A link that is there is replaced, not followed.
    content : bytes, str or callable
        A function writes it into the open file that it is given.
    sync : bool
        Whether to bring the file's name to disk too, so that it outlasts a power failure.
    """
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    made = False
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        made = True
        with os.fdopen(descriptor, "w+b") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        made = False
        if sync:
            _sync(path.parent)
    except BaseException as error:
        if made:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunError(f"cannot write {str(path)!r}: {reason(error)}") from None
        raise


def is_temporary(name: str, of: Iterable[str]) -> bool:
    """Return whether a file is the unfinished result of ``write_whole`` to one of the files ``of``."""
    return any(name.startswith(f".{file}.") for file in of)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk, so that a rename outlasts a power failure; RunError where the disk fails."""
    try:
        _sync(folder)
    except OSError as error:
        raise RunError(f"cannot write {str(folder)!r}: {reason(error)}") from None


def _sync(folder: Path) -> None:
    """Flush a folder, where the system can: not all network file systems, nor a folder that may not be listed."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], *, sync: bool = True) -> None:
    """Write an ``.npz`` of plain arrays, which ``archives`` reads; ``sync`` as of ``write_whole``."""
    import numpy as np

    write_whole(path, lambda file: np.savez(file, allow_pickle=False, **dict(arrays)), sync=sync)
