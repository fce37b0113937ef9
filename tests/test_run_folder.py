"""The folder a run leaves: whole or not there, read back equal, never another's, whatever stops it."""

import dataclasses
import errno
import itertools
import json
import os
import shutil
import signal
import threading
import tomllib

import numpy as np
import pytest
import xarray as xr
from training_fixtures import arrays, finite, run_spec

from glorotlab.errors import RunError
from glorotlab.kernels import dense
from glorotlab.spec.run import RunSpec
from glorotlab.training import files, loop
from glorotlab.training.interrupts import held_interrupts
from glorotlab.training.loop import train
from glorotlab.training.run import Run, load_run, write_status

FILES = {
    "spec.toml",
    "statistics.nc",
    "histograms.nc",
    "curves.nc",
    "weights.npz",
    "provenance.json",
    "status.json",
}
DATA = finite()


def trained(folder, **fields):
    return train(run_spec(**fields), folder, dataset=DATA)


def contents(folder):
    """Every path below a folder, its bytes and its times."""
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else None, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


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
    run = trained(tmp_path / "run", dtype=dtype)
    with np.load(tmp_path / "run" / "weights.npz", allow_pickle=False) as stored:
        assert sorted(stored.files) == ["bias_1", "bias_2", "bias_3", "weight_1", "weight_2", "weight_3"]
        for name in stored.files:
            assert stored[name].dtype == dtype
            np.testing.assert_array_equal(stored[name], run.weights[name])
    assert weights(load_run(tmp_path / "run")) == weights(run)


@pytest.mark.parametrize("name", ["statistics", "histograms", "curves"])
def test_netcdf_opens_with_xarray_alone(finished, name):
    run, folder = finished
    with xr.open_dataset(folder / f"{name}.nc", engine="scipy") as found:
        xr.testing.assert_identical(found.load(), getattr(run, name))


def test_provenance_names_versions_and_times(finished):
    stored = json.loads((finished[1] / "provenance.json").read_text())
    assert {"glorotlab", "numpy", "scipy", "xarray", "python", "machine", "threads", "started", "seconds"} <= set(
        stored
    )
    assert stored["numpy"] == np.__version__
    assert stored["seconds"] >= 0


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
    assert "holds a run of another spec" in refused(copy, **fields)


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


def test_a_run_that_was_killed_begins_again(copy):
    """As it stands after a kill in the middle, and before its first status."""
    expected = weights(load_run(copy))
    write_status(copy, "running", 0)
    with pytest.raises(RunError, match="has saved nothing yet"):
        load_run(copy)
    assert weights(trained(copy)) == expected
    for path in copy.iterdir():
        if path.name != "spec.toml":
            path.unlink()
    assert weights(trained(copy)) == expected
    assert load_run(copy).status == "finished"


# what stops it


def stop_after(step):
    def progress(done, total):
        if done == step:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("step", [1, 7, 23])
def test_an_interrupted_run_is_saved_and_the_interrupt_raised_again(tmp_path, step):
    with pytest.raises(KeyboardInterrupt):
        train(run_spec(monitor_every=5), tmp_path / "run", dataset=DATA, progress=stop_after(step))
    found = load_run(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    assert (found.status, found.updates) == ("interrupted", step)
    assert weights(found) == weights(trained(None, updates=step))
    assert found.statistics.step.values.tolist() == list(range(0, step, 5)) + [23] * (step == 23)
    assert found.histograms.sizes["step"] == 2
    assert "interrupted" in found._repr_html_()
    with pytest.raises(RunError, match=f"interrupted after {step} of 23 updates"):
        trained(tmp_path / "run", monitor_every=5)
    assert weights(load_run(tmp_path / "run")) == weights(found)


def test_an_interrupt_without_a_folder_is_just_that(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(run_spec(), dataset=DATA, progress=stop_after(2))
    assert list(tmp_path.iterdir()) == []


def press_in(monkeypatch, owner, name, call):
    """Press Ctrl-C inside the given call of a function."""
    inner, calls = getattr(owner, name), []

    def pressed(*arguments, **options):
        calls.append(name)
        if len(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return inner(*arguments, **options)

    monkeypatch.setattr(owner, name, pressed)


def test_ctrl_c_inside_an_update_waits_for_its_end(tmp_path, monkeypatch):
    """In the second of three layers of the third update: the layers of one update never part."""
    with monkeypatch.context() as patch:
        press_in(patch, dense, "backward_update", 8)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "run")
    found = load_run(tmp_path / "run")
    assert (found.status, found.updates) == ("interrupted", 3)
    assert weights(found) == weights(trained(None, updates=3))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (loop.StatisticsMonitor, "histogram_dataset"),
        (loop.StatisticsMonitor, "statistics"),
        (loop, "weights_of"),
        (files, "write_dataset"),
        (files, "write_arrays"),
        (files.os, "fsync"),
        (files.os, "replace"),
    ],
    ids=lambda value: str(getattr(value, "__name__", value)),
)
def test_ctrl_c_while_the_run_is_written_loses_nothing(tmp_path, monkeypatch, owner, name):
    with monkeypatch.context() as patch:
        press_in(patch, owner, name, 1)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "run")
    found = load_run(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    assert found.status in ("finished", "interrupted")
    assert weights(found) == weights(trained(None, updates=found.updates))


def test_ctrl_c_while_an_interrupted_run_is_written_waits(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        press_in(patch, files, "write_dataset", 2)
        with pytest.raises(KeyboardInterrupt):
            train(run_spec(), tmp_path / "run", dataset=DATA, progress=stop_after(4))
    assert (load_run(tmp_path / "run").status, load_run(tmp_path / "run").updates) == ("interrupted", 4)


def test_training_beside_the_main_thread_leaves_signals_alone(tmp_path):
    runs = []
    thread = threading.Thread(target=lambda: runs.append(trained(tmp_path / "run")))
    thread.start()
    thread.join(60)
    assert runs[0].status == "finished"


def test_a_handler_of_the_users_own_is_left_alone(monkeypatch):
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append("theirs"))
    try:
        with held_interrupts() as release:
            signal.raise_signal(signal.SIGINT)
            release()
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == ["theirs"]


def test_an_interrupt_is_raised_once_when_released_and_at_the_end():
    def work(seen):
        with held_interrupts() as release:
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                release()
            release()
            signal.raise_signal(signal.SIGINT)
            seen.append("to the end")

    seen = []
    with pytest.raises(KeyboardInterrupt):
        work(seen)
    assert seen == ["to the end"]


def full_at(nth, inner):
    """Return a function that finds the disk full at its nth call."""
    calls = itertools.count(1)

    def full(*arguments):
        if next(calls) == nth:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return inner(*arguments)

    return full


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_never_leaves_a_run_that_says_it_is_whole(tmp_path, monkeypatch, failing):
    """At the first file, the second, ... until none fails; what is there is whole."""
    for nth in range(1, 20):
        folder = tmp_path / f"{failing}{nth}"
        with monkeypatch.context() as patch:
            patch.setattr(files.os, failing, full_at(nth, getattr(os, failing)))
            try:
                trained(folder, updates=2)
            except RunError as error:
                assert "No space left on device" in str(error)  # noqa: PT017
                assert len(str(error).splitlines()) == 1  # noqa: PT017
            else:
                break
        assert {path.name for path in folder.iterdir()} <= FILES, "a temporary file is left"
        with pytest.raises(RunError):
            load_run(folder)
        assert trained(folder, updates=2).status == "finished"
    assert nth > len(FILES)
    assert load_run(folder).status == "finished"


def test_saving_over_a_run_unsays_its_status_first(copy, monkeypatch):
    run = dataclasses.replace(load_run(copy), updates=5)
    monkeypatch.setattr(files, "write_arrays", lambda *_: (_ for _ in ()).throw(RunError("full")))
    with pytest.raises(RunError, match="full"):
        run.save(copy)
    with pytest.raises(RunError, match="has saved nothing yet"):
        load_run(copy)


# a file written whole


@pytest.mark.parametrize("failing", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), OSError("odd"), KeyboardInterrupt()], ids=repr
)
def test_a_file_not_written_leaves_the_old_one_alone(tmp_path, monkeypatch, failing, error):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*arguments):
        raise error

    monkeypatch.setattr(files.os, failing, fail)
    with pytest.raises(RunError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
        files.write_whole(path, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"
    if isinstance(error, OSError):
        assert str(caught.value) == f"cannot write {str(path)!r}: {error.strerror or error}"


def test_a_file_is_renamed_into_place_after_it_is_on_disk(tmp_path, monkeypatch):
    order = []
    for name in ("fsync", "replace"):
        inner = getattr(os, name)
        monkeypatch.setattr(files.os, name, lambda *a, name=name, inner=inner: (order.append(name), inner(*a)))
    files.write_whole(tmp_path / "file", b"bytes")
    assert order == ["fsync", "replace"]
    assert (tmp_path / "file").read_bytes() == b"bytes"


# a damaged folder


def damaged(folder):
    with pytest.raises(RunError) as caught:
        load_run(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("share", [0, 0.01, 0.2, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_one_clear_line(copy, name, share):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(share * len(content))])
    damaged(copy)


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize(
    "content", [b"\0" * 64, b"\xff\xfe\xfa", b"CDF\x01", b"PK\x03\x04", b"[[]", b"{", b"x\n\ny"], ids=repr
)
def test_a_file_of_something_else_is_one_clear_line(copy, name, content):
    (copy / name).write_bytes(content)
    damaged(copy)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_one_clear_line(copy, name):
    (copy / name).unlink()
    damaged(copy)
    (copy / name).mkdir()
    damaged(copy)


@pytest.mark.parametrize(
    "status", ['{"status": "great", "updates": 1}', '{"status": "finished"}', '{"status": 1, "updates": "x"}', "[1]"]
)
def test_an_unknown_status_is_damage(copy, status):
    (copy / "status.json").write_text(status)
    damaged(copy)


def stored(run, **changed):
    return {name: array for name, array in (run.weights | changed).items() if array is not None}


@pytest.mark.parametrize(
    "changed",
    [
        {"weight_2": None},
        {"bias_3": None},
        {"weight_1": np.zeros((6, 13), "f")},
        {"weight_1": np.zeros((6, 12))},
        {"weight_4": np.zeros((3, 3), "f")},
        {"bias_1": np.array([{}] * 12, dtype=object)},
    ],
    ids=["missing", "missing-bias", "shape", "dtype", "more", "pickled"],
)
def test_weights_of_another_network_are_damage(copy, finished, changed):
    np.savez(copy / "weights.npz", **stored(finished[0], **changed))
    damaged(copy)


def test_what_is_no_run_folder_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("here")
    np.savez(tmp_path / "own.npz", x=arrays(5)[0])
    for path in ("", "none", "file", "own.npz", "file/below", "a\0b", "a" * 300):
        with pytest.raises(RunError) as caught:
            load_run(tmp_path / path)
        assert len(str(caught.value).splitlines()) == 1


def test_flipped_bytes_never_escape(copy):
    """What reads as a run after damage may be one; anything else is a RunError, never a traceback."""
    rng = np.random.default_rng(0)
    for name in ("statistics.nc", "weights.npz", "status.json", "curves.nc"):
        content = (copy / name).read_bytes()
        for _ in range(60):
            broken = bytearray(content)
            for place in rng.integers(min(len(content), 4000), size=3):
                broken[place] = rng.integers(256)
            (copy / name).write_bytes(broken)
            try:
                assert isinstance(load_run(copy), Run)
            except RunError as error:
                assert len(str(error).splitlines()) == 1  # noqa: PT017
        (copy / name).write_bytes(content)
