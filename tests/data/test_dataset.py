"""Datasets of the user's arrays, from memory and from .npz files, hostile ones included."""

import contextlib
import io
import math
import re
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glorotlab.data.dataset import Dataset
from glorotlab.data.source import ArraySource
from glorotlab.errors import DataError, InvalidValueError


def numbered(n, dtype=np.float32):
    """Examples that carry their own position, with labels that follow from it."""
    positions = np.arange(n)
    return np.stack([positions, -positions], axis=1).astype(dtype), positions % 3


@given(st.integers(3, 60), st.integers(0, 2**64 - 1))
def test_split_is_a_partition(n, seed):
    x, y = numbered(n)
    data = Dataset.from_arrays(x, y, seed=seed)
    parts = (data.train, data.validation, data.test)
    assert sorted(np.concatenate([part.x[:, 0] for part in parts])) == list(range(n))
    for part in parts:
        assert part.length >= 1
        np.testing.assert_array_equal(part.y, part.x[:, 0] % 3)
    assert (data.fan_in, data.classes) == (2, 3)


def test_sizes_and_seed():
    x, y = numbered(60)
    data = Dataset.from_arrays(x, y)
    assert (data.train.length, data.validation.length, data.test.length) == (40, 10, 10)
    again, other = Dataset.from_arrays(x, y), Dataset.from_arrays(x, y, seed=1)
    assert data.digest == again.digest != other.digest
    halves = Dataset.from_arrays(x, y, validation_fraction=0.5, test_fraction=0.25)
    assert (halves.train.length, halves.validation.length, halves.test.length) == (15, 30, 15)


def test_given_pairs_are_kept_whole_and_in_order():
    (x, y), (vx, vy), (tx, ty) = numbered(12), numbered(5), numbered(4)
    data = Dataset.from_arrays(x, y, validation=(vx, vy + 2), test=(tx, ty))
    np.testing.assert_array_equal(data.train.x, x[data.train.x[:, 0].astype(int)])
    assert data.train.length == 12
    np.testing.assert_array_equal(data.validation.y, vy + 2)
    np.testing.assert_array_equal(data.test.x, tx)
    assert data.classes == data.train.classes == data.test.classes == 5
    part = Dataset.from_arrays(x, y, test=(tx, ty))
    assert (part.train.length, part.validation.length, part.test.length) == (10, 2, 4)


@pytest.mark.parametrize(
    ("n", "options", "message"),
    [
        (2, {}, "2 examples, 2 of them for validation and test"),
        (1, {"test": numbered(3)}, "1 examples, 1 of them for validation"),
        (10, {"validation_fraction": 0.6, "test_fraction": 0.4}, "leave at least 1 to train on"),
        (10, {"validation_fraction": 0.0}, r"validation_fraction 0\.0: allowed"),
        (10, {"test_fraction": math.nan}, "test_fraction nan: allowed"),
        (10, {"test_fraction": 1}, "test_fraction 1: allowed"),
        (10, {"validation": (np.zeros((2, 3)), [0, 0])}, "fan_in 3 in validation"),
        (10, {"test": (np.full((2, 2), np.nan), [0, 0])}, r"test x\[0, 0\] is nan"),
        (10, {"test": (np.zeros((2, 2)), [0, 7]), "classes": 3}, r"test y\[1\] is 7"),
        (10, {"seed": -1}, "seed -1"),
    ],
)
def test_refusals(n, options, message):
    with pytest.raises(InvalidValueError, match=message):
        Dataset.from_arrays(*numbered(n), **options)


def test_splits_must_agree():
    x, y = numbered(6)
    three, four = ArraySource(x, y, 3), ArraySource(x, y, 4)
    with pytest.raises(InvalidValueError, match="classes 4 in validation or test: allowed is 3"):
        Dataset("d", train=three, validation=three, test=four)


def test_digest_is_none_where_a_split_is_generated():
    class Stream:
        length, fan_in, classes = math.inf, 2, 3

    stored = ArraySource(*numbered(6))
    assert Dataset("d", train=Stream(), validation=stored, test=stored).digest is None


def test_npz_with_one_pair(tmp_path):
    path = tmp_path / "mine.npz"
    x, y = numbered(30)
    np.savez_compressed(path, x=x.reshape(30, 2, 1), y=y, extra=np.zeros(3))
    data = Dataset.from_npz(path, seed=4)
    assert data.name == "mine.npz"
    assert data.digest == Dataset.from_arrays(x, y, seed=4).digest


def test_npz_with_every_split(tmp_path):
    path = tmp_path / "mine.npz"
    (x, y), (vx, vy), (tx, ty) = numbered(12), numbered(5), numbered(4)
    np.savez(path, x_train=x, y_train=y, x_validation=vx, y_validation=vy, x_test=tx, y_test=ty)
    data = Dataset.from_npz(str(path))
    assert (data.train.length, data.validation.length, data.test.length) == (12, 5, 4)
    np.testing.assert_array_equal(data.test.x, tx)


def refused(path, message):
    with pytest.raises(DataError, match=message) as caught:
        Dataset.from_npz(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"no array x \(it holds nothing\): allowed are x and y"),
        (["x"], r"no array y \(it holds x\)"),
        (["x_train"], "no array y_train"),
        (["x", "y", "x_test"], "no array y_test"),
        (["x", "y", "y_validation"], "no array x_validation"),
        (["x", "y", "x_train"], "both x and x_train"),
    ],
)
def test_npz_names(tmp_path, names, message):
    arrays = dict(zip("xy", numbered(12), strict=True))
    path = tmp_path / "mine.npz"
    np.savez(path, **{name: arrays[name[0]] for name in names})
    refused(path, message)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("key", ["x", "y"])
def test_npz_is_never_unpickled(tmp_path, key):
    sprung, path = tmp_path / "sprung", tmp_path / "hostile.npz"
    arrays = dict(zip("xy", numbered(6), strict=True))
    arrays[key] = np.array([Trap(str(sprung))], dtype=object)
    np.savez(path, **arrays)
    refused(path, f"array {key} cannot be read .* never pickled objects")
    assert not sprung.exists()
    with np.load(path, allow_pickle=True) as archive:  # the trap does work
        archive[key][0].close()
    assert sprung.exists()


def test_bare_pickle_is_never_unpickled(tmp_path):
    import pickle

    sprung, path = tmp_path / "sprung", tmp_path / "hostile.npz"
    path.write_bytes(pickle.dumps(Trap(str(sprung))))
    refused(path, "not an .npz archive")
    assert not sprung.exists()


def test_npz_missing_folder_and_text(tmp_path):
    refused(tmp_path / "absent.npz", "No such file")
    refused(tmp_path, "directory")
    text, bare = tmp_path / "text.npz", tmp_path / "bare.npz"
    text.write_text("x,y\n1,2\n")
    with bare.open("wb") as file:
        np.save(file, np.zeros((3, 2)))
    refused(text, "not an .npz archive")
    refused(bare, "not an .npz archive")


def test_npz_truncated_at_every_length(tmp_path):
    path, buffer = tmp_path / "cut.npz", io.BytesIO()
    x, y = numbered(4)
    np.savez_compressed(buffer, x=x, y=y)
    content = buffer.getvalue()
    for length in range(0, len(content), 3):
        path.write_bytes(content[:length])
        refused(path, "cut.npz")


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_npz_with_a_damaged_byte(tmp_path_factory, position, flip):
    """A damaged file loads the same, or gives one DataError: never another exception."""
    buffer = io.BytesIO()
    x, y = numbered(4)
    np.savez_compressed(buffer, x=x, y=y)
    content = bytearray(buffer.getvalue())
    content[position % len(content)] ^= flip
    path = tmp_path_factory.mktemp("npz") / "damaged.npz"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        Dataset.from_npz(path)


def npy_claiming(shape, padding=117):
    """The bytes of a .npy file whose header claims more than it holds."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(padding) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(64)


@pytest.mark.parametrize(
    ("shape", "padding"),
    [((2**50, 2), 117), ((2**62, 2**62), 117), ((-1, 3), 117), ("oops", 117), ((8,), 20_000)],
)
def test_npz_with_a_lying_header(tmp_path, shape, padding):
    path = tmp_path / "mine.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", npy_claiming(shape, padding))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y.npy", npy_claiming((3,)))
    refused(path, "array x cannot be read")


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.array([[1.0], [np.nan], [0.0]]), [0, 1, 0], r"x\[1, 0\] is nan"),
        (np.ones((3, 1)), [0, -1, 0], r"y\[1\] is -1"),
        (np.ones((3, 1)), [0, 1], re.escape("y has shape (2,)")),
        (np.ones((2, 1)), [0, 1], "2 examples, 2 of them"),
        (np.array([b"a", b"b", b"c"]), [0, 1, 0], "x has dtype"),
    ],
)
def test_npz_values(tmp_path, x, y, message):
    path = tmp_path / "mine.npz"
    np.savez(path, x=x, y=np.array(y))
    refused(path, message)
