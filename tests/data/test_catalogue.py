"""Datasets by name, and what is known of them."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from glorotlab.data import catalogue, cifar10
from glorotlab.data import files as data_files
from glorotlab.data.catalogue import describe_dataset, load_dataset
from glorotlab.data.dataset import Dataset
from glorotlab.data.mnist import MNIST_FILES
from glorotlab.data.names import dataset_names
from glorotlab.errors import DataError, InvalidValueError, UnknownNameError
from glorotlab.spec.training import TrainingSpec
from glorotlab.training.batches import Batches

needs_shapeset = pytest.mark.skipif(
    importlib.util.find_spec("glorotlab.data.shapeset") is None, reason="glorotlab.data.shapeset is not built"
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("GLOROTLAB_DATA", raising=False)
    monkeypatch.setattr(data_files, "cache_folder", lambda dataset: tmp_path / dataset)
    return tmp_path


def test_names():
    assert dataset_names() == ("shapeset", "mnist", "cifar10", "small-imagenet")


@pytest.mark.parametrize("look_up", [load_dataset, describe_dataset])
def test_unknown(look_up):
    with pytest.raises(UnknownNameError, match=r"dataset 'minst': allowed are shapeset, mnist, .*, a path .*npz"):
        look_up("minst")


@pytest.mark.parametrize(
    ("name", "files", "sizes"),
    [
        ("mnist", MNIST_FILES, (784, 10, 50_000, 10_000, 10_000)),
        ("cifar10", cifar10.FILES, (3072, 10, 40_000, 10_000, 10_000)),
    ],
)
def test_data_that_are_not_fetched(cache, name, files, sizes):
    record = describe_dataset(name)
    assert (record.name, record.available, record.path) == (name, False, None)
    assert (record.fan_in, record.classes, record.train, record.validation, record.test) == sizes
    with pytest.raises(DataError, match=f"glorotlab data fetch {name}"):
        load_dataset(name)
    (cache / name).mkdir()
    for file in files:
        (cache / name / file.name).touch()
    record = describe_dataset(name)
    assert (record.available, record.path) == (True, cache / name)


@pytest.mark.parametrize("kind", [str, Path])
def test_npz(tmp_path, kind):
    path = tmp_path / "mine.npz"
    np.savez(path, x=np.eye(12), y=np.arange(12) % 4)
    data = load_dataset(kind(path), seed=3)
    assert data.name == "mine.npz"
    assert data.digest != load_dataset(path, seed=4).digest
    record = describe_dataset(kind(path))
    assert (record.name, record.fan_in, record.classes, record.path) == ("mine.npz", 12, 4, path)
    assert (record.train, record.validation, record.test) == (8, 2, 2)


@needs_shapeset
def test_shapeset():
    data, record = load_dataset("shapeset", seed=1), describe_dataset("shapeset")
    sources = (data.train, data.validation, data.test)
    assert [source.length for source in sources] == [record.train, record.validation, record.test]
    assert [source.length for source in sources] == [math.inf, 10_000, 10_000]
    assert (data.fan_in, data.classes) == (record.fan_in, record.classes) == (1024, 9)
    batches = [source.batch(0, 20)[0] for source in sources]
    assert not np.array_equal(batches[0], batches[1])
    assert not np.array_equal(batches[1], batches[2])
    assert not np.array_equal(batches[0], load_dataset("shapeset", seed=2).train.batch(0, 20)[0])
    assert data.digest is None


@needs_shapeset
def test_fewer_held_out_examples_are_the_first_of_the_whole():
    name = "shapeset(validation=20, test=30)"
    data, record, whole = load_dataset(name, seed=4), describe_dataset(name), load_dataset("shapeset", seed=4)
    assert data.name == record.name == name
    assert [source.length for source in (data.train, data.validation, data.test)] == [math.inf, 20, 30]
    assert (record.train, record.validation, record.test) == (math.inf, 20, 30)
    for split, size in (("train", 50), ("validation", 20), ("test", 30)):
        for part, expected in zip(*(getattr(source, split).batch(0, size) for source in (data, whole)), strict=True):
            np.testing.assert_array_equal(part, expected)
    with pytest.raises(InvalidValueError, match="within the 30"):
        data.test.batch(0, 31)


@needs_shapeset
def test_a_finite_training_set_is_the_beginning_of_the_stream_and_is_shuffled_anew_each_epoch():
    name = "shapeset(train=40, validation=20, test=30)"
    data, record = load_dataset(name, seed=4), describe_dataset(name)
    assert data.name == record.name == name
    assert data.train.length == record.train == 40
    x, y = load_dataset("shapeset", seed=4).train.batch(0, 40)
    np.testing.assert_array_equal(data.train.batch(0, 40)[0], x)
    with pytest.raises(InvalidValueError, match="within the 40"):
        data.train.batch(40, 1)
    batches = Batches(data.train, TrainingSpec(updates=8, batch_size=10), seed=4)
    epochs = [[batches.batch(update) for update in range(start, start + 4)] for start in (0, 4)]
    orders = []
    for epoch in epochs:
        images = np.concatenate([images for images, _ in epoch])
        order = [int(np.flatnonzero((x == image).all(axis=1))[0]) for image in images]
        np.testing.assert_array_equal(np.concatenate([labels for _, labels in epoch]), y[order])
        orders.append(order)
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(40))
    assert orders[0] != orders[1] != list(range(40))


@pytest.mark.parametrize("look_up", [load_dataset, describe_dataset])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shapeset(test=0)", r"dataset 'shapeset\(test=0\)': test '0': allowed are whole numbers from 1 to 1,000,000"),
        ("mnist(test=5)", r"unknown dataset 'mnist\(test=5\)': allowed are shapeset"),
        ("shapeset(test=5", r"unknown dataset 'shapeset\(test=5': allowed are shapeset"),
    ],
)
def test_bad_parameters(look_up, name, message):
    with pytest.raises(InvalidValueError, match=message):
        look_up(name)


def test_a_stored_dataset_is_kept_where_that_is_asked_for(monkeypatch):
    """One at a time, and no generated one: those depend on the seed."""
    loads = []

    def load(seed):
        loads.append(seed)
        return Dataset.from_arrays(np.eye(6), [0, 1] * 3, name="mnist")

    for name in ("mnist", "cifar10"):
        record = catalogue.describe_dataset(name)
        monkeypatch.setitem(catalogue._STORED, name, catalogue._BuiltIn(load, lambda record=record: record))
    catalogue._kept.cache_clear()
    first = catalogue.load_dataset("mnist", keep=True)
    assert catalogue.load_dataset("mnist", seed=3, keep=True) is first
    assert catalogue.load_dataset("mnist") is not first
    catalogue.load_dataset("cifar10", keep=True)
    assert catalogue.load_dataset("mnist", keep=True) is not first
    assert len(loads) == 4
    catalogue._kept.cache_clear()
    assert catalogue.load_dataset("shapeset", keep=True) is not catalogue.load_dataset("shapeset", keep=True)
