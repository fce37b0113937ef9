"""A dataset has three sources: one to train on, one to choose by, one to report."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from numpy.typing import ArrayLike

from glorotlab import notebook
from glorotlab.checks import real_number
from glorotlab.data.npz import read_npz
from glorotlab.data.source import ArraySource, Source, targets_of
from glorotlab.errors import DataError, InvalidValueError
from glorotlab.files import user_path
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator

Pair = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test examples of the same inputs and classes.

    Parameters
    ----------
    name : str
        Name of the dataset in results and messages.
    train, validation, test : Source
        Sources with equal ``fan_in``, ``classes`` and ``targets``.
    published : bool
        Whether the name alone says which data these are, to everyone; a RunSpec names all other data by their digest.

    Raises
    ------
    InvalidValueError
        Where the three differ in fan_in, classes or targets.

    Examples
    --------
    >>> import glorotlab as gl
    >>> data = gl.Dataset.from_arrays([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 0, 1, 1, 1], name="line")
    >>> data.fan_in, data.classes, data.train.length
    (1, 2, 4)
    >>> data.check_fits(gl.NetworkSpec.parse("1,10,2"))  # else an error says what does not fit
    """

    name: str
    train: Source
    validation: Source
    test: Source
    published: bool = False

    def __post_init__(self) -> None:
        for split in (self.validation, self.test):
            for attribute in ("fan_in", "classes"):
                value, expected = getattr(split, attribute), getattr(self.train, attribute)
                if value != expected:
                    raise InvalidValueError(
                        f"dataset {self.name!r} has {attribute} {value} in validation or test: "
                        f"allowed is {expected}, as in training"
                    )
            if targets_of(split) != self.targets:
                raise InvalidValueError(
                    f"dataset {self.name!r} has {targets_of(split)} targets in validation or test: "
                    f"allowed is {self.targets}, as in training"
                )

    def _repr_html_(self) -> str:
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        rows = ((name, source.length, type(source).__name__) for name, source in splits.items())
        about = notebook.fields({"inputs": self.fan_in, "classes": self.classes, "published": self.published})
        return notebook.form(f"Dataset {self.name}", about, notebook.table(("split", "examples", "source"), rows))

    @property
    def fan_in(self) -> int:
        """Number of inputs of one example."""
        return self.train.fan_in

    @property
    def classes(self) -> int:
        """Number of classes; 0 where examples have targets."""
        return self.train.classes

    @property
    def targets(self) -> int:
        """Number of targets of each example, 0 if it has a class."""
        return targets_of(self.train)

    @cached_property
    def digest(self) -> str | None:
        """SHA-256 of every array, hexadecimal, which identifies a user's data in a RunSpec.

        None where a split is generated rather than stored: its name and seed identify it.
        """
        digest = hashlib.sha256()
        for source in (self.train, self.validation, self.test):
            if not isinstance(source, ArraySource):
                return None
            digest.update(source.digest().encode())
        return digest.hexdigest()

    def check_fits(self, network: NetworkSpec) -> None:
        """Raise InvalidValueError where a network is not made for these data; see ``NetworkSpec.check_fits``."""
        network.check_fits(self.name, self.fan_in, self.classes, self.targets)

    @classmethod
    def from_arrays(
        cls,
        x: ArrayLike,
        y: ArrayLike,
        *,
        validation: Pair | None = None,
        test: Pair | None = None,
        validation_fraction: float = 1 / 6,
        test_fraction: float = 1 / 6,
        seed: int = 0,
        name: str = "arrays",
        classes: int | None = None,
    ) -> Self:
        """Make a dataset of arrays.

        Parameters
        ----------
        x : array_like, shape (n, ...)
            Real, finite inputs; see `ArraySource`.
        y : array_like, shape (n,) or (n, targets)
            Whole numbers are labels from 0; floats, and rows of any numbers, are targets (regression).
        validation, test : (x, y), optional
            Examples of that split; by default a permutation drawn from ``seed`` splits them off ``x`` and ``y``.
        validation_fraction, test_fraction : float
            Share of the n examples, in (0, 1), that is split off (at least one example).
        seed : int
            Seed of the permutation.
        name : str
            Name of the dataset in results and messages.
        classes : int, optional
            By default the largest label anywhere plus 1; targets have none.

        Returns
        -------
        Dataset

        Raises
        ------
        InvalidValueError
            Where an array is not as above, or too few examples are left for training.

        Examples
        --------
        >>> import glorotlab as gl
        >>> x, y = [[float(i)] for i in range(12)], [i % 3 for i in range(12)]
        >>> data = gl.Dataset.from_arrays(x, y, validation_fraction=0.25)
        >>> data.train.length, data.validation.length, data.test.length
        (7, 3, 2)

        Labels that are floats are targets, for the outputs to reach:

        >>> gl.Dataset.from_arrays(x, [0.5 * i for i in range(12)]).targets
        1
        """
        train = ArraySource(x, y, classes)
        held_out = {
            split: ArraySource(*pair, classes, names=(f"{split} x", f"{split} y"))
            for split, pair in (("validation", validation), ("test", test))
            if pair is not None
        }
        if classes is None:
            classes = max(source.classes for source in (train, *held_out.values()))
            for source in (train, *held_out.values()):
                source.classes = 0 if source.targets else classes
        fractions = {"validation": validation_fraction, "test": test_fraction}
        missing = {split: fraction for split, fraction in fractions.items() if split not in held_out}
        splits = _split(train, missing, seed) | held_out
        return cls(name, splits["train"], splits["validation"], splits["test"])

    @classmethod
    def from_npz(cls, path: str | os.PathLike[str], *, seed: int = 0) -> Self:
        """Make a dataset of the arrays in an ``.npz`` file; nothing in it is ever unpickled.

        Parameters
        ----------
        path : path-like
            Holds ``x`` and ``y`` (labels or targets, as of `from_arrays`), or ``x_train`` and ``y_train``; optionally
            ``x_validation`` and ``y_validation``, ``x_test`` and ``y_test``.
        seed : int
            Seed of the permutation that splits off missing examples; see `from_arrays`.

        Returns
        -------
        Dataset
            Named after the file.

        Raises
        ------
        DataError
            Where the file is missing, is not ``.npz``, lacks an array, or holds pickled objects or values
            that `from_arrays` refuses.

        Examples
        --------
        >>> import glorotlab as gl
        >>> import numpy as np
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/line.npz", x=np.arange(6.0).reshape(6, 1), y=[0, 0, 0, 1, 1, 1])
        ...     data = gl.Dataset.from_npz(f"{folder}/line.npz")
        >>> data.name, data.classes
        ('line.npz', 2)
        """
        name = os.fspath(user_path(path))
        return cls.from_splits(name, read_npz(name), seed=seed)

    @classmethod
    def from_splits(cls, name: str, pairs: Mapping[str, Pair], *, seed: int = 0) -> Self:
        """Make a dataset of what a file holds.

        Parameters
        ----------
        name : str
            Path of the file.
        pairs : mapping of str to (x, y)
            Its examples by split, as ``npz.read_npz`` returns them.
        seed : int
            As of `from_npz`.

        Returns
        -------
        Dataset

        Raises
        ------
        DataError
            Where an array holds what `from_arrays` refuses.

        Examples
        --------
        >>> import glorotlab as gl
        >>> train, test = ([[0.0], [1.0], [2.0]], [0, 1, 1]), ([[3.0]], [1])
        >>> data = gl.Dataset.from_splits("line.npz", {"train": train, "test": test})
        >>> data.train.length, data.validation.length, data.test.length
        (2, 1, 1)
        """
        try:
            return cls.from_arrays(
                *pairs["train"],
                validation=pairs.get("validation"),
                test=pairs.get("test"),
                seed=seed,
                name=os.path.basename(name),
            )
        except InvalidValueError as error:
            raise DataError(f"{name}: {error}") from error


def _split(whole: ArraySource, fractions: dict[str, float], seed: int) -> dict[str, ArraySource]:
    """Split the named fractions off ``whole``; the rest is ``train``. Every part has at least one example."""
    for split, fraction in fractions.items():
        real_number(f"{split}_fraction", fraction, 0, 1, open_low=True, open_high=True)
    sizes = {split: max(1, round(fraction * whole.length)) for split, fraction in fractions.items()}
    held_out = sum(sizes.values())
    if held_out >= whole.length:
        raise InvalidValueError(
            f"{whole.length} examples, {held_out} of them for {' and '.join(sizes)}: "
            "allowed are splits that leave at least 1 to train on"
        )
    order = generator(seed, Purpose.SPLIT).permutation(whole.length)
    parts, start = {"train": order[held_out:]}, 0
    for split, size in sizes.items():
        parts[split], start = order[start : start + size], start + size
    return {split: ArraySource(whole.x[part], whole.y[part], whole.classes or None) for split, part in parts.items()}
