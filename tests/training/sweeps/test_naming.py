"""Names of run folders: what varies, and which run it is; a run keeps the folder it has."""

import concurrent.futures as cf
import json
import re
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_fixtures import own_data, sessions, sweep_spec
from training_fixtures import arrays, contents, stop_after

from glorotlab.data.dataset import Dataset
from glorotlab.training.loop import train
from glorotlab.training.sweeps import plan as planning
from glorotlab.training.sweeps.naming import LONGEST, RunFolders, folder_name
from glorotlab.training.sweeps.plan import plan
from glorotlab.training.sweeps.results import load_sweep
from glorotlab.training.sweeps.sweep import sweep

HASH = "0123456789abcdef" * 4


@pytest.fixture
def data(tmp_path):
    return own_data(tmp_path)


@pytest.fixture
def executor():
    with cf.ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"learning_rate": 0.1, "seed": 3}, "learning_rate=0.1,seed=3"),
        ({"layers": "6,2x4,3", "nesterov": True}, "layers=6-2x4-3,nesterov=True"),
        ({"case": "tanh N / ../x"}, "case=tanh-N-..-x"),
        (
            {"initializer": "normal(std=0.05)", "learning_rate": 1e-05},
            "initializer=normal-std-0.05,learning_rate=1e-05",
        ),
        ({"data": "/home/me/own.npz", "seed": 1}, "data=own.npz,seed=1"),
        ({}, "run"),
        ({"case": "\x1b[31m"}, "case=31m"),
    ],
)
def test_a_name_says_what_varies(labels, name):
    assert folder_name(labels, HASH) == f"{name}-0123456789ab"


@given(
    st.dictionaries(st.sampled_from(["case", "layers", "activation", "l2"]), st.text() | st.floats(0, 1), max_size=4)
)
def test_any_labels_make_a_name_that_files_can_have_and_that_says_which_run_it_is(labels):
    name = folder_name(labels, HASH)
    assert re.fullmatch(rf"[a-z][A-Za-z0-9.+_=,-]{{2,{LONGEST - 1}}}-0123456789ab", name)


def test_folders_of_both_kinds_are_found_and_the_own_name_comes_first(tmp_path):
    for name in (
        "0123456789abcdef",
        "l2=0-aaaaaaaaaaaa",
        "a copy-l2=1-bbbbbbbbbbbb",
        "l2=1-bbbbbbbbbbbb",
        "cccccccccccc",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / "l2=0-dddddddddddd").write_text("no folder")
    folders = RunFolders(tmp_path)
    assert folders.name({"l2": 0}, HASH) == "0123456789abcdef"
    assert folders.name({"seed": 1}, "a" * 64) == "l2=0-aaaaaaaaaaaa"
    assert folders.name({"l2": 1}, "b" * 64) == "l2=1-bbbbbbbbbbbb"
    assert folders.name({"seed": 7}, "b" * 64) == "l2=1-bbbbbbbbbbbb", "the same for equal content"
    assert folders.name({"l2": 0}, "d" * 64) == "l2=0-dddddddddddd"
    assert folders.name({"l2": 0}, "e" * 64) == "l2=0-eeeeeeeeeeee"
    assert folders.name({"l2": 1}, "e" * 64) == "l2=0-eeeeeeeeeeee", "of two labels the first"


@pytest.mark.usefixtures("each_update_reported")
def test_a_sweep_whose_folders_have_the_names_of_earlier_versions_is_read_and_resumed(tmp_path, data, executor):
    """One run has ended, one was interrupted, one is missing; the file of the sweep is as it was then."""
    spec, out = sweep_spec(data, repeats=3), tmp_path / "out"
    points = plan(spec)
    before = [point.spec.content_hash[:16] for point in points]
    train(points[0].spec, out / before[0])
    with pytest.raises(KeyboardInterrupt):
        train(points[1].spec, out / before[1], progress=stop_after(5))
    (out / "sweep.json").write_text(json.dumps({"format": 1, "sweep": spec.model_dump(mode="json"), "runs": before}))
    ended = contents(out / before[0])
    assert load_sweep(out).final()["status"].values.tolist() == ["finished", "missing", "missing"]
    results = sweep(spec, out, executor=executor)
    assert results.runs == [*before[:2], points[2].run]
    assert contents(out / before[0]) == ended
    assert sessions(results) == {before[0]: [0], before[1]: [0, 5], points[2].run: [0]}


@pytest.mark.parametrize("where", ["run", "grid", "cases"])
def test_nothing_in_the_folder_tells_where_the_data_lie(tmp_path, executor, where):
    """Two files of one name in two folders; no file and no name below the sweep's folder has the path of either."""
    paths = []
    for name in ("secret_a", "secret_b"):
        (tmp_path / name).mkdir()
        paths.append(own_data(tmp_path / name))
    x, y = arrays(60, seed=1)
    np.savez(paths[1], x=x, y=y)
    given = {
        "run": {"repeats": 2},
        "grid": {"grid": {"data": paths}},
        "cases": {"cases": [{"name": str(place), "data": path} for place, path in enumerate(paths)]},
    }[where]
    results = sweep(sweep_spec(paths[0], **given), tmp_path / "out", executor=executor)
    assert (results.errors, len(set(results.runs))) == ({}, 2)
    opened = load_sweep(tmp_path / "out")
    opened.final().to_netcdf(tmp_path / "out" / "final.nc", engine="scipy")
    for path in (tmp_path / "out").rglob("*"):
        assert "secret" not in str(path.relative_to(tmp_path))
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                assert not any(b"secret" in archive.read(name) for name in archive.namelist())
        elif path.is_file():
            assert b"secret" not in path.read_bytes()
    assert opened.final()["status"].values.tolist() == ["finished"] * 2
    assert sweep(results.spec, tmp_path / "out", executor=executor).runs == opened.runs, "and nothing is made again"


def test_a_run_that_two_sweeps_share_keeps_its_first_name(tmp_path, data, executor):
    first = sweep(sweep_spec(data, grid={"learning_rate": [0.1, 0.2]}), tmp_path / "out", executor=executor)
    assert [re.sub("-[0-9a-f]{12}$", "", name) for name in first.runs] == ["learning_rate=0.1", "learning_rate=0.2"]
    grid = {"l2": [0.0, 0.5], "learning_rate": [0.2]}
    second = sweep(sweep_spec(data, grid=grid), tmp_path / "out", executor=executor)
    assert second.runs[0] == first.runs[1]
    assert second.runs[1].startswith("l2=0.5,learning_rate=0.2-")


def test_a_file_is_read_once_whatever_the_number_of_seeds(data, monkeypatch):
    """Its split depends on the seed, and so does what it is identified by."""
    read = []
    monkeypatch.setattr(planning, "read_npz", lambda name, real=planning.read_npz: read.append(name) or real(name))
    points = plan(sweep_spec(data, repeats=5))
    assert read == [str(data)]
    digests = {point.spec.seed: point.spec.data_digest for point in points}
    assert digests == {seed: Dataset.from_npz(data, seed=seed).digest for seed in digests}
    assert len(set(digests.values())) == 5
