"""Small-ImageNet built from a folder of ImageNet photographs.

The folder has one sub-folder for each category, named by its WordNet id (``n01440764``), as ImageNet's archives unpack.
Glorot & Bengio (2010), section 2.3, have 90,000 training, 10,000 validation and 10,000 test pictures: as many are
taken, a tenth of them of each class, or what there is.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glorotlab.archives import read_arrays
from glorotlab.arrays import Progress
from glorotlab.data.files import cache_folder
from glorotlab.data.imagenet_classes import CLASS_NAMES, CLASS_OF
from glorotlab.data.pictures import ENDINGS, read_grey_square
from glorotlab.data.small_imagenet import FILE, PIXELS, SIDE, SPLITS
from glorotlab.errors import DataError, RunError, reason
from glorotlab.files import make_folder, read_file, write_arrays
from glorotlab.streams import Purpose, generator

PARTS = "parts"
"""Folder beside the result with the finished parts of an interrupted build."""

LARGEST_PART = 2**26
"""Largest array of a part in bytes, which is that of its file names."""

PART_SIZE = 500
"""Number of pictures in a part."""

Images = NDArray[np.uint8]


@dataclass
class BuildReport:
    """The result of a build of Small-ImageNet.

    Parameters
    ----------
    path : Path
        File of the dataset.
    counts : dict of str to int
        Pictures of each class that it holds.
    sizes : dict of str to int
        Pictures of each split.
    unreadable, duplicates : list of str
        Paths, relative to the photographs' folder, of files that are no picture, and of those whose picture is there
        already under another name. Both are left out.
    """

    path: Path
    counts: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)


def build_small_imagenet(
    photographs: Path, folder: Path | None = None, progress: Progress | None = None
) -> BuildReport:
    """Build Small-ImageNet from a folder of ImageNet photographs.

    The names of the files alone decide which pictures are taken and where they go, save that a picture that is there
    twice is taken once. A build that was interrupted continues where it stopped.

    Parameters
    ----------
    photographs : Path
        Folder with one sub-folder for each category, named by its WordNet id.
    folder : Path, optional
        Folder of the result; by default the user's cache.
    progress : callable, optional
        Called with (pictures read, pictures in all).

    Returns
    -------
    BuildReport

    Raises
    ------
    DataError
        Where the folder has no category of the ten classes, a class has no picture, or all classes have so few that no
        tenth is left to test on. Nothing is then written.
    RunError
        Where the result cannot be written.
    """
    chosen = _chosen(photographs)
    folder = cache_folder("small-imagenet") if folder is None else folder
    make_folder(folder / PARTS)
    report = BuildReport(folder / FILE)
    classes = _read_classes(photographs, chosen, folder / PARTS, progress or (lambda done, total: None), report)
    try:
        arrays = _split(photographs, classes)
    except DataError:
        shutil.rmtree(folder / PARTS)
        raise
    write_arrays(report.path, arrays)
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    report.counts = {name: len(images) for name, images in zip(CLASS_NAMES, classes, strict=True)}
    report.sizes = {split: len(arrays[f"y_{split}"]) for split in SPLITS}
    return report


def _chosen(photographs: Path) -> list[list[str]]:
    """Return the paths of each class's pictures in the order of use, a permutation that is fixed for the class."""
    chosen = []
    try:
        for label in range(len(CLASS_NAMES)):
            names = [
                f"{category}/{path.name}"
                for category in sorted(wordnet_id for wordnet_id, own in CLASS_OF.items() if own == label)
                if (photographs / category).is_dir()
                for path in sorted((photographs / category).iterdir())
                if path.suffix.lower() in ENDINGS
            ]
            order = generator(0, Purpose.SPLIT, label).permutation(len(names))
            chosen.append([names[place] for place in order[: sum(SPLITS.values()) // len(CLASS_NAMES)]])
    except OSError as error:
        raise DataError(f"{error.filename}: {reason(error)}") from None
    if not any(chosen):
        raise DataError(
            f"{photographs}: no sub-folder with pictures is named by a WordNet id of the ten classes, such as n01440764"
        )
    return chosen


def _read_classes(
    photographs: Path, chosen: list[list[str]], parts: Path, progress: Progress, report: BuildReport
) -> list[Images]:
    """Return the pictures of each class, without duplicates."""
    done, total, known = 0, sum(map(len, chosen)), set[bytes]()
    classes = []
    for label, names in enumerate(chosen):
        kept: list[Images] = []
        for start in range(0, len(names), PART_SIZE):
            some = names[start : start + PART_SIZE]
            images, readable = _part(photographs, some, parts / f"{label}-{start}.npz", progress, done, total)
            done += len(some)
            report.unreadable += [name for name, is_picture in zip(some, readable, strict=True) if not is_picture]
            for name, image in zip(np.array(some)[readable], images, strict=True):
                if image.tobytes() in known:
                    report.duplicates.append(str(name))
                else:
                    known.add(image.tobytes())
                    kept.append(image)
        classes.append(np.array(kept, np.uint8).reshape(len(kept), PIXELS))
    return classes


def _part(
    photographs: Path, names: Sequence[str], path: Path, progress: Progress, done: int, total: int
) -> tuple[Images, NDArray[np.bool_]]:
    """Return the pictures of some files and which files are pictures, if possible from an earlier build."""
    key = np.array([str(photographs.absolute()), *(f"{name} {_size(photographs / name)}" for name in names)])
    if path.is_file():
        try:
            arrays = read_file(path, partial(read_arrays, largest=LARGEST_PART))
            if np.array_equal(arrays["key"], key):
                progress(done + len(names), total)
                return arrays["images"], arrays["readable"]
        except (RunError, KeyError):  # a damaged part is made again
            pass
    images, readable = [], np.zeros(len(names), bool)
    for place, name in enumerate(names):
        image = read_grey_square(photographs / name, SIDE)
        readable[place] = image is not None
        images += [image] if image is not None else []
        progress(done + place + 1, total)
    pictures = np.array(images, np.uint8).reshape(len(images), PIXELS)
    write_arrays(path, {"key": key, "images": pictures, "readable": readable})
    return pictures, readable


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _split(photographs: Path, classes: list[Images]) -> dict[str, Images]:
    """Return the arrays of the file: each class in the paper's shares, and the classes shuffled."""
    for name, images in zip(CLASS_NAMES, classes, strict=True):
        if not len(images):
            raise DataError(f"{photographs}: no picture of {name}: allowed are 1 or more of each class")
    held_out = [round(len(images) * SPLITS["test"] / sum(SPLITS.values())) for images in classes]
    if not any(held_out):
        raise DataError(
            f"{photographs}: {max(map(len, classes))} pictures of a class at most: allowed are classes of 6 or more, "
            "of which one is left to test on"
        )
    parts = [
        np.split(images, [len(images) - 2 * size, len(images) - size])
        for images, size in zip(classes, held_out, strict=True)
    ]
    arrays: dict[str, Images] = {}
    for index, split in enumerate(SPLITS):
        x = np.concatenate([part[index] for part in parts])
        y = np.repeat(np.arange(len(CLASS_NAMES), dtype=np.uint8), [len(part[index]) for part in parts])
        order = generator(0, Purpose.SPLIT, len(CLASS_NAMES) + index).permutation(len(x))
        arrays |= {f"x_{split}": x[order], f"y_{split}": y[order]}
    return arrays
