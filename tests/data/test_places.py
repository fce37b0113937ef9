"""Where a user's data lie is told by no run, and found again by the user who began it."""

import numpy as np
import pytest
from training_fixtures import arrays

from glorotlab.cli.main import main
from glorotlab.data import places
from glorotlab.errors import DataError
from glorotlab.training.loop import train
from glorotlab.training.runs.folder import DERIVED
from glorotlab.training.runs.run import load_run


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of secret place with a data file, and another to work in."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    data = tmp_path / "secret" / "own.npz"
    data.parent.mkdir()
    x, y = arrays(40)
    np.savez(data, x=x, y=y)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return data


def command(data, out="run"):
    return ["train", "6,4,3", "--dataset", str(data), "--updates", "2", "--out", str(out), "--quiet"]


def test_no_file_of_a_run_tells_where_the_data_lie(own, tmp_path, capsys):
    assert main(command(own)) == 0
    names = {path.name for path in (tmp_path / "work" / "run").iterdir()}
    assert names > set(DERIVED)
    for path in (tmp_path / "work" / "run").iterdir():
        assert b"secret" not in path.read_bytes(), path.name
    run = load_run("run")
    assert (run.spec.data, len(run.spec.data_digest)) == ("own.npz", 64)
    assert run.spec.content_hash == run.spec.model_copy(update={"data": str(own)}).content_hash


def test_a_run_is_found_and_repeated_from_anywhere(own, tmp_path, monkeypatch):
    """By the same command, by its spec in another folder, and by its spec in memory."""
    assert main(command(own)) == 0
    assert main(command(own)) == 0
    monkeypatch.chdir("/")
    work = tmp_path / "work"
    assert main(["train", str(work / "run" / "spec.toml"), "--out", str(work / "again"), "--quiet"]) == 0
    weights = {name: array.tobytes() for name, array in load_run(work / "run").weights.items()}
    for again in (load_run(work / "again"), train(load_run(work / "run").spec)):
        assert {name: array.tobytes() for name, array in again.weights.items()} == weights


def test_on_another_machine_the_file_is_found_where_it_is(own, tmp_path, monkeypatch):
    assert main(command(own)) == 0
    spec = load_run("run").spec
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    with pytest.raises(DataError, match=r"^own.npz: No such file.*; they are not where this run had them, so start it"):
        train(spec)
    monkeypatch.chdir(own.parent)
    assert train(spec).status == "finished"


def test_another_file_of_the_name_is_not_taken(own, tmp_path):
    """Not where the right one is remembered; and where it is gone, the digests are named."""
    assert main(command(own)) == 0
    spec = load_run("run").spec
    x, y = arrays(40, seed=1)
    np.savez("own.npz", x=x, y=y)
    assert train(spec).spec.data_digest == spec.data_digest
    own.unlink()
    with pytest.raises(DataError, match="is not the data of this spec"):
        train(spec)


def test_a_state_folder_that_cannot_be_written_costs_nothing(own, tmp_path):
    (tmp_path / "state").write_text("in the way")
    assert main(command(own)) == 0


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("own.npz", "own.npz"),
        ("data/own.npz", "data/own.npz"),
        ("/home/me/own.npz", "own.npz"),
        ("~/own.npz", "own.npz"),
        ("~me/own.npz", "own.npz"),
        ("../me/own.npz", "own.npz"),
        ("data/../../own.npz", "own.npz"),
    ],
)
def test_what_is_told_of_a_path(path, told):
    assert places.public_name(path) == told


def test_a_digest_that_is_none_leads_nowhere(own):
    for digest in ("", "../../secret/own.npz", "0" * 63, "0" * 64):
        assert places.recall(digest) is None
