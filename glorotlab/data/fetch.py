"""Fetch data files from public mirrors; a file appears under its name only whole and verified."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from glorotlab.data import cifar10
from glorotlab.data.archive import extract
from glorotlab.data.files import VerifiedFile, cache_folder, find_folder
from glorotlab.data.mnist import MNIST_FILES
from glorotlab.errors import DataError, FetchError

if TYPE_CHECKING:
    from rich.progress import Progress

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
"""Public mirrors of MNIST, in the order in which they are tried."""

CIFAR10_MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
"""Address of CIFAR-10's author."""

TIMEOUT = (10.0, 30.0)
"""Seconds to connect, and between two pieces of the answer."""

CHUNK = 1 << 16
"""Bytes that are read at a time."""


def fetch_mnist(
    folder: Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
    progress: bool = True,
    files: tuple[VerifiedFile, ...] = MNIST_FILES,
) -> Path:
    """Fetch the missing files of MNIST and return the folder that holds them all.

    A file that is there and verified is kept and not fetched again. Any other is fetched from the first
    mirror that delivers the right content.

    Parameters
    ----------
    folder : Path, optional
        Folder of the files; by default the user's cache.
    mirrors : sequence of str
        Addresses that, followed by ``<name>.gz``, give a file; they are tried in order for each file.
    progress : bool
        Whether to show a bar on standard error (where that is a terminal).
    files : tuple of VerifiedFile
        The files to fetch.

    Returns
    -------
    Path

    Raises
    ------
    FetchError, DataError
        Where no mirror delivers a file (each one's reason is given), or the folder cannot be written.
    """
    folder = cache_folder("mnist") if folder is None else Path(folder)
    with _writing_to(folder), _progress_bars(progress) as bars:
        for file in files:
            if not _is_verified(file, folder):
                _fetch(f"{file.name}.gz", folder, mirrors, bars, partial(_keep, file, folder / f"{file.name}.gz"))
    return folder


def fetch_cifar10(
    folder: Path | None = None,
    mirrors: Sequence[str] = CIFAR10_MIRRORS,
    progress: bool = True,
    archive: VerifiedFile = cifar10.ARCHIVE,
    files: tuple[VerifiedFile, ...] = cifar10.FILES,
) -> Path:
    """Fetch CIFAR-10's archive, unless its files are there, and return the folder that holds them all.

    The archive is read only if its SHA-256 is the published one, and removed when its files, each with its own sum,
    are there.

    Parameters
    ----------
    folder : Path, optional
        Folder of the files; by default the user's cache.
    mirrors : sequence of str
        Addresses that, followed by the archive's name, give it; they are tried in order.
    progress : bool
        Whether to show a bar on standard error (where that is a terminal).
    archive : VerifiedFile
        Name of the archive, and the size and sum of its compressed bytes.
    files : tuple of VerifiedFile
        The files to take out of it.

    Returns
    -------
    Path

    Raises
    ------
    FetchError, DataError
        Where no mirror delivers the archive (each one's reason is given), or the folder cannot be written.
    RunError
        Where the files cannot be written.
    """
    folder = cache_folder("cifar10") if folder is None else Path(folder)
    if find_folder([folder], files) and all(_is_verified(file, folder) for file in files):
        return folder

    def unpack(path: Path) -> None:
        archive.check_raw(path)
        extract(path, cifar10.FOLDER, files, folder)

    with _writing_to(folder), _progress_bars(progress) as bars:
        _fetch(archive.name, folder, mirrors, bars, unpack)
    return folder


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    """Make a folder; DataError where it, or what the block writes to it, cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror or error}") from error


def _is_verified(file: VerifiedFile, folder: Path) -> bool:
    path = file.find(folder)
    if path is None:
        return False
    try:
        file.read(path)
    except DataError:
        return False
    return True


def _keep(file: VerifiedFile, path: Path, temporary: Path) -> None:
    """Rename a download into its place if it is the right one, else DataError."""
    file.read(temporary)
    os.replace(temporary, path)


def _fetch(name: str, folder: Path, mirrors: Sequence[str], bars: "Progress", accept: Callable[[Path], object]) -> None:
    """Download a file from the first mirror whose content ``accept`` takes; else DataError gives each one's reason."""
    temporary = folder / f".{name}.{os.getpid()}.part"
    reasons = []
    for mirror in mirrors:
        try:
            _download(f"{mirror}{name}", temporary, bars)
            accept(temporary)
        except DataError as error:
            reasons.append(f"{mirror}: {str(error).removeprefix(f'{temporary}: ')}")
        else:
            return
        finally:
            temporary.unlink(missing_ok=True)
    raise FetchError(f"{name} could not be fetched from any mirror: {'; '.join(reasons)}")


def _download(url: str, path: Path, bars: "Progress") -> None:
    """Download ``url`` to ``path`` and flush it to the disk."""
    from pooch import HTTPDownloader  # imports requests: only a download pays for it

    downloader = HTTPDownloader(
        progressbar=_ProgressBar(bars, url.rpartition("/")[2]), chunk_size=CHUNK, timeout=TIMEOUT
    )
    with open(path, "wb") as output:
        try:
            downloader(url, output, None)
        except OSError as error:  # errors of requests are OSErrors, and so is a full disk
            raise DataError(_reason(error)) from error
        output.flush()
        os.fsync(output.fileno())


def _reason(error: BaseException) -> str:
    """Return the root cause in one line: requests wraps "connection refused" in three layers of its own."""
    while inner := [e for e in (getattr(error, "reason", None), *error.args) if isinstance(e, BaseException)]:
        error = inner[0]
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _progress_bars(progress: bool) -> Iterator["Progress"]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (progress and console.is_terminal)) as bars:
        yield bars


class _ProgressBar:
    """One download's bar, with the methods that pooch calls."""

    def __init__(self, bars: "Progress", description: str) -> None:
        self._bars = bars
        self._task = bars.add_task(description, total=None)

    @property
    def total(self) -> float | None:
        return self._bars.tasks[self._task].total

    @total.setter
    def total(self, size: int) -> None:
        self._bars.update(self._task, total=size or None)  # 0 where the server does not tell

    def update(self, size: int) -> None:
        self._bars.advance(self._task, size)

    def reset(self) -> None:
        self._bars.update(self._task, completed=0)

    def close(self) -> None:
        self._bars.stop_task(self._task)
