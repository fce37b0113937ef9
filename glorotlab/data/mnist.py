"""MNIST: 28x28 handwritten digits (LeCun, Bottou, Bengio & Haffner 1998), verified and split."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glorotlab.data.dataset import Dataset
from glorotlab.data.files import VerifiedFile, find_folder, search_folders
from glorotlab.data.idx import parse_idx
from glorotlab.data.source import ArraySource
from glorotlab.errors import DataError

CLASSES = 10

VALIDATION = 10_000
"""Number of validation images, the last of the training file (Glorot & Bengio 2010, section 2; Nielsen's split)."""

MNIST_FILES = (
    VerifiedFile(
        "train-images-idx3-ubyte",
        16 + 60_000 * 784,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    VerifiedFile(
        "train-labels-idx1-ubyte",
        8 + 60_000,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    VerifiedFile(
        "t10k-images-idx3-ubyte",
        16 + 10_000 * 784,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    VerifiedFile(
        "t10k-labels-idx1-ubyte",
        8 + 10_000,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
"""Files of MNIST, in the order training images, training labels, test images, test labels."""


def find_mnist(files: tuple[VerifiedFile, ...] = MNIST_FILES) -> Path | None:
    """Return the folder that holds the four files, ``$GLOROTLAB_DATA/mnist`` before the cache, or None."""
    return find_folder(search_folders("mnist"), files)


def load_mnist(
    folder: Path | None = None,
    files: tuple[VerifiedFile, ...] = MNIST_FILES,
    validation: int = VALIDATION,
) -> Dataset:
    """Load MNIST: 50,000 training, 10,000 validation and 10,000 test examples.

    Parameters
    ----------
    folder : Path, optional
        Folder of the files; by default the first of ``$GLOROTLAB_DATA/mnist`` and the user's cache.
    files : tuple of VerifiedFile
        Names and sums of training images, training labels, test images and test labels.
    validation : int
        Number of the last training images that validate.

    Returns
    -------
    Dataset
        Inputs are pixels / 255, float32 in [0, 1], shape (n, 784).

    Raises
    ------
    DataError
        Where files are missing, or one differs from its SHA-256.
    """
    folders = search_folders("mnist") if folder is None else [folder]
    holding = find_folder(folders, files)
    if holding is None:
        places = " or ".join(str(place) for place in folders)
        raise DataError(
            f"MNIST is not in {places}: run 'glorotlab data fetch mnist', or set GLOROTLAB_DATA to a folder "
            f"whose sub-folder mnist holds {', '.join(file.name for file in files)} (or .gz)"
        )
    images, labels, test_images, test_labels = (_read(file, holding) for file in files)
    train = len(images) - validation
    return Dataset(
        "mnist",
        train=_source(images[:train], labels[:train]),
        validation=_source(images[train:], labels[train:]),
        test=_source(test_images, test_labels),
        published=True,
    )


def _read(file: VerifiedFile, folder: Path) -> NDArray[Any]:
    path = file.find(folder)
    if path is None:  # it has been removed since the folder was found
        raise DataError(f"{folder / file.name}: no such file")
    return parse_idx(io.BytesIO(file.read(path)), str(path))


def _source(images: NDArray[Any], labels: NDArray[Any]) -> ArraySource:
    pixels = np.divide(images, np.float32(255), dtype=np.float32)
    return ArraySource(pixels, labels, CLASSES)
