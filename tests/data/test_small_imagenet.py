"""Small-ImageNet from small photographs of known gray levels, good, damaged and hostile."""

import os
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from photographs import EACH, WORDNET_IDS, bombs, grey, write_photographs
from PIL import Image

from glorotlab.data import imagenet_build
from glorotlab.data.catalogue import describe_dataset, load_dataset
from glorotlab.data.imagenet_build import PARTS, build_small_imagenet
from glorotlab.data.imagenet_classes import CLASS_NAMES, CLASS_OF
from glorotlab.data.pictures import read_grey_square
from glorotlab.data.small_imagenet import FILE, PIXELS, SIDE, SPLITS, load_small_imagenet
from glorotlab.errors import DataError, RunError


@pytest.fixture
def photographs(tmp_path):
    write_photographs(tmp_path / "photographs")
    return tmp_path / "photographs"


def contents(data):
    return {split: (getattr(data, split).x, getattr(data, split).y) for split in SPLITS}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_table_of_classes():
    assert CLASS_NAMES == (
        "reptiles", "vehicles", "birds", "mammals", "fish", "furniture", "instruments", "tools", "flowers", "fruits"
    )  # fmt: skip
    assert all(re.fullmatch(r"n\d{8}", category) for category in CLASS_OF)
    facts = {"n01440764": "fish", "n02123045": "mammals", "n04146614": "vehicles", "n07753592": "fruits"}
    assert {category: CLASS_NAMES[CLASS_OF[category]] for category in facts} == facts
    assert [sum(own == label for own in CLASS_OF.values()) for label in range(10)] == [
        36, 68, 59, 218, 16, 22, 26, 16, 2, 13
    ]  # fmt: skip


def test_every_picture_is_in_one_split_under_its_own_label(photographs, tmp_path):
    report = build_small_imagenet(photographs, tmp_path / "out")
    assert report.counts == dict.fromkeys(CLASS_NAMES, EACH)
    assert report.sizes == {"train": 180, "validation": 20, "test": 20}
    assert report.unreadable == report.duplicates == []
    data = load_small_imagenet(report.path)
    assert (data.fan_in, data.classes, data.published) == (PIXELS, 10, False)
    seen = []
    for split, (x, y) in contents(data).items():
        assert (len(x), x.dtype) == (report.sizes[split], np.float32)
        assert (x == x[:, :1]).all()
        levels = np.rint(x[:, 0] * 255).astype(int)
        np.testing.assert_array_equal(levels // EACH, y)
        assert np.bincount(y).tolist() == [len(x) // 10] * 10
        assert (np.diff(y) < 0).any(), "the classes are shuffled"
        seen += levels.tolist()
    assert sorted(seen) == sorted(grey(label, number) for label in range(10) for number in range(EACH))
    assert names(tmp_path / "out") == [FILE]


def test_the_paper_has_as_many_of_each_class(monkeypatch, photographs, tmp_path):
    monkeypatch.setattr(imagenet_build, "SPLITS", {"train": 90, "validation": 10, "test": 10})
    report = build_small_imagenet(photographs, tmp_path / "out")
    assert report.counts == dict.fromkeys(CLASS_NAMES, 11)
    assert report.sizes == {"train": 90, "validation": 10, "test": 10}


def test_a_class_of_few_pictures_trains_only(photographs, tmp_path):
    for number in range(2, EACH):
        (photographs / WORDNET_IDS[8] / f"{number}.png").unlink()
    report = build_small_imagenet(photographs, tmp_path / "out")
    assert report.counts["flowers"] == 2
    assert report.sizes == {"train": 164, "validation": 18, "test": 18}
    assert (load_small_imagenet(report.path).train.y == 8).sum() == 2


def test_the_catalogue_has_what_was_built(photographs, tmp_path, monkeypatch):
    monkeypatch.setenv("GLOROTLAB_DATA", str(tmp_path))
    monkeypatch.setattr("glorotlab.data.files.cache_folder", lambda dataset: tmp_path / "cache" / dataset)
    record = describe_dataset("small-imagenet")
    assert (record.available, record.train, record.test) == (False, 90_000, 10_000)
    with pytest.raises(DataError, match="glorotlab data build small-imagenet --from DIR"):
        load_dataset("small-imagenet")
    build_small_imagenet(photographs, tmp_path / "small-imagenet")
    record, data = describe_dataset("small-imagenet"), load_dataset("small-imagenet")
    assert (record.available, record.path) == (True, tmp_path / "small-imagenet" / FILE)
    assert [source.length for source in (data.train, data.validation, data.test)] == [180, 20, 20]
    assert (record.train, record.validation, record.test) == (180, 20, 20)
    assert (record.fan_in, record.classes) == (data.fan_in, data.classes)


# Pictures


def test_the_middle_square_is_averaged(tmp_path):
    """A bright middle third of a wide picture is all that is left; stripes of one pixel average to their mean."""
    wide = np.zeros((74, 222), np.uint8)
    wide[:, 74:148] = 200
    striped = np.tile(np.array([[0, 100]], np.uint8), (74, 37))
    for pixels, level in ((wide, 200), (wide.T, 200), (striped, 50)):
        Image.fromarray(pixels).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_grey_square(tmp_path / "a.png", SIDE), np.full(PIXELS, level))


def test_a_picture_is_grey_by_luma_and_the_right_way_round(tmp_path):
    """ITU-R 601: .299 red, .587 green, .114 blue; the means of 2 x 2 pixels by NumPy."""
    pixels = np.random.default_rng(0).integers(0, 256, (74, 74, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    grey_levels = pixels @ [0.299, 0.587, 0.114]
    expected = grey_levels.reshape(37, 2, 37, 2).mean(axis=(1, 3)).ravel()
    found = read_grey_square(tmp_path / "a.png", SIDE)
    np.testing.assert_allclose(found, expected, atol=1.51)  # rounded three times


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "RGBA", "P", "LA"])
def test_every_kind_of_picture_is_read(tmp_path, mode):
    ending = "jpg" if mode == "CMYK" else "png"
    Image.new("L", (60, 50), 77).convert(mode).save(tmp_path / f"a.{ending}")
    np.testing.assert_allclose(read_grey_square(tmp_path / f"a.{ending}", SIDE).astype(int), 77, atol=2)


def bad_files(good):
    return bombs() | {
        "cut.png": good[:60],
        "text.JPEG": b"no picture",
        "empty.jpg": b"",
        "page.jpg": b"<html></html>",
        "gif.jpg": b"GIF89a" + good[6:],
        "damaged.png": good[:45] + bytes(20) + good[65:],
        "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    }


def test_files_that_are_no_picture_are_counted_and_named(photographs, tmp_path):
    """Also a pipe, which would wait for ever, a folder, and links to nothing, to itself and to an endless device."""
    place = photographs / WORDNET_IDS[0]
    bad = bad_files((place / "0.png").read_bytes())
    for name, content in bad.items():
        (place / name).write_bytes(content)
    os.mkfifo(place / "pipe.jpg")
    (place / "folder.jpg").mkdir()
    for name, target in {"nothing.jpg": "none", "circle.jpg": "circle.jpg", "device.jpg": "/dev/zero"}.items():
        (place / name).symlink_to(target)
    others = ["pipe.jpg", "folder.jpg", "nothing.jpg", "circle.jpg", "device.jpg"]
    (place / "notes.txt").write_text("of another ending: not looked at")
    tracemalloc.start()
    report = build_small_imagenet(photographs, tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert sorted(report.unreadable) == sorted(f"{WORDNET_IDS[0]}/{name}" for name in [*bad, *others])
    assert report.counts == dict.fromkeys(CLASS_NAMES, EACH)


def test_a_picture_that_is_there_twice_is_taken_once(photographs, tmp_path):
    """Else the same picture could train and test, or have two labels."""
    original = (photographs / WORDNET_IDS[2] / "5.png").read_bytes()
    copies = [photographs / WORDNET_IDS[2] / "copy.png", photographs / WORDNET_IDS[7] / "copy.png"]
    for path in copies:
        path.write_bytes(original)
    report = build_small_imagenet(photographs, tmp_path / "out")
    assert report.counts == dict.fromkeys(CLASS_NAMES, EACH)
    assert len(report.duplicates) == 2
    assert f"{WORDNET_IDS[7]}/copy.png" in report.duplicates
    levels = np.concatenate([x[:, 0] for x, _ in contents(load_small_imagenet(report.path)).values()])
    assert len(np.unique(levels)) == len(levels) == 10 * EACH


# Builds that stop


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(imagenet_build, "PART_SIZE", 5)


def stop_at(monkeypatch, number):
    """Count pictures that are read; Ctrl-C at one of them."""
    read = []

    def picture(path, side):
        read.append(path)
        if len(read) == number:
            raise KeyboardInterrupt
        return read_grey_square(path, side)

    monkeypatch.setattr(imagenet_build, "read_grey_square", picture)
    return read


@pytest.mark.usefixtures("small_parts")
def test_an_interrupted_build_continues_to_the_same_bytes(photographs, tmp_path, monkeypatch):
    (photographs / WORDNET_IDS[1] / "bad.png").write_bytes(b"no picture")
    (photographs / WORDNET_IDS[2] / "copy.png").write_bytes((photographs / WORDNET_IDS[1] / "0.png").read_bytes())
    whole = build_small_imagenet(photographs, tmp_path / "whole")
    read = stop_at(monkeypatch, 73)
    with pytest.raises(KeyboardInterrupt):
        build_small_imagenet(photographs, tmp_path / "out")
    assert names(tmp_path / "out") == [PARTS]
    steps = []
    resumed = build_small_imagenet(photographs, tmp_path / "out", lambda done, total: steps.append((done, total)))
    assert len(read) == 73 + 222 - (22 + 23 + 23)  # three classes, and nothing of the first five of the fourth
    assert resumed.path.read_bytes() == whole.path.read_bytes()
    assert (resumed.counts, resumed.unreadable, resumed.duplicates) == (
        whole.counts,
        whole.unreadable,
        whole.duplicates,
    )
    assert names(tmp_path / "out") == [FILE]
    assert steps == sorted(set(steps))
    assert steps[-1] == (222, 222)


@pytest.mark.usefixtures("small_parts")
def test_parts_of_other_photographs_are_not_taken(photographs, tmp_path, monkeypatch):
    """A damaged part, and those of another folder with files of the same names."""
    read = stop_at(monkeypatch, 50)
    with pytest.raises(KeyboardInterrupt):
        build_small_imagenet(photographs, tmp_path / "out")
    done = sorted((tmp_path / "out" / PARTS).iterdir())
    assert len(done) == 11
    done[0].write_bytes(done[0].read_bytes()[:-100])
    photographs.rename(tmp_path / "moved")
    build_small_imagenet(tmp_path / "moved", tmp_path / "out")
    assert len(read) == 50 + 220


def test_a_folder_that_does_not_do_is_refused_and_nothing_is_built(photographs, tmp_path):
    out = tmp_path / "out"
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match="no sub-folder with pictures is named by a WordNet id"):
            build_small_imagenet(folder, out)
        assert not out.exists()
    for path in (photographs / WORDNET_IDS[8]).iterdir():
        path.write_bytes(b"none")
    with pytest.raises(DataError, match="no picture of flowers: allowed are 1 or more of each class"):
        build_small_imagenet(photographs, out)
    assert names(out) == []


def test_a_folder_of_too_few_pictures(tmp_path):
    write_photographs(tmp_path / "photographs", each=5)
    with pytest.raises(DataError, match="5 pictures of a class at most: allowed are classes of 6 or more"):
        build_small_imagenet(tmp_path / "photographs", tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_a_result_that_cannot_be_written(photographs, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot be written"):
        build_small_imagenet(photographs, tmp_path / "file")


# Files that were built


def arrays():
    x, y = np.zeros((12, PIXELS), np.uint8), np.arange(12, dtype=np.uint8) % 10
    return {f"{name}_{split}": array for split in SPLITS for name, array in (("x", x), ("y", y))}


DAMAGE = {
    "no archive": (None, "not an .npz archive"),
    "a split is lacking": ({"x_test": None, "y_test": None}, "a split is missing"),
    "labels are lacking": ({"y_test": None}, "no array y_test"),
    "a wrong label": ({"y_test": np.full(12, 10)}, r"test: y\[0\] is 10: allowed are labels from 0 to 9"),
    "too few labels": ({"y_train": np.zeros(5, int)}, "train: y has shape"),
    "other pictures": (
        {"x_test": np.zeros((12, 784), np.uint8)},
        r"test: .* uint8 and shape \(12, 784\)",
    ),
    "other numbers": ({"x_train": np.zeros((12, PIXELS))}, "train: pictures of dtype float64"),
    "pickled objects": ({"x_train": np.array([{}] * 12)}, "never pickled objects"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_one_clear_line(tmp_path, kind):
    changes, message = DAMAGE[kind]
    path = tmp_path / FILE
    if changes is None:
        path.write_bytes(b"PK nothing")
    else:
        np.savez(path, **{name: array for name, array in (arrays() | changes).items() if array is not None})
    with pytest.raises(DataError, match=message) as caught:
        load_small_imagenet(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_description_of_a_damaged_file(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOROTLAB_DATA", str(tmp_path))
    path = Path(tmp_path / "small-imagenet" / FILE)
    path.parent.mkdir()
    path.write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=f"{path}: not a file made by 'glorotlab data build"):
        describe_dataset("small-imagenet")
