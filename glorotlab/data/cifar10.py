"""CIFAR-10: 32x32 color photographs of ten classes (Krizhevsky 2009), from the binary batches its author publishes.

A batch file is a row of records: one byte of label, then 1,024 bytes each of red, green and blue, row by row.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glorotlab.arrays import Labels
from glorotlab.data.dataset import Dataset
from glorotlab.data.files import VerifiedFile, find_folder, open_decompressed, search_folders
from glorotlab.data.source import ArraySource
from glorotlab.errors import DataError

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CHANNELS, SIDE = 3, 32
PIXELS = CHANNELS * SIDE * SIDE
RECORD = 1 + PIXELS
"""Size of one record in bytes."""

VALIDATION = 10_000
"""Number of validation images, the fifth batch file (Glorot & Bengio 2010, section 2, say how
many, not which; the author shuffled the images over the files)."""

ARCHIVE = VerifiedFile(
    "cifar-10-binary.tar.gz", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
)
"""Published archive; its size and sum are of the compressed bytes, unlike those of the other files."""

FOLDER = "cifar-10-batches-bin"
"""Folder in the archive."""

BATCH_BYTES = 10_000 * RECORD

TRAINING_FILES = (
    VerifiedFile("data_batch_1.bin", BATCH_BYTES, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
    VerifiedFile("data_batch_2.bin", BATCH_BYTES, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
    VerifiedFile("data_batch_3.bin", BATCH_BYTES, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
    VerifiedFile("data_batch_4.bin", BATCH_BYTES, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
    VerifiedFile("data_batch_5.bin", BATCH_BYTES, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
)
TEST_FILE = VerifiedFile(
    "test_batch.bin", BATCH_BYTES, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"
)
FILES = (*TRAINING_FILES, TEST_FILE)


def find_cifar10(files: tuple[VerifiedFile, ...] = FILES) -> Path | None:
    """Return the folder that holds the six batch files, ``$GLOROTLAB_DATA/cifar10`` before the cache, or None."""
    return find_folder(search_places(), files)


def load_cifar10(
    folder: Path | None = None,
    files: tuple[VerifiedFile, ...] = FILES,
    validation: int = VALIDATION,
) -> Dataset:
    """Load CIFAR-10: 40,000 training, 10,000 validation and 10,000 test examples.

    Files of the right layout whose bytes are not the published ones, such as a copy that went through JPEG, are taken
    too: ``Dataset.published`` is then False, and a RunSpec names the data by their digest.

    Parameters
    ----------
    folder : Path, optional
        Folder of the batch files; by default the first of ``cifar10`` and ``cifar10/cifar-10-batches-bin``, in
        ``$GLOROTLAB_DATA`` and then in the user's cache.
    files : tuple of VerifiedFile
        Names, lengths and sums of the training files in their order, and last of the test file.
    validation : int
        Number of the last training images that validate.

    Returns
    -------
    Dataset
        Inputs are pixels / 255, float32 in [0, 1], shape (n, 3072): all of red, then green, then blue, row by row.

    Raises
    ------
    DataError
        Where files are missing, of another length, or hold a label beyond the ten classes.
    """
    folders = search_places() if folder is None else [folder]
    holding = find_folder(folders, files)
    if holding is None:
        raise DataError(
            f"CIFAR-10 is not in {' or '.join(str(place) for place in folders)}: run 'glorotlab data fetch cifar10', "
            f"or set GLOROTLAB_DATA to a folder whose sub-folder cifar10 holds {', '.join(file.name for file in files)}"
        )
    batches, published = [], True
    for file in files:
        path, content = _read(file, holding)
        batches.append(parse_batch(content, str(path), file.size // RECORD))
        published = published and file.matches(content)
    images, labels = (np.concatenate(parts) for parts in zip(*batches[:-1], strict=True))
    train = len(images) - validation
    return Dataset(
        "cifar10",
        train=_source(images[:train], labels[:train]),
        validation=_source(images[train:], labels[train:]),
        test=_source(*batches[-1]),
        published=published,
    )


def parse_batch(content: bytes, name: str, records: int) -> tuple[NDArray[np.uint8], Labels]:
    """Return the images, of shape (records, 3072), and the labels, of shape (records,), of a batch file.

    Parameters
    ----------
    content : bytes
    name : str
        Name of the file in messages.
    records : int
        Number of images that the file has.

    Raises
    ------
    DataError
        Where the file has another length, or a label is beyond the ten classes.
    """
    if len(content) != records * RECORD:
        length = f"{len(content)}" if len(content) < records * RECORD else f"more than {records * RECORD}"
        raise DataError(
            f"{name}: {length} bytes: allowed are {records * RECORD}, which is {records} records of {RECORD} bytes"
        )
    table = np.frombuffer(content, np.uint8).reshape(records, RECORD)
    labels = table[:, 0].astype(np.int64)
    wrong = np.flatnonzero(labels >= len(CLASS_NAMES))
    if wrong.size:
        raise DataError(
            f"{name}: label {labels[wrong[0]]} of record {wrong[0]}: allowed are 0 to {len(CLASS_NAMES) - 1}"
        )
    return table[:, 1:], labels


def search_places() -> list[Path]:
    """Return the folders that CIFAR-10 is looked for in, in their order."""
    return [place for folder in search_folders("cifar10") for place in (folder, folder / FOLDER)]


def _read(file: VerifiedFile, folder: Path) -> tuple[Path, bytes]:
    path = file.find(folder)
    if path is None:  # it has been removed since the folder was found
        raise DataError(f"{folder / file.name}: no such file")
    with open_decompressed(path) as stream:
        return path, stream.read(file.size + 1)  # one more byte shows a longer file without reading all of it


def _source(images: NDArray[np.uint8], labels: Labels) -> ArraySource:
    return ArraySource(np.divide(images, np.float32(255), dtype=np.float32), labels, len(CLASS_NAMES))
