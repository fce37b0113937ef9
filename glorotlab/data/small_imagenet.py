"""Small-ImageNet: 37x37 gray pictures of ten classes, in the file that `glorotlab.data.imagenet_build` makes."""

import os
from pathlib import Path

import numpy as np

from glorotlab.data.dataset import Dataset
from glorotlab.data.files import search_folders
from glorotlab.data.imagenet_classes import CLASS_NAMES
from glorotlab.data.npz import Pair, open_archive, read_npz
from glorotlab.data.source import ArraySource
from glorotlab.errors import DataError, InvalidValueError, reason
from glorotlab.files import open_regular

SIDE = 37
PIXELS = SIDE * SIDE

SPLITS = {"train": 90_000, "validation": 10_000, "test": 10_000}
"""Number of examples of each split in Glorot & Bengio (2010), section 2.3."""

FILE = "small-imagenet.npz"

COMMAND = "glorotlab data build small-imagenet --from DIR"


def find_small_imagenet() -> Path | None:
    """Return the built file, in ``$GLOROTLAB_DATA/small-imagenet`` before the cache, or None."""
    paths = (folder / FILE for folder in search_folders("small-imagenet"))
    return next((path for path in paths if path.is_file()), None)


def load_small_imagenet(path: Path | None = None) -> Dataset:
    """Load Small-ImageNet as it was built.

    Parameters
    ----------
    path : Path, optional
        The file; by default the first of those in ``$GLOROTLAB_DATA/small-imagenet`` and the user's cache.

    Returns
    -------
    Dataset
        Inputs are gray levels / 255, float32 in [0, 1], shape (n, 1369). A RunSpec names the data by their digest,
        since folders of photographs differ.

    Raises
    ------
    DataError
        Where there is no such file, or it is damaged.
    """
    path = find_small_imagenet() if path is None else path
    if path is None:
        raise DataError(
            f"Small-ImageNet is not built: run '{COMMAND}' with a folder of ImageNet photographs, "
            "one sub-folder for each WordNet id"
        )
    pairs = read_npz(str(path))
    if pairs.keys() != SPLITS.keys():
        raise DataError(f"{path}: a split is missing: allowed are files made by '{COMMAND}'")
    train, validation, test = (_source(pairs[split], f"{path}: {split}") for split in SPLITS)
    return Dataset("small-imagenet", train, validation, test)


def count_small_imagenet(path: Path) -> dict[str, int]:
    """Return the number of pictures of each split of a built file, whose pictures are not read.

    Raises
    ------
    DataError
        Where the file is damaged.
    """
    try:
        with os.fdopen(open_regular(path, links=True), "rb") as file, open_archive(file, str(path)) as archive:
            return {split: archive.form(f"y_{split}").shape[0] for split in SPLITS}
    except (DataError, InvalidValueError, OSError, IndexError) as error:
        raise DataError(f"{path}: not a file made by '{COMMAND}': {reason(error)}") from None


def _source(pair: Pair, what: str) -> ArraySource:
    images, labels = pair
    if images.dtype != np.uint8 or images.shape[1:] != (PIXELS,):
        raise DataError(
            f"{what}: pictures of dtype {images.dtype} and shape {images.shape}: allowed is uint8, (n, {PIXELS})"
        )
    try:
        return ArraySource(np.divide(images, np.float32(255), dtype=np.float32), labels, len(CLASS_NAMES))
    except InvalidValueError as error:
        raise DataError(f"{what}: {error}") from error
