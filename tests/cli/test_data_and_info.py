"""glorotlab data and info."""

import numpy as np
import pytest
from command_line import parsed, python
from photographs import WORDNET_IDS, write_photographs
from PIL import Image

import glorotlab
from glorotlab.cli.main import main
from glorotlab.data.catalogue import load_dataset
from glorotlab.data.imagenet_classes import CLASS_NAMES
from glorotlab.data.small_imagenet import FILE
from glorotlab.kernels import best_level, simd


def test_data_list_and_show(run, monkeypatch, tmp_path):
    monkeypatch.setenv("GLOROTLAB_DATA", str(tmp_path))
    assert "shapeset" in run("data", "list")
    shapeset, mnist, *others = parsed(run("data", "list", "--json"))["datasets"]
    assert (shapeset["name"], shapeset["fan_in"], shapeset["train"], shapeset["test"]) == (
        "shapeset",
        1024,
        None,
        10_000,
    )
    assert [data["name"] for data in (mnist, *others)] == ["mnist", "cifar10", "small-imagenet"]
    found = parsed(run("data", "show", "shapeset", "--json"))["first_training_examples"]
    x, y = load_dataset("shapeset").train.batch(0, 1000)
    assert found["second_moment"] == pytest.approx(float((x.astype(np.float64) ** 2).mean()))
    assert found["class_counts"] == np.bincount(y, minlength=9).tolist()
    assert "1024 inputs, 9 classes" in run("data", "show", "shapeset")


def test_data_shows_the_users_own_file(run, tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, x=np.arange(24, dtype=np.float32).reshape(12, 2), y=np.arange(12) % 3)
    assert run("data", "path", path) == f"{path}\n"
    found = parsed(run("data", "show", path, "--json"))
    assert (found["fan_in"], found["classes"], found["train"]) == (2, 3, 8)
    measured = parsed(run("measure", "2,4,3", "--dataset", path, "--examples", 2, "--seeds", 2, "--json"))
    assert measured["data"]["dataset"] == str(path)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_data_fetch_prints_the_folder(run, monkeypatch, tmp_path, name):
    monkeypatch.setattr(f"glorotlab.data.fetch.fetch_{name}", lambda: tmp_path)
    assert run("data", "fetch", name) == f"{tmp_path}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fetch", "shapeset"), "'shapeset' is not fetched: allowed are mnist, cifar10"),
        (("fetch", "small-imagenet"), "'small-imagenet' is not fetched: allowed are mnist, cifar10"),
        (("build", "mnist", "--from", "x"), "'mnist' is not built: allowed is small-imagenet"),
        (("build", "minst", "--from", "x"), "unknown dataset 'minst'"),
        (("show", "shapeset", "--out", "none/sheet.png"), "cannot write 'none/sheet.png'"),
    ],
)
def test_data_that_are_not_fetched_built_or_drawn(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["data", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_data_build_counts_and_names_what_it_leaves_out(capsys, tmp_path, monkeypatch):
    photographs, out = tmp_path / "photographs", tmp_path / "small-imagenet"
    write_photographs(photographs)
    (photographs / WORDNET_IDS[3] / "text.JPEG").write_bytes(b"no picture")
    (photographs / WORDNET_IDS[4] / "copy.png").write_bytes((photographs / WORDNET_IDS[3] / "0.png").read_bytes())
    monkeypatch.setenv("GLOROTLAB_DATA", str(tmp_path))
    assert main(["data", "build", "small-imagenet", "--from", str(photographs), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out / FILE}\n"
    assert captured.err.splitlines() == [
        "left out, no pictures: 1 files",
        f"  {WORDNET_IDS[3]}/text.JPEG",
        "left out, already there under another name: 1 files",
        f"  {WORDNET_IDS[4]}/copy.png",
        "train 180, validation 20, test 20",
        ", ".join(f"{kind} 22" for kind in CLASS_NAMES),
    ]


def test_data_show_writes_a_contact_sheet(capsys, tmp_path):
    out = tmp_path / "sheet.png"
    assert main(["data", "show", "shapeset", "--out", str(out), "--json"]) == 0
    captured = capsys.readouterr()
    assert parsed(captured.out)["name"] == "shapeset"
    assert captured.err == f"{out}\n"
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 300


def test_info_names_the_machine_and_the_build(run):
    found = parsed(run("info", "--json"))
    assert (found["glorotlab"], found["numpy"]) == (glorotlab.__version__, np.__version__)
    assert isinstance(found["openmp"], bool)
    assert found["threads"] >= 1
    assert found["cython"].count(".") == 2
    assert all({"internal_api", "version"} <= blas.keys() for blas in found["blas"])
    level, levels = found["simd"].split(" of ")
    assert (level, tuple(levels.split(", "))) == (simd.get_level(), simd.LEVELS)
    assert found["simd_reason"] == best_level.reason() != ""
    text = run("info")
    assert f"simd reason   {best_level.reason()}" in text
    assert f"openmp        {'on' if found['openmp'] else 'off'}" in text


def test_kernels_that_say_openmp_have_loaded_it():
    program = (
        "from threadpoolctl import threadpool_info\n"
        "import glorotlab.kernels.network.dense\nfrom glorotlab.kernels.build_info import openmp\n"
        "loaded = any(item['user_api'] == 'openmp' for item in threadpool_info())\nassert loaded or not openmp"
    )
    assert python("-c", program).returncode == 0
