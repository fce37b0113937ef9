"""A user's arrays in an ``.npz`` file, read without ever unpickling."""

import os
import sys
from typing import Any, BinaryIO

from numpy.typing import NDArray

from glorotlab.archives import Archive
from glorotlab.data.pickles import refuse_pickle
from glorotlab.errors import DataError, InvalidValueError, reason
from glorotlab.files import open_regular
from glorotlab.resources import available_memory

ALLOWED = "x and y (or x_train and y_train), then optionally x_validation, y_validation, x_test, y_test"
"""Names of the arrays, for messages."""

Pair = tuple[NDArray[Any], NDArray[Any]]


def read_npz(path: str) -> dict[str, Pair]:
    """Read inputs and labels of each split.

    Parameters
    ----------
    path : str
        Holds ``x`` and ``y``, or ``x_train`` and ``y_train``; optionally ``x_validation`` and
        ``y_validation``, ``x_test`` and ``y_test``. Other arrays are not read.

    Returns
    -------
    dict
        The pair (x, y) by split: ``"train"``, and ``"validation"`` and ``"test"`` where the file has them.

    Raises
    ------
    DataError
        Where the file is missing or no regular file, is not ``.npz``, lacks an array, is damaged, holds pickled
        objects, or an array would not fit into memory.
    """
    refuse_pickle(path)
    try:
        with os.fdopen(open_regular(path, links=True), "rb") as file, open_archive(file, path) as archive:
            return _read_splits(archive, path)
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error


def open_archive(file: BinaryIO, path: str) -> Archive:
    """Return the arrays of an open file, none of which may be larger than memory; DataError where it is no ``.npz``."""
    try:
        return Archive(file, largest=available_memory() or sys.maxsize)
    except InvalidValueError as error:
        raise DataError(f"{path}: not an .npz archive ({error}): allowed are files written by numpy.savez") from error


def _read_splits(archive: Archive, path: str) -> dict[str, Pair]:
    stored = set(archive.names)
    if {"x", "x_train"} <= stored:
        raise DataError(f"{path}: holds both x and x_train: allowed are {ALLOWED}")
    suffixes = {
        "train": "_train" if "x_train" in stored else "",
        "validation": "_validation",
        "test": "_test",
    }
    return {
        split: (_read_array(archive, f"x{suffix}", path), _read_array(archive, f"y{suffix}", path))
        for split, suffix in suffixes.items()
        if split == "train" or not stored.isdisjoint((f"x{suffix}", f"y{suffix}"))
    }


def _read_array(archive: Archive, key: str, path: str) -> NDArray[Any]:
    if key not in archive.names:
        held = ", ".join(archive.names) or "nothing"
        raise DataError(f"{path}: no array {key} (it holds {held}): allowed are {ALLOWED}")
    try:
        return archive.read(key)
    except InvalidValueError as error:
        raise DataError(f"{path}: {error}: allowed are plain numeric arrays, never pickled objects") from error
