"""Fetch data files from public mirrors; a file appears under its name only whole and verified."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from glorotlab.data import cifar10, mnist
from glorotlab.data.archive import extract
from glorotlab.data.download import Download
from glorotlab.data.files import VerifiedFile, cache_folder, find_folder, search_folders
from glorotlab.errors import DataError, FetchError, RunError, reason
from glorotlab.files import make_folder, write_whole

if TYPE_CHECKING:
    from rich.progress import Progress

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
"""Public mirrors of MNIST, in the order in which they are tried."""

CIFAR10_MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
"""Address of CIFAR-10's author."""


def fetch_mnist(
    folder: Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
    progress: bool = True,
    files: tuple[VerifiedFile, ...] = mnist.MNIST_FILES,
) -> Path:
    """Fetch the missing files of MNIST and return the folder that holds them all.

    A file that is there and verified is kept and not fetched again. Any other is fetched from the first
    mirror that delivers the right content.

    Parameters
    ----------
    folder : Path, optional
        Folder of the files. By default the one of ``$GLOROTLAB_DATA`` where they are there, else the user's cache.
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
        Where no mirror delivers a file (each one's reason is given), the folder cannot be written, or a damaged file
        stands in ``$GLOROTLAB_DATA``, where it would be loaded.
    """
    there = _already_there(search_folders("mnist"), files) if folder is None else None
    if there is not None:
        return there
    folder = cache_folder("mnist") if folder is None else Path(folder)
    with _writing_to(folder), _progress_bars(progress) as bars:
        for file in files:
            if not _is_verified(file, folder):
                _fetch_file(file, folder, mirrors, bars)
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
        Folder of the files. By default the one of ``$GLOROTLAB_DATA`` where they are there, else the user's cache.
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
        Where no mirror delivers the archive (each one's reason is given), the folder cannot be written, or a file that
        is not the published one stands in ``$GLOROTLAB_DATA``, where it would be loaded.
    """
    there = _already_there(cifar10.search_places(), files) if folder is None else None
    if there is not None:
        return there
    folder = cache_folder("cifar10") if folder is None else Path(folder)
    if find_folder([folder], files) and all(_is_verified(file, folder) for file in files):
        return folder

    def unpack(download: IO[bytes], name: str) -> None:
        archive.check_raw(download, name)
        extract(download, name, cifar10.FOLDER, files, folder)

    with _writing_to(folder), _progress_bars(progress) as bars, tempfile.TemporaryFile(dir=folder) as download:
        _fetch(archive.name, archive.size, download, mirrors, bars, unpack)
    return folder


def _already_there(folders: Sequence[Path], files: Sequence[VerifiedFile]) -> Path | None:
    """Return the first folder that has all files, from which they are loaded, once they are verified.

    None where there is none, and where what is damaged can be fetched again: in the user's cache.
    """
    folder = find_folder(folders, files)
    if folder is None:
        return None
    for file in files:
        try:
            file.read_from(folder)
        except DataError as error:
            if folder.is_relative_to(cache_folder("")):
                return None
            raise DataError(
                f"{error}; this folder is searched first: repair the file, or unset GLOROTLAB_DATA"
            ) from None
    return folder


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    """Make a folder; DataError where it, or what the block writes to it, cannot be written."""
    try:
        make_folder(folder)
        yield
    except RunError as error:
        raise DataError(f"cannot write to {folder}: {error}") from error
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {reason(error)}") from error


def _is_verified(file: VerifiedFile, folder: Path) -> bool:
    try:
        file.read_from(folder)
    except DataError:
        return False
    return True


def _fetch_file(file: VerifiedFile, folder: Path, mirrors: Sequence[str], bars: "Progress") -> None:
    """Fetch a file as ``NAME.gz``, a name that it gets once its content is verified."""
    name = f"{file.name}.gz"

    def fetch(output: IO[bytes]) -> None:
        _fetch(name, file.largest_compressed, output, mirrors, bars, file.read_open)

    write_whole(folder / name, fetch)


def _fetch(
    name: str,
    largest: int,
    output: IO[bytes],
    mirrors: Sequence[str],
    bars: "Progress",
    accept: Callable[[IO[bytes], str], object],
) -> None:
    """Download a file from the first mirror whose content ``accept`` takes; else FetchError gives each one's reason."""
    reasons = []
    for mirror in mirrors:
        output.seek(0)
        output.truncate()
        try:
            Download(f"{mirror}{name}", largest, _ProgressBar(bars, name)).to(output)
            output.seek(0)
            accept(output, name)
        except DataError as error:
            reasons.append(f"{mirror}: {str(error).removeprefix(f'{name}: ')}")
        else:
            return
    raise FetchError(f"{name} could not be fetched from any mirror: {'; '.join(reasons)}")


@contextmanager
def _progress_bars(progress: bool) -> Iterator["Progress"]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (progress and console.is_terminal)) as bars:
        yield bars


class _ProgressBar:
    """One download's bar."""

    def __init__(self, bars: "Progress", description: str) -> None:
        self._bars = bars
        self._task = bars.add_task(description, total=None)

    def begin(self, size: int | None) -> None:
        """Say how many bytes there will be; None where the server does not tell."""
        self._bars.update(self._task, total=size)

    def update(self, size: int) -> None:
        """Add bytes."""
        self._bars.advance(self._task, size)
