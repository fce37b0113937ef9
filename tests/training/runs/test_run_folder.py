"""The folder a run leaves: read back equal, whole, never another's."""

import errno
import json
import os
import shutil
import tomllib

import numpy as np
import pytest
import xarray as xr
from training_fixtures import arrays, bits, contents, finite, run_spec, stop_after

from glorotlab import files, netcdf
from glorotlab.errors import RunError
from glorotlab.spec.run import RunSpec
from glorotlab.training import loop
from glorotlab.training.loop import train
from glorotlab.training.runs import provenance
from glorotlab.training.runs.run import Run, load_run

FILES = {
    "checkpoint.npz",
    "spec.toml",
    "statistics.nc",
    "histograms.nc",
    "curves.nc",
    "provenance.json",
    "status.json",
}
DATA = finite()


def trained(folder, **fields):
    return train(run_spec(**fields), folder, dataset=DATA)


def refused(root, name="", **fields):
    """Return the one line of a refusal to train in root / name, having seen that it left root as it was."""
    before = contents(root)
    with pytest.raises(RunError) as caught:
        trained(root / name, **fields)
    assert len(str(caught.value).splitlines()) == 1
    assert contents(root) == before
    return str(caught.value)


def weights(run):
    return {name: array.tobytes() for name, array in run.weights.items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run and its folder; copy it before changing it."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    return trained(folder), folder


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished[1], tmp_path / "copy")


# what is written


def test_a_run_comes_back_as_it_was(finished):
    run, folder = finished
    found = load_run(str(folder))
    assert {path.name for path in folder.iterdir()} == FILES
    assert (found.spec, found.status, found.updates, found.folder) == (run.spec, "finished", 23, folder)
    assert found.provenance == run.provenance
    for name in ("statistics", "histograms", "curves"):
        xr.testing.assert_identical(getattr(found, name), getattr(run, name))
    assert weights(found) == weights(run)
    x, _ = DATA.test.batch(0, 20)
    np.testing.assert_array_equal(found.network().forward(x).output, run.network().forward(x).output)
    assert "finished after 23 updates" in found._repr_html_()


def test_the_spec_is_plain_toml(finished):
    run, folder = finished
    text = (folder / "spec.toml").read_text()
    assert tomllib.loads(text)["training"]["updates"] == 23
    assert RunSpec.from_toml(text) == run.spec
    assert run.spec.data_digest == DATA.digest


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_weights_are_plain_arrays(tmp_path, dtype):
    run = trained(tmp_path / "run", dtype=dtype, momentum=0.5)
    with np.load(tmp_path / "run" / "checkpoint.npz", allow_pickle=False) as stored:
        names = [f"{kind}_{layer}" for kind in ("bias", "weight") for layer in (1, 2, 3)]
        assert set(names) == set(run.weights)
        assert {f"{kind}_velocity_{layer}" for kind in ("bias", "weight") for layer in (1, 2, 3)} < set(stored.files)
        for name in names:
            assert stored[name].dtype == dtype
            np.testing.assert_array_equal(stored[name], run.weights[name])
    assert weights(load_run(tmp_path / "run")) == weights(run)


@pytest.mark.parametrize("name", ["statistics", "histograms", "curves"])
def test_netcdf_opens_with_xarray_alone(finished, name):
    run, folder = finished
    with xr.open_dataset(folder / f"{name}.nc", engine="scipy") as found:
        xr.testing.assert_equal(found.load(), getattr(run, name))
        assert found["step"].dtype.kind == "i"
        assert found["step"].attrs["long_name"] == "mini-batch updates done"
    xr.testing.assert_identical(netcdf.read(folder / f"{name}.nc"), getattr(run, name))


def test_provenance_names_versions_and_machine(finished):
    run, folder = finished
    (stored,) = json.loads((folder / "provenance.json").read_text())
    assert {"glorotlab", "numpy", "scipy", "xarray", "python", "git", "simd", "threads", "processor"} <= set(stored)
    assert stored["numpy"] == np.__version__
    assert (stored["from_update"], stored["pid"]) == (0, os.getpid())
    assert [stored] == run.provenance
    assert run.seconds > 0


def test_provenance_knows_the_git_state_of_this_package_alone(tmp_path, monkeypatch):
    """A stand-in for git, so that the test needs none."""
    package = os.fspath(provenance.Path(provenance.__file__).resolve().parents[2])
    answers = {"rev-parse --show-toplevel": package, "rev-parse HEAD": "0" * 40}
    monkeypatch.setattr(provenance, "_git", lambda folder, *arguments: answers.get(" ".join(arguments), " M a.py"))
    ask = provenance._git_state.__wrapped__
    assert ask() == {"commit": "0" * 40, "modified": True}
    answers["rev-parse --show-toplevel"] = str(tmp_path)
    assert ask() is None, "the repository of somebody else's project"
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask() is None, "no git"


def test_the_weights_of_a_run_are_its_own(finished):
    """Training the network of a run on does not reach the run."""
    before = weights(finished[0])
    finished[0].network().train_step(*DATA.train.batch(0, 5), 0.1)
    assert weights(finished[0]) == before


# whose folder it is


def test_a_finished_run_is_not_trained_again(copy, monkeypatch):
    before = contents(copy)
    monkeypatch.setattr(loop, "Network", None)
    found = trained(copy)
    assert (found.status, found.folder) == ("finished", copy)
    assert contents(copy) == before
    with pytest.raises(TypeError):  # so that the line above does prove it
        trained(copy.parent / "new")


@pytest.mark.parametrize(
    "fields",
    [{"seed": 1}, {"updates": 24}, {"learning_rate": 0.2}, {"dtype": "float64"}, {"layers": "6,12,3"}, {"l2": 1e-9}],
    ids=str,
)
def test_another_spec_is_refused_and_nothing_changed(copy, fields):
    (name,) = fields
    message = refused(copy, **fields)
    assert "holds a run of another spec" in message
    field = {"layers": "network.layer_sizes", "seed": "seed", "dtype": "dtype"}.get(name, f"training.{name}")
    was = {"updates": "23", "learning_rate": "0.1", "dtype": "'float32'", "layers": "[6, 12, 11, 3]", "l2": "0.0"}
    assert f"({field} is {was.get(name, '0')} there, " in message
    assert message.count(" there, ") == 1, "a field that does not differ"


def test_other_data_are_another_spec(copy):
    before = contents(copy)
    with pytest.raises(RunError, match="holds a run of another spec"):
        train(run_spec(), copy, dataset=finite(count=48))
    assert contents(copy) == before


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "spec.toml", "status.json", "sub/weights.npz"])
def test_a_folder_of_other_files_is_refused_and_untouched(tmp_path, name):
    path = tmp_path / "mine" / name
    path.parent.mkdir(parents=True)
    path.write_text("my own work")
    refused(tmp_path / "mine")


def test_an_empty_folder_is_taken(tmp_path):
    assert trained(tmp_path).folder == tmp_path
    assert load_run(tmp_path).status == "finished"


def test_folders_are_made_on_the_way(tmp_path):
    assert trained(tmp_path / "a" / "b" / "c").status == "finished"


def test_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained(".")
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert load_run(".").status == "finished"


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run = trained("~/runs/a")
    assert run.folder == tmp_path / "runs" / "a"
    assert load_run("~/runs/a").status == "finished"
    assert not (tmp_path / "~").exists()
    for use in (trained, load_run):
        with pytest.raises(RunError, match="no_such_user"):
            use("~no_such_user_at_all/run")


@pytest.mark.parametrize("below", ["", "run", "a/run"])
def test_a_file_in_the_way_is_refused_before_training(tmp_path, monkeypatch, below):
    monkeypatch.setattr(loop._Loop, "run", None)
    (tmp_path / "file").write_text("here")
    assert "file" in refused(tmp_path, f"file/{below}" if below else "file")


@pytest.mark.parametrize("name", ["a\0b", "a" * 300])
def test_a_name_no_folder_can_have(tmp_path, name):
    refused(tmp_path, name)


@pytest.mark.parametrize("method", ["exists", "iterdir", "mkdir"])
def test_a_folder_without_permission_is_refused_before_training(tmp_path, monkeypatch, method):
    """Stood in for, as tests may run as root."""
    monkeypatch.setattr(loop._Loop, "run", None)

    def denied(self, *arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(files.Path, method, denied)
        with pytest.raises(RunError, match="Permission denied") as caught:
            trained(tmp_path if method == "iterdir" else tmp_path / "run")
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


# a damaged folder


def damaged(folder):
    with pytest.raises(RunError) as caught:
        load_run(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("share", [0, 0.01, 0.2, 0.5, 0.9, 0.99, 0.9999])
def test_a_truncated_checkpoint_is_one_clear_line(copy, share):
    path = copy / "checkpoint.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    damaged(copy)
    refused(copy)


@pytest.mark.parametrize(
    "content", [b"\0" * 64, b"\xff\xfe\xfa", b"CDF\x01", b"PK\x03\x04", b"[[]", b"{", b"x\n\ny"], ids=repr
)
def test_a_checkpoint_of_something_else_is_one_clear_line(copy, content):
    (copy / "checkpoint.npz").write_bytes(content)
    damaged(copy)


def test_a_missing_checkpoint_is_one_clear_line(copy):
    (copy / "checkpoint.npz").unlink()
    damaged(copy)
    refused(copy)
    (copy / "checkpoint.npz").mkdir()
    damaged(copy)


@pytest.mark.parametrize("name", sorted(FILES - {"checkpoint.npz"}))
def test_a_derived_file_is_made_again(copy, finished, name):
    """As a kill after the last checkpoint leaves it; the run is read without it."""
    before = contents(copy)
    (copy / name).unlink()
    assert bits(load_run(copy)) == bits(finished[0])
    assert bits(trained(copy)) == bits(finished[0])
    assert {path: content for path, (content, _) in contents(copy).items()} == {
        path: content for path, (content, _) in before.items()
    }


@pytest.mark.parametrize("status", ["[1]", '{"status": "running", "updates": 5}', '{"status": "great"}', "{}", ""])
def test_a_status_that_is_behind_or_damaged_is_made_again(copy, status):
    before = (copy / "status.json").read_text()
    (copy / "status.json").write_text(status)
    assert trained(copy).status == "finished"
    assert (copy / "status.json").read_text() == before


def rewrite(folder, header=None, **changed):
    """Write a checkpoint again, whole, with other content."""
    with np.load(folder / "checkpoint.npz", allow_pickle=False) as stored:
        found = {name: stored[name] for name in stored.files}
    text = json.loads(found["header"].tobytes()) | (header or {})
    found |= {"header": np.frombuffer(json.dumps(text).encode(), np.uint8)} | changed
    np.savez(folder / "checkpoint.npz", **{name: array for name, array in found.items() if array is not None})


@pytest.mark.parametrize(
    "changed",
    [
        {"weight_2": None},
        {"bias_3": None},
        {"weight_1": np.zeros((6, 13), "f")},
        {"weight_1": np.zeros((6, 12))},
        {"weight_4": np.zeros((3, 3), "f")},
        {"bias_1": np.array([{}] * 12, dtype=object)},
        {"weight_velocity_1": np.zeros((6, 12), "f")},
        {"steps": None},
        {"curves": np.zeros((3, 3))},
        {"statistics/activation_mean": np.zeros((1, 3))},
        {"statistics/activation_mean": np.zeros((3, 3))},
        {"recent_costs": None},
        {"recent_costs": np.zeros((2, 2))},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_arrays_of_another_run_are_damage(copy, changed):
    rewrite(copy, **changed)
    damaged(copy)


@pytest.mark.parametrize(
    "header", [{"status": "great"}, {"updates": 24}, {"updates": -1}, {"spec": {}}, {"sessions": 1}]
)
def test_a_header_that_makes_no_sense_is_damage(copy, header):
    rewrite(copy, header)
    damaged(copy)


def test_a_newer_format_says_so(copy):
    rewrite(copy, {"format": 2, "glorotlab": "9.9", "spec": {"something": "else"}})
    with pytest.raises(RunError, match=r"run format 2, of glorotlab 9\.9; this version reads 1"):
        load_run(copy)


def test_a_run_from_before_checkpoints_says_so(tmp_path):
    for name in ("spec.toml", "status.json", "weights.npz", "statistics.nc"):
        (tmp_path / name).write_text("")
    with pytest.raises(RunError, match="a run of format 0, which has no checkpoint; this version reads 1"):
        load_run(tmp_path)
    assert "format 0" in refused(tmp_path)


def test_a_spec_of_fewer_fields_has_their_defaults(copy, finished):
    """A checkpoint of before a field was added opens, and is the same run."""
    spec = finished[0].spec.model_dump(mode="json")
    del spec["training"]["l2"], spec["dtype"]
    rewrite(copy, {"spec": spec})
    assert load_run(copy).spec == finished[0].spec
    assert trained(copy).status == "finished"


def test_what_is_no_run_folder_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("here")
    np.savez(tmp_path / "own.npz", x=arrays(5)[0])
    for path in ("", "none", "file", "own.npz", "file/below", "a\0b", "a" * 300):
        with pytest.raises(RunError) as caught:
            load_run(tmp_path / path)
        assert len(str(caught.value).splitlines()) == 1


def test_flipped_bytes_never_escape(copy, finished):
    """Damage is a RunError or, in bytes that mean nothing, harmless: never a traceback, never another number."""
    rng, path, refusals = np.random.default_rng(0), copy / "checkpoint.npz", 0
    content, expected = path.read_bytes(), bits(finished[0])
    for _ in range(200):
        broken = bytearray(content)
        place = rng.integers(len(content))
        broken[place] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        try:
            assert bits(load_run(copy)) == expected, place
        except RunError as error:
            refusals += 1
            assert len(str(error).splitlines()) == 1  # noqa: PT017
    assert refusals > 100


def test_a_run_that_is_not_ended_and_has_no_owner_is_interrupted(tmp_path, each_update_reported):
    with pytest.raises(KeyboardInterrupt):
        train(run_spec(), tmp_path / "run", dataset=DATA, progress=stop_after(4))
    rewrite(tmp_path / "run", {"status": "running"})
    assert load_run(tmp_path / "run").status == "interrupted"
    assert isinstance(load_run(tmp_path / "run"), Run)
