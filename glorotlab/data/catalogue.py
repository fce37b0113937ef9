"""The built-in datasets, by name."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from glorotlab.data import cifar10, imagenet_classes
from glorotlab.data.cifar10 import find_cifar10, load_cifar10
from glorotlab.data.dataset import Dataset
from glorotlab.data.mnist import find_mnist, load_mnist
from glorotlab.data.names import dataset_names, is_stored
from glorotlab.data.pickles import refuse_pickle
from glorotlab.data.small_imagenet import (
    COMMAND,
    PIXELS,
    SPLITS,
    count_small_imagenet,
    find_small_imagenet,
    load_small_imagenet,
)
from glorotlab.errors import InvalidValueError, UnknownNameError
from glorotlab.spec.generated_data import canonical_name, split_sizes
from glorotlab.streams import Purpose

Sizes = Mapping[str, float]
"""Number of examples of each split."""


@dataclass(frozen=True)
class DatasetRecord:
    """Description of a dataset, made without loading it (an ``.npz`` file is loaded).

    Parameters
    ----------
    name, description : str
    fan_in, classes : int
        Numbers of inputs and of classes; 0 classes where examples have targets.
    train, validation, test : int or float
        Numbers of examples; ``math.inf`` for an endless stream.
    path : Path or None
        Folder or file of the dataset; None where it is generated or not fetched.
    available : bool
        Whether `load_dataset` can load it here.
    published : bool
        Whether every dataset of this name that can be loaded is the same; a RunSpec names others by their digest too.
    command : str
        Command that makes it available; empty where there is none.
    class_names : tuple of str
        Names of the classes; empty where they have none.
    targets : int
        How many numbers an example gives the outputs to reach; 0 where it has a class.
    """

    name: str
    description: str
    fan_in: int
    classes: int
    train: int | float
    validation: int | float
    test: int | float
    path: Path | None
    available: bool
    published: bool
    command: str = ""
    class_names: tuple[str, ...] = ()
    targets: int = 0


Files = tuple[Path | None, tuple[tuple[str, int, int], ...]]
"""Folder of a dataset and its files: name, size in bytes and modification time in nanoseconds."""


def load_dataset(name: str | os.PathLike[str], seed: int = 0, *, keep: bool = False) -> Dataset:
    """Load a dataset by its name or from a file of arrays.

    Parameters
    ----------
    name : str or path-like
        ``shapeset``, ``mnist``, ``cifar10`` or ``small-imagenet``, of generated data with the numbers of examples in
        brackets where they are not the defaults (``shapeset(validation=1000, test=2000)``, and with ``train=1000`` a
        finite training set, the first of the stream), or a path ending in ``.npz`` (see `Dataset.from_npz`).
    seed : int
        Seed of generated examples, and of the split of an ``.npz`` file. Nothing else depends on it.
    keep : bool
        Whether a dataset that is stored in files stays in memory, in place of the one kept before, for the next call
        that says so: photographs take seconds to load.

    Returns
    -------
    Dataset

    Raises
    ------
    UnknownNameError
        Where there is no such dataset.
    InvalidValueError
        Where a number in brackets is not allowed.
    DataError
        Where its files are missing or damaged, or the path is that of a pickle.

    Examples
    --------
    >>> import glorotlab as gl
    >>> data = gl.load_dataset("shapeset(validation=1000, test=2000)", seed=1)
    >>> data.fan_in, data.classes, data.train.length, data.test.length
    (1024, 9, inf, 2000)
    >>> x, y = data.validation.batch(start=0, size=10)
    >>> x.shape
    (10, 1024)
    """
    name = _text(name)
    if name.endswith(".npz"):
        return Dataset.from_npz(name, seed=seed)
    if keep and is_stored(name):
        return _kept(name, files_of(name))
    return _built_in(name).load(seed)


@lru_cache(maxsize=1)
def _kept(name: str, files: Files) -> Dataset:
    """Load a stored dataset; its files as they are now are part of what is remembered."""
    return _STORED[name].load(0)


def files_of(name: str) -> Files:
    """Return where the files of a dataset lie, and their names, sizes and times of change.

    What is remembered of a dataset is remembered with these: files that are replaced are read again.
    """
    path = describe_dataset(name).path
    if path is None or not path.exists():
        return path, ()
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return path, tuple((file.name, (status := file.stat()).st_size, status.st_mtime_ns) for file in files)


def describe_dataset(name: str | os.PathLike[str]) -> DatasetRecord:
    """Return the record of a dataset.

    Parameters
    ----------
    name : str or path-like
        As in `load_dataset`.

    Returns
    -------
    DatasetRecord

    Raises
    ------
    UnknownNameError
        Where there is no such dataset.
    InvalidValueError
        Where a number in brackets is not allowed.
    DataError
        Where an ``.npz`` file is missing or damaged, or the path is that of a pickle.
    """
    name = _text(name)
    return _describe_npz(name) if name.endswith(".npz") else _built_in(name).describe()


def _text(name: str | os.PathLike[str]) -> str:
    if not isinstance(name, (str, os.PathLike)):
        raise InvalidValueError(f"dataset of type {type(name).__name__}: allowed is a name or a path ending in .npz")
    return os.fspath(name)


@dataclass(frozen=True)
class _BuiltIn:
    load: Callable[[int], Dataset]
    describe: Callable[[], DatasetRecord]


def _built_in(text: str) -> _BuiltIn:
    refuse_pickle(text)
    generated = split_sizes(text)
    if generated is not None:
        name, sizes = generated
        load, describe = _GENERATED[name]
        return _BuiltIn(partial(load, sizes), partial(describe, sizes))
    if text not in _STORED:
        raise UnknownNameError("dataset", text, [*dataset_names(), "a path ending in .npz"])
    return _STORED[text]


def _load_shapeset(sizes: Sizes, seed: int) -> Dataset:
    from glorotlab.data.shapeset import ShapesetSource

    return Dataset(
        canonical_name("shapeset", sizes),
        train=ShapesetSource(seed, length=sizes["train"]),
        validation=ShapesetSource(seed, Purpose.SHAPESET_VALIDATION, sizes["validation"]),
        test=ShapesetSource(seed, Purpose.SHAPESET_TEST, sizes["test"]),
        published=True,
    )


def _describe_shapeset(sizes: Sizes) -> DatasetRecord:
    from glorotlab.data.shapeset import CLASS_NAMES

    return DatasetRecord(
        name=canonical_name("shapeset", sizes),
        description="Shapeset-3x2: two gray shapes of three kinds, 32x32, generated (Glorot & Bengio 2010)",
        fan_in=1024,
        classes=9,
        train=sizes["train"],
        validation=sizes["validation"],
        test=sizes["test"],
        path=None,
        available=True,
        published=True,
        class_names=CLASS_NAMES,
    )


def _describe_mnist() -> DatasetRecord:
    path = find_mnist()
    return DatasetRecord(
        name="mnist",
        description="MNIST: handwritten digits, 28x28 (LeCun, Bottou, Bengio & Haffner 1998)",
        fan_in=784,
        classes=10,
        train=50_000,
        validation=10_000,
        test=10_000,
        path=path,
        available=path is not None,
        published=True,
        command="glorotlab data fetch mnist",
        class_names=tuple("0123456789"),
    )


def _describe_cifar10() -> DatasetRecord:
    path = find_cifar10()
    return DatasetRecord(
        name="cifar10",
        description="CIFAR-10: color photographs of ten kinds, 32x32 (Krizhevsky 2009)",
        fan_in=3072,
        classes=10,
        train=40_000,
        validation=10_000,
        test=10_000,
        path=path,
        available=path is not None,
        published=False,
        command="glorotlab data fetch cifar10",
        class_names=cifar10.CLASS_NAMES,
    )


def _describe_small_imagenet() -> DatasetRecord:
    path = find_small_imagenet()
    sizes = count_small_imagenet(path) if path else SPLITS
    return DatasetRecord(
        name="small-imagenet",
        description="Small-ImageNet: gray photographs of ten kinds, 37x37 (Glorot & Bengio 2010)",
        fan_in=PIXELS,
        classes=len(imagenet_classes.CLASS_NAMES),
        train=sizes["train"],
        validation=sizes["validation"],
        test=sizes["test"],
        path=path,
        available=path is not None,
        published=False,
        command=COMMAND,
        class_names=imagenet_classes.CLASS_NAMES,
    )


def _describe_npz(name: str) -> DatasetRecord:
    data = Dataset.from_npz(name)
    return DatasetRecord(
        name=data.name,
        description="arrays of the user",
        fan_in=data.fan_in,
        classes=data.classes,
        train=data.train.length,
        validation=data.validation.length,
        test=data.test.length,
        path=Path(name),
        available=True,
        published=False,
        targets=data.targets,
    )


_GENERATED = {"shapeset": (_load_shapeset, _describe_shapeset)}
"""Generated datasets, by the names of `glorotlab.spec.generated_data`."""

_STORED = {
    "mnist": _BuiltIn(lambda seed: load_mnist(), _describe_mnist),
    "cifar10": _BuiltIn(lambda seed: load_cifar10(), _describe_cifar10),
    "small-imagenet": _BuiltIn(lambda seed: load_small_imagenet(), _describe_small_imagenet),
}
"""Datasets in files, by the names of `glorotlab.data.names`."""
