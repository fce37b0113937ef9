"""CIFAR-10's binary batches: small stand-ins, damaged files, and the real layout where GLOROTLAB_DATA has it."""

import gzip
import os
import re
from pathlib import Path

import numpy as np
import pytest
from cifar10_fixtures import CONTENTS, IMAGES, LABELS, TINY, batch, write

from glorotlab.data import files as data_files
from glorotlab.data.cifar10 import CLASS_NAMES, FILES, FOLDER, RECORD, find_cifar10, load_cifar10, parse_batch
from glorotlab.errors import DataError

REAL = Path(os.environ.get("GLOROTLAB_DATA", "")) / "cifar10"
needs_cifar10 = pytest.mark.skipif(
    "GLOROTLAB_DATA" not in os.environ
    or not all(any(file.find(place) for place in (REAL, REAL / FOLDER)) for file in FILES),
    reason="GLOROTLAB_DATA names no folder with CIFAR-10",
)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A local folder and a cache folder, both still empty."""
    monkeypatch.setenv("GLOROTLAB_DATA", str(tmp_path / "local"))
    monkeypatch.setattr(data_files, "cache_folder", lambda dataset: tmp_path / "cache" / dataset)
    return tmp_path / "local" / "cifar10", tmp_path / "cache" / "cifar10"


def test_pixels_and_labels_go_where_they_belong(tmp_path):
    data = load_cifar10(write(tmp_path), TINY, validation=3)
    images, labels = IMAGES[:5].reshape(20, 3072), LABELS[:5].ravel()
    expected = {
        "train": (images[:17], labels[:17]),
        "validation": (images[17:], labels[17:]),
        "test": (IMAGES[5].reshape(4, 3072), LABELS[5]),
    }
    for split, (x, y) in expected.items():
        source = getattr(data, split)
        assert (source.fan_in, source.classes, source.x.dtype) == (3072, len(CLASS_NAMES), np.float32)
        np.testing.assert_array_equal(source.y, y)
        np.testing.assert_allclose(source.x, x / 255.0, rtol=1.2e-7)
    assert (data.train.x.min(), data.train.x.max()) == (0, 1)


def test_local_folders_come_before_the_cache(places):
    local, cache = places
    assert find_cifar10(TINY) is None
    for place in (cache / FOLDER, cache, local / FOLDER, local):
        write(place)
        assert find_cifar10(TINY) == place
    (local / "data_batch_3.bin").unlink()
    assert find_cifar10(TINY) == local / FOLDER
    (local / "data_batch_3.bin.gz").write_bytes(gzip.compress(CONTENTS[2]))
    assert find_cifar10(TINY) == local
    assert load_cifar10(files=TINY, validation=3).published


def test_a_copy_with_other_bytes_is_not_the_published_one(tmp_path):
    assert load_cifar10(write(tmp_path), TINY, validation=3).published
    for name, content in (("data_batch_2.bin", CONTENTS[0]), ("test_batch.bin", batch(255 - IMAGES[5], LABELS[5]))):
        (write(tmp_path) / name).write_bytes(content)
        assert not load_cifar10(tmp_path, TINY, validation=3).published


WHOLE = 4 * RECORD


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"0 bytes: allowed are {WHOLE}, which is 4 records of 3073 bytes"),
        (CONTENTS[0][:-1], f"{WHOLE - 1} bytes: allowed are {WHOLE}"),
        (CONTENTS[0][:-RECORD], f"{WHOLE - RECORD} bytes: allowed are {WHOLE}"),
        (CONTENTS[0] + b"\0", f"more than {WHOLE} bytes: allowed are {WHOLE}"),
        (CONTENTS[0] + CONTENTS[1], f"more than {WHOLE} bytes: allowed are {WHOLE}"),
        (batch(IMAGES[0], [0, 9, 10, 11]), "label 10 of record 2: allowed are 0 to 9"),
        (batch(IMAGES[0], [255, 9, 10, 1]), "label 255 of record 0: allowed are 0 to 9"),
        (gzip.compress(CONTENTS[0])[:-9], "end-of-stream|ended before"),
        (gzip.compress(bytes(100 * WHOLE)), f"more than {WHOLE} bytes"),
    ],
)
@pytest.mark.parametrize("name", ["data_batch_4.bin", "test_batch.bin"])
def test_a_damaged_batch_file_is_one_clear_line(tmp_path, name, content, message):
    path = write(tmp_path) / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{re.escape(str(path))}: .*({message})") as caught:
        load_cifar10(tmp_path, TINY, validation=3)
    assert "\n" not in str(caught.value)


def test_one_batch_file_by_hand():
    """Red, green and blue of the first row's second pixel are bytes 2, 1026 and 2050 of a record."""
    record = bytearray(RECORD)
    record[0], record[2], record[1026], record[2050] = 7, 10, 20, 30
    images, labels = parse_batch(bytes(record), "b.bin", 1)
    assert labels.tolist() == [7]
    assert images.reshape(3, 32, 32)[:, 0, 1].tolist() == [10, 20, 30]
    assert images.sum() == 60


def test_missing_files_say_what_to_do(places):
    with pytest.raises(DataError, match=r"glorotlab data fetch cifar10.*GLOROTLAB_DATA.*test_batch.bin") as caught:
        load_cifar10()
    assert str(places[0]) in str(caught.value)
    write(places[0])
    (places[0] / "test_batch.bin").rename(places[0] / "test_batch.bin.part")
    with pytest.raises(DataError, match="glorotlab data fetch cifar10"):
        load_cifar10(files=TINY)


@needs_cifar10
def test_real_files():
    """Sizes and the counts of each class: 6,000 of each, 1,000 of them in the test file."""
    data = load_cifar10()
    assert [source.length for source in (data.train, data.validation, data.test)] == [40_000, 10_000, 10_000]
    assert np.bincount(data.test.y).tolist() == [1000] * 10
    assert (np.bincount(data.train.y) + np.bincount(data.validation.y)).tolist() == [5000] * 10
    # A neighboring pixel is alike in photographs, in no other order of the bytes.
    x = data.test.x[:1000].reshape(-1, 3, 32, 32).astype(np.float64)
    scatter = x.std()
    for axis in (2, 3):
        assert np.abs(np.diff(x, axis=axis)).mean() < 0.3 * scatter
