"""A user's arrays in an ``.npz`` file, read without ever unpickling."""

from typing import Any, BinaryIO

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from glorotlab.data.pickles import refuse_pickle
from glorotlab.errors import DataError

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
        Where the file is missing, is not ``.npz``, lacks an array, is damaged or holds pickled objects.
    """
    refuse_pickle(path)
    try:
        with open(path, "rb") as file, _open_archive(file, path) as archive:
            return _read_splits(archive, path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def _open_archive(file: BinaryIO, path: str) -> NpzFile:
    problem = f"{path}: not an .npz archive: allowed are files written by numpy.savez"
    try:
        archive = np.load(file, allow_pickle=False)
    except Exception as error:  # depending on its first bytes the file is taken for a zip, an array or a pickle
        raise DataError(problem) from error
    if not isinstance(archive, NpzFile):
        raise DataError(problem)
    return archive


def _read_splits(archive: NpzFile, path: str) -> dict[str, Pair]:
    stored = set(archive.files)
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


def _read_array(archive: NpzFile, key: str, path: str) -> NDArray[Any]:
    if key not in archive.files:
        held = ", ".join(archive.files) or "nothing"
        raise DataError(f"{path}: no array {key} (it holds {held}): allowed are {ALLOWED}")
    try:
        return np.asarray(archive[key])
    except Exception as error:  # a damaged member can fail in zipfile, zlib or NumPy, in many ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{path}: array {key} cannot be read ({reason}): allowed are plain numeric arrays, never pickled objects"
        ) from error
