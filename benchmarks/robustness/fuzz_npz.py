"""Fuzz target npz: a user's arrays in an .npz file, read as ``--dataset FILE.npz`` is."""

import io
import random
import zipfile
from typing import Any

import numpy as np
from harness import Target, Wrong
from mutations import INTEGERS, mutate_bytes, mutate_text

from glorotlab.data.dataset import Dataset

NAMES = ("x", "y", "x_train", "y_train", "x_validation", "y_validation", "x_test", "y_test", "z", "x/y", "")
DTYPES = ("f4", "f8", "f2", ">f4", "i8", "i4", "u1", "?", "c8", "U3", "S4", "M8[s]", "m8[D]", "O", "V3", "f4,i4", "g")
VALUES = (0.0, -1.0, 1.5, 1e-320, 1e39, 1e308, np.inf, -np.inf, np.nan, 2.0**53, 2.0**63, 999_999, 1_000_000)
HEADERS = (
    "descr",
    "fortran_order",
    "shape",
    "True",
    "(3,)",
    "'<f4'",
    "'|O'",
    "10**9",
    "-1",
    "L",
    "()",
    "[]",
    "'<U99999'",
)


class Npz(Target):
    """A file becomes a dataset; what is accepted is finite, has labels of its classes, and parts that fit together."""

    name = "npz"

    def make(self, rng: random.Random) -> bytes:
        """Return the bytes of an archive with wrong names, types, shapes and values, or damaged bytes."""
        arrays = {"x": _inputs(rng, 8), "y": _labels(rng, 8)}
        for split in ("validation", "test"):
            if rng.random() < 0.3:
                arrays |= {f"x_{split}": _inputs(rng, 4), f"y_{split}": _labels(rng, 4)}
        if rng.random() < 0.2:
            arrays[rng.choice(NAMES)] = arrays.pop(rng.choice(list(arrays)))
        members = {f"{name}.npy": _member(rng, array) for name, array in arrays.items()}
        content = _archive(rng, members)
        return mutate_bytes(rng, content) if rng.random() < 0.3 else content

    def run(self, made: bytes) -> None:
        """Read the dataset, its digest and its first examples."""
        path = self.folder / "file.npz"
        path.write_bytes(made)
        data = Dataset.from_npz(path)
        for source in (data.train, data.validation, data.test):
            x, y = source.batch(0, int(source.length))
            if x.shape != (len(y), data.fan_in) or not len(y) or not np.isfinite(x).all():
                raise Wrong(f"inputs of shape {x.shape} for {len(y)} labels and {data.fan_in} inputs, or not finite")
            if not np.isfinite(y).all():
                raise Wrong("numbers to reach that are not finite")
            if data.classes and not (y.min() >= 0 and y.max() < data.classes and y.dtype == np.int64):
                raise Wrong(f"labels from {y.min()} to {y.max()} of {data.classes} classes")
        if len(data.digest or "") != 64:
            raise Wrong(f"digest {data.digest!r}")


def _inputs(rng: random.Random, rows: int) -> Any:
    shape: tuple[int, ...] = (rows, 3)
    if rng.random() < 0.2:
        shape = rng.choice(((rows, 3, 1), (rows,), (), (rows, 0), (0, 3), (rows, 2)))
    return _typed(rng, np.frombuffer(rng.randbytes(int(np.prod(shape))), np.uint8).reshape(shape) / 64.0 - 2.0)


def _labels(rng: random.Random, rows: int) -> Any:
    shape: tuple[int, ...] = (rows,)
    if rng.random() < 0.2:
        shape = rng.choice(((rows, 1), (rows - 1,), (), (1, rows)))
    labels = np.arange(int(np.prod(shape))).reshape(shape) % 3
    return _typed(rng, labels) if rng.random() < 0.3 else labels


def _typed(rng: random.Random, array: Any) -> Any:
    """Return an array of another type, or with a value that is no input, now and then."""
    if rng.random() < 0.1 and array.size:
        array = array.astype("f8")
        array.flat[rng.randrange(array.size)] = rng.choice(VALUES)
    dtype = "f4" if rng.random() < 0.7 else rng.choice(DTYPES)
    with np.errstate(all="ignore"):
        try:
            return np.asarray(array.astype(dtype), order=rng.choice("CF"))
        except (TypeError, ValueError, OverflowError):
            return array


def _member(rng: random.Random, array: Any) -> bytes:
    """Return an array as ``numpy.save`` writes it; its header may lie."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=rng.choice(((1, 0),) * 8 + ((2, 0), (3, 0))))
    content = buffer.getvalue()
    if content[6] == 1 and rng.random() < 0.15:
        length = 10 + int.from_bytes(content[8:10], "little")
        header = mutate_text(rng, content[10:length].decode("latin-1"), HEADERS).encode("latin-1", "replace")
        content = content[:8] + min(len(header), 65535).to_bytes(2, "little") + header + content[length:]
    return content


def _archive(rng: random.Random, members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            how = zipfile.ZIP_STORED if rng.random() < 0.8 else zipfile.ZIP_DEFLATED
            if rng.random() < 0.02:
                content += bytes(rng.choice(INTEGERS) % 70_000)
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, how)
    return buffer.getvalue()
