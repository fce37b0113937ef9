"""MNIST from small stand-in files, and from the real ones where GLOROTLAB_DATA has them."""

import gzip
import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest
from idx_fixtures import idx_bytes, tiny_files, tiny_mnist

from glorotlab.data import files as data_files
from glorotlab.data.idx import read_idx
from glorotlab.data.mnist import MNIST_FILES, find_mnist, load_mnist
from glorotlab.errors import DataError

ARRAYS = tiny_mnist()
CONTENTS = [idx_bytes(array) for array in ARRAYS]
FILES = tiny_files(CONTENTS)

REAL = Path(os.environ.get("GLOROTLAB_DATA", "")) / "mnist"
needs_mnist = pytest.mark.skipif(
    "GLOROTLAB_DATA" not in os.environ or not all(file.find(REAL) for file in MNIST_FILES),
    reason="GLOROTLAB_DATA names no folder with MNIST",
)


def write(folder, pack=gzip.compress, suffix=".gz"):
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in zip(FILES, CONTENTS, strict=True):
        (folder / f"{file.name}{suffix}").write_bytes(pack(content))
    return folder


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A local folder and a cache folder, both still empty."""
    monkeypatch.setenv("GLOROTLAB_DATA", str(tmp_path / "local"))
    monkeypatch.setattr(data_files, "cache_folder", lambda dataset: tmp_path / "cache" / dataset)
    return tmp_path / "local" / "mnist", tmp_path / "cache" / "mnist"


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, ".gz"), (bytes, ""), (bytes, ".gz")])
def test_load(tmp_path, pack, suffix):
    data = load_mnist(write(tmp_path, pack, suffix), FILES, validation=4)
    train, train_labels, test, test_labels = ARRAYS
    expected = {
        "train": (train[:8], train_labels[:8]),
        "validation": (train[8:], train_labels[8:]),
        "test": (test, test_labels),
    }
    for split, (images, labels) in expected.items():
        source = getattr(data, split)
        assert (source.fan_in, source.classes, source.x.dtype) == (784, 10, np.float32)
        np.testing.assert_array_equal(source.y, labels)
        np.testing.assert_allclose(source.x, images.reshape(-1, 784) / 255.0, rtol=1.2e-7)
    assert data.train.x.max() == 1
    assert data.train.x.min() == 0


def test_local_folder_comes_before_the_cache(places):
    local, cache = places
    assert find_mnist(FILES) is None
    write(cache)
    assert find_mnist(FILES) == cache
    write(local)
    assert find_mnist(FILES) == local
    (local / f"{FILES[2].name}.gz").unlink()
    assert find_mnist(FILES) == cache
    assert load_mnist(files=FILES, validation=4).test.length == 5


def test_missing_says_what_to_do(places):
    with pytest.raises(DataError, match=r"glorotlab data fetch mnist.*GLOROTLAB_DATA") as caught:
        load_mnist(files=FILES)
    for place in places:
        assert str(place) in str(caught.value)


@pytest.mark.parametrize("index", range(4))
def test_other_content_is_refused(tmp_path, index):
    folder = write(tmp_path)
    changed = bytearray(CONTENTS[index])
    changed[-1] ^= 1
    path = folder / f"{FILES[index].name}.gz"
    path.write_bytes(gzip.compress(changed))
    with pytest.raises(DataError, match=r"SHA-256") as caught:
        load_mnist(folder, FILES, validation=4)
    found = hashlib.sha256(changed).hexdigest()
    for part in (str(path), FILES[index].sha256, found):
        assert part in str(caught.value)


@pytest.mark.parametrize("content", [CONTENTS[0][:-1], CONTENTS[0] + b"\0", b""])
def test_other_length_is_refused(tmp_path, content):
    folder = write(tmp_path)
    path = folder / f"{FILES[0].name}.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=re.escape(str(path))):
        load_mnist(folder, FILES, validation=4)


@needs_mnist
def test_real_files():
    """The sums of the real files, the papers' split and facts known of MNIST.

    The second moment of the training pixels is .112, the figure in use for MNIST's E[x^2] (mean .1307 and
    standard deviation .3081 give .1120); the tolerance, half of the last digit, would show pixels scaled by
    1/256 (.1114, off by .8 %) and the variance (.095).
    """
    data = load_mnist(REAL)
    assert [source.length for source in (data.train, data.validation, data.test)] == [50_000, 10_000, 10_000]
    pixels = np.concatenate([data.train.x, data.validation.x]).astype(np.float64)
    assert np.mean(pixels**2) == pytest.approx(0.1307**2 + 0.3081**2, abs=2e-4)
    assert np.mean(data.train.x**2, dtype=np.float64) == pytest.approx(0.112, abs=5e-4)
    labels = np.bincount(np.concatenate([data.train.y, data.validation.y]))
    # LeCun's training set: 5923 zeros, 6742 ones, ...
    assert labels.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@needs_mnist
def test_real_shapes():
    shapes = [read_idx(file.find(REAL)).shape for file in MNIST_FILES]
    assert shapes == [(60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,)]
