"""Sweeps on this machine: each run once, whatever happens to the others; results as one dataset."""

import concurrent.futures as cf
import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import xarray as xr
from sweep_fixtures import everything, own_data, sessions, sweep_spec, toml
from training_fixtures import ENVIRONMENT, bits, contents, stop_after

from glorotlab.cli.main import main
from glorotlab.errors import InvalidValueError, RunError
from glorotlab.kernels import simd
from glorotlab.training.error_curves import COST_WINDOW
from glorotlab.training.loop import train
from glorotlab.training.runs import lock
from glorotlab.training.runs.lock import Lock
from glorotlab.training.runs.run import load_run
from glorotlab.training.runs.status import read_status
from glorotlab.training.sweeps import sweep as sweeps
from glorotlab.training.sweeps import task
from glorotlab.training.sweeps import workers as makers
from glorotlab.training.sweeps.executors import processes
from glorotlab.training.sweeps.plan import plan
from glorotlab.training.sweeps.results import load_sweep
from glorotlab.training.sweeps.sweep import sweep

GRID = {"learning_rate": [0.01, 0.1], "layers": ["6,3", "6,8,3"]}


@pytest.fixture
def data(tmp_path):
    return own_data(tmp_path)


@pytest.fixture
def executor():
    with cf.ThreadPoolExecutor(1) as pool:
        yield pool


def test_each_run_is_that_of_its_spec(tmp_path, data, executor):
    results = sweep(sweep_spec(data, grid=GRID, repeats=2), tmp_path / "out", executor=executor)
    assert results.errors == {}
    assert len(set(results.runs)) == 8
    points = plan(results.spec)
    assert [point.run for point in points] == results.runs
    final = results.final()
    for point in points:
        expected, found = train(point.spec), load_run(tmp_path / "out" / point.run)
        assert bits(found) == bits(expected)
        at = final.sel(point.labels)
        assert at["run"].item() == point.run
        assert at["status"].item() == "finished"
        assert at["updates_done"].item() == 12
        for name in ("training_cost", "validation_error", "test_error"):
            assert at[name].item() == expected.curves[name].values[-1]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"sweep.json", *results.runs}


def test_the_dataset_has_the_swept_fields_as_dimensions(tmp_path, data, executor):
    """Runs of two depths: what the shallow one has not is NaN; all steps or the last; NetCDF there and back."""
    results = sweep(sweep_spec(data, grid=GRID, repeats=2), tmp_path / "out", executor=executor)
    last, steps = results.dataset(), results.dataset(steps=True)
    assert dict(last.sizes) == {"learning_rate": 2, "layers": 2, "seed": 2, "layer": 2, "estimator": 3, "quantile": 5}
    for point in plan(results.spec):
        run = load_run(tmp_path / "out" / point.run)
        depth = len(run.statistics["layer"])
        for name in run.statistics.data_vars:
            found = steps[name].sel(point.labels)
            expected = run.statistics[name]
            np.testing.assert_array_equal(found.isel(layer=slice(depth)).transpose(*expected.dims), expected)
            assert found.isel(layer=slice(depth, None)).isnull().all()
            one = expected.isel(step=-1) if "step" in expected.dims else expected
            np.testing.assert_array_equal(
                last[name].sel(point.labels).isel(layer=slice(depth)).transpose(*one.dims), one
            )
        for name in run.curves:
            np.testing.assert_array_equal(steps[name].sel(point.labels), run.curves[name])
    for number, dataset in enumerate((last, steps, results.best())):
        assert all({"long_name", "units"} <= values.attrs.keys() for values in dataset.variables.values())
        dataset.to_netcdf(tmp_path / f"{number}.nc", engine="scipy")
        xr.testing.assert_allclose(xr.load_dataset(tmp_path / f"{number}.nc", engine="scipy"), dataset)


def test_cases_and_joint_draws_are_dimensions_with_their_fields(tmp_path, data, executor):
    spec = sweep_spec(
        data,
        updates=2,
        cases=[{"name": "a", "activation": "relu"}, {"name": "b", "l2": 0.5}],
        random={"learning_rate": {"low": 0.1, "high": 1}, "momentum": {"low": 0, "high": 0.5}},
        draws=3,
        choose=["draw"],
    )
    results = sweep(spec, tmp_path / "out", executor=executor)
    final, best = results.final(), results.best()
    assert final["validation_error"].dims == ("case", "draw")
    assert final["activation"].values.tolist() == ["relu", ""]
    assert np.isnan(final["l2"].values[0])
    for case in "ab":
        one = best.sel(case=case)
        chosen = final.sel(case=case, draw=one["draw"].item())
        assert one["validation_error"].item() == final.sel(case=case)["validation_error"].min().item()
        assert (one["learning_rate"].item(), one["momentum"].item()) == (
            chosen["learning_rate"].item(),
            chosen["momentum"].item(),
        )


def write_status(folder, name, **said):
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "status.json").write_text(
        json.dumps({"updates": 1, "training_cost": 0.5, "test_error": 0.5} | said)
    )


def test_the_least_mean_validation_error_is_chosen(tmp_path, data, executor, monkeypatch):
    """Errors written by hand: 0.1 has the least of one seed, 0.2 the least mean, 0.3 and 0.4 would have less."""
    spec = sweep_spec(data, grid={"learning_rate": [0.1, 0.2, 0.3, 0.4], "activation": ["tanh", "relu"]}, repeats=2)
    spec = spec.model_copy(update={"choose": ["learning_rate"]})
    errors = {0.1: (0.0, 0.9), 0.2: (0.3, 0.4), 0.3: (0.1, 0.1), 0.4: (0.1, 0.1)}
    points = plan(spec)
    for point in points:
        rate, seed = point.labels["learning_rate"], point.labels["seed"]
        status = "diverged" if point.labels["activation"] == "relu" or (rate, seed) == (0.3, 1) else "finished"
        if (rate, seed) != (0.4, 1):  # missing
            write_status(tmp_path, point.run, status=status, validation_error=errors[rate][seed])
    best = sweeps.SweepResults(tmp_path, spec, [point.run for point in points]).best()
    tanh, relu = best.sel(activation="tanh"), best.sel(activation="relu")
    assert tanh["learning_rate"].item() == 0.2
    assert tanh["validation_error"].item() == pytest.approx(0.35)
    assert tanh["validation_error_std"].item() == pytest.approx(np.std([0.3, 0.4], ddof=1))
    assert np.isnan([relu["learning_rate"].item(), relu["validation_error"].item()]).all()


def test_a_field_that_is_true_or_false_is_a_dimension_and_can_be_chosen(tmp_path, data, executor):
    """Of one network every run diverges: there the choice is NaN, as that of a number is."""
    grid = {"nesterov": [True, False], "activation": ["tanh", "relu"], "momentum": [0.5]}
    spec = sweep_spec(data, grid=grid, choose=["nesterov"])
    points = plan(spec)
    assert [point.spec.training.nesterov for point in points] == [True, True, False, False]
    for point, status in zip(points, ("finished", "diverged", "finished", "diverged"), strict=True):
        write_status(tmp_path, point.run, status=status, validation_error=0.25 + point.labels["nesterov"])
    results = sweeps.SweepResults(tmp_path, spec, [point.run for point in points])
    assert results.final()["nesterov"].values.tolist() == [True, False]
    best = results.best()
    assert best.sel(activation="tanh")["nesterov"].item() == 0
    assert np.isnan(best.sel(activation="relu")["nesterov"].item())
    best.to_netcdf(tmp_path / "best.nc", engine="scipy")


def test_what_is_there_is_not_done_again(tmp_path, data, executor):
    """The same sweep writes nothing but its plan; a larger one, and one under other names, make what is missing."""
    spec = sweep_spec(data, grid={"learning_rate": [0.01, 0.1]})
    first = sweep(spec, tmp_path / "out", executor=executor)
    before = {name: contents(tmp_path / "out" / name) for name in first.runs}
    calls = []
    sweep(spec, tmp_path / "out", executor=executor, progress=lambda state: calls.append(state))
    assert [run.skipped for run in calls[-1].runs.values()] == [True, True]
    larger = sweep_spec(data, grid={"initializer": ["xavier_uniform", "glorot_uniform"], "learning_rate": [1.0, 0.1]})
    second = sweep(larger, tmp_path / "out", executor=executor)
    assert len(set(second.runs)) == 2, "two names of one initializer"
    assert set(first.runs) & set(second.runs) == {first.runs[1]}
    assert {name: contents(tmp_path / "out" / name) for name in first.runs} == before
    assert load_sweep(tmp_path / "out").spec == larger.model_copy(update={"run": larger.run | {"data": "own.npz"}})
    assert everything(load_sweep(tmp_path / "out")) == everything(second)


def test_an_interrupted_run_goes_on(tmp_path, data, executor, each_update_reported):
    spec = sweep_spec(data, grid={"learning_rate": [0.1, 0.2]})
    point = plan(spec)[0]
    with pytest.raises(KeyboardInterrupt):
        train(point.spec, tmp_path / "out" / point.run, progress=stop_after(5))
    results = sweep(spec, tmp_path / "out", executor=executor)
    assert sorted(sessions(results).values()) == [[0], [0, 5]]
    assert everything(results) == everything(sweep(spec, tmp_path / "again", executor=executor))


def test_a_run_that_fails_or_diverges_stops_no_other(tmp_path, data, executor):
    spec = sweep_spec(data, updates=50, grid={"learning_rate": [1e6, 0.1, 0.2], "layers": ["6,12,12,3"]})
    spec = spec.model_copy(update={"run": spec.run | {"network": {"layers": "6,3", "activation": "relu"}}})
    broken = plan(spec)[1].run
    (tmp_path / "out" / broken).mkdir(parents=True)
    (tmp_path / "out" / broken / "notes.txt").write_text("mine")
    results = sweep(spec, tmp_path / "out", executor=executor)
    assert list(results.errors) == [broken]
    assert "is not a run folder: it holds 'notes.txt'" in results.errors[broken]
    assert results.final()["status"].values.ravel().tolist() == ["diverged", "missing", "finished"]
    assert results.final()["updates_done"].values[0, 0] < 50


def test_an_executor_that_fails_is_an_error_of_its_runs(tmp_path, data):
    class Broken(cf.Executor):
        def submit(self, function, /, *args):
            future = cf.Future()
            future.set_exception(OSError("no route to host"))
            return future

    results = sweep(sweep_spec(data, repeats=2), tmp_path / "out", executor=Broken())
    assert set(results.errors.values()) == {"OSError: no route to host"}


def test_tasks_are_texts(tmp_path, data):
    class Json(cf.ThreadPoolExecutor):
        def submit(self, function, /, *args):
            assert function is task.run_task
            assert [type(value) for value in args] == [str]
            assert json.loads(args[0])["threads"] == 1
            return super().submit(function, *args)

    with Json(1) as pool:
        sweep(sweep_spec(data, repeats=2), tmp_path / "out", executor=pool, threads=1)


@pytest.mark.parametrize("other", ["nothing", "another folder"])
def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path, data, other):
    """The worker looks below a path where there is nothing, or a token of another sweep."""

    class Elsewhere(cf.ThreadPoolExecutor):
        def submit(self, function, text):
            task = json.loads(text)
            task["token"] = str(tmp_path / "elsewhere")
            if other != "nothing":
                (tmp_path / "elsewhere").write_text("another word")
            return super().submit(function, json.dumps(task))

    with Elsewhere(1) as pool:
        results = sweep(sweep_spec(data), tmp_path / "out", executor=pool)
    (error,) = results.errors.values()
    assert "does not see the sweep's folder" in error
    assert str(tmp_path / "elsewhere") in error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sweep.json"]


@pytest.mark.parametrize("finishes", [True, False])
def test_a_run_in_use_is_waited_for_and_not_made_twice(tmp_path, data, executor, finishes):
    """Another process has one of two runs; it finishes it while the sweep waits, or leaves it to the sweep."""
    spec = sweep_spec(data, repeats=2)
    point = plan(spec)[0]
    (tmp_path / "out" / point.run).mkdir(parents=True)
    owner = Lock(tmp_path / "out" / point.run)
    seen = []

    def progress(state):
        run = state.runs[point.run]
        seen.append((run.status, run.error))
        if run.status == "in use" and owner.folder.exists() and len(seen) < 1000:
            seen.extend([("", "")] * 1000)
            owner.release()
            if finishes:
                train(point.spec, tmp_path / "out" / point.run)

    results = sweep(spec, tmp_path / "out", executor=executor, progress=progress)
    said = dict(seen)["in use"]
    assert f"is in use by process {os.getpid()}" in said
    assert results.errors == {}
    assert set(map(tuple, sessions(results).values())) == {(0,)}


def test_what_excludes_each_other_is_refused(tmp_path, data, executor):
    spec = sweep_spec(data, repeats=2)
    for options, said in (
        ({"executor": executor, "workers": 2}, "executor, workers and scheduler"),
        ({"workers": 0}, "workers 0: allowed are"),
        ({"threads": True}, "threads True"),
        ({"checkpoint_every": -1}, "checkpoint_every -1"),
        ({"scheduler": "localhost"}, "scheduler 'localhost': allowed is an address"),
    ):
        with pytest.raises(InvalidValueError, match=said):
            sweep(spec, tmp_path / "out", **options)
    with pytest.raises(InvalidValueError, match="needs 6 inputs and 3 outputs"):
        sweep(sweep_spec(data, grid={"layers": ["7,3"]}), tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(RunError, match="cannot read"):
        load_sweep(tmp_path / "other")


# spawned processes


def statuses(folder):
    found = {}
    for path in folder.glob("*/status.json"):
        found[path.parent.name] = read_status(path.parent)
    return found


def running(folder):
    return sum(said["status"] == "running" for said in statuses(folder).values())


def until(condition, process=None, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        assert process is None or process.poll() is None, "the process has ended"
        time.sleep(0.02)


def command(*arguments):
    return [sys.executable, "-m", "glorotlab", *map(str, arguments)]


def test_processes_make_the_same_bits_and_survive_some_that_are_killed(tmp_path, data, executor):
    """The first worker seen with each run's lock is killed: three pools break, and no run fails.

    Every run is resumed from its checkpoint in a new pool. The runs have the threads of the sweep.
    """
    spec = sweep_spec(data, updates=4_000, repeats=3)
    killed = {}

    def progress(state):
        for path in (tmp_path / "out").glob("*/lock"):
            with contextlib.suppress(OSError, ValueError):  # it is just coming or going
                pid = json.loads(path.read_bytes())["pid"]
                if path.parent.name not in killed and pid not in killed.values():
                    killed[path.parent.name] = pid
                    os.kill(pid, signal.SIGKILL)
                    return

    results = sweep(spec, tmp_path / "out", workers=2, threads=3, progress=progress, checkpoint_every=0.1)
    assert len(killed) == 3
    assert os.getpid() not in killed.values()
    assert results.errors == {}
    records = [load_run(tmp_path / "out" / name).provenance for name in results.runs]
    assert {session["threads"] for sessions_of_run in records for session in sessions_of_run} == {3}
    assert os.getpid() not in {session["pid"] for sessions_of_run in records for session in sessions_of_run}
    assert threading.active_count() < 20
    for updates in sessions(results).values():
        assert updates[0] == 0
        assert updates == sorted(updates), "each session begins where a checkpoint was"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"sweep.json", *results.runs}
    assert everything(results) == everything(sweep(spec, tmp_path / "again", executor=executor))


def test_processes_have_the_simd_level_of_their_parent():
    before = simd.get_level()
    try:
        simd.set_level(simd.LEVELS[0])
        with processes(1) as pool:
            assert pool.submit(simd.get_level).result() == simd.LEVELS[0]
    finally:
        simd.set_level(before)


def test_ctrl_c_saves_the_runs_and_says_how_to_resume(tmp_path, data):
    """To the command alone: its workers are told by the folder; then to all of them, as a terminal or a batch system
    does.
    """
    (tmp_path / "s.toml").write_text(toml(data, 10**9, "[sweep]\nrepeats = 3\n"))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    for send, signum, code, workers in (
        (os.kill, signal.SIGINT, 130, 2),
        (os.killpg, signal.SIGINT, 130, 1),
        (os.killpg, signal.SIGTERM, 143, 1),
    ):
        arguments = command("sweep", tmp_path / "s.toml", "--out", tmp_path / "out", "--workers", workers)
        with subprocess.Popen(arguments, env=ENVIRONMENT, start_new_session=True, **pipes) as process:  # noqa: S603
            try:
                until(lambda count=workers: running(tmp_path / "out") == count, process)
                time.sleep(0.3)  # so that updates are made
                send(process.pid, signum)
                out, err = process.communicate(timeout=60)
            finally:
                process.kill()
        assert (process.returncode, out) == (code, "")
        assert err == (
            "glorotlab: interrupted: 0 of 3 runs have ended, the others are saved; "
            f"resume with: glorotlab sweep {tmp_path}/s.toml --out {tmp_path}/out --workers {workers}\n"
        )
        found = statuses(tmp_path / "out")
        assert {said["status"] for said in found.values()} == {"interrupted"}
        assert sum(said["updates"] > 0 for said in found.values()) >= 2
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"sweep.json", *found}
    begun = [[session["from_update"] for session in load_run(tmp_path / "out" / name).provenance] for name in found]
    begin, *resumed = max(begun, key=len)
    assert (begin, len(resumed)) == (0, 2)
    assert 0 < resumed[0] < resumed[1], "each resumed from the one before"


def test_workers_end_with_a_command_that_is_killed(tmp_path, data):
    (tmp_path / "s.toml").write_text(toml(data, 10**9, "[sweep]\nrepeats = 3\n"))
    arguments = command("sweep", tmp_path / "s.toml", "--out", tmp_path / "out", "--workers", 1, "--quiet")
    with subprocess.Popen(arguments, env=ENVIRONMENT) as process:  # noqa: S603
        until(lambda: running(tmp_path / "out") == 1, process)
        process.kill()
    until(lambda: {said["status"] for said in statuses(tmp_path / "out").values()} == {"interrupted"})
    until(lambda: len(list((tmp_path / "out").glob("going-on-*"))) == 1)  # a claim goes after its run's lock
    (left,) = (tmp_path / "out").glob("going-on-*")
    assert not lock.read_owner(left).lives(heartbeat=time.time()), "the next sweep here removes it"


def test_what_killed_sweeps_left_is_removed_and_nothing_else(tmp_path, data, executor):
    spec, here = sweep_spec(data, repeats=1), lock.Owner.this_process()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    owners = {
        "killed": dataclasses.replace(here, pid=ended.pid),
        "killed before": dataclasses.replace(here, started="1"),
        "this very": here,
        "elsewhere": dataclasses.replace(here, pid=ended.pid, kernel="another"),
    }
    out = tmp_path / "out"
    out.mkdir()
    (out / "going-on-notes").write_text("of the user")
    for name, owner in owners.items():
        (out / f"going-on-{name}").write_bytes(owner.to_bytes())
    assert sweep(spec, out, executor=executor).errors == {}
    left = {path.name.removeprefix("going-on-") for path in out.glob("going-on-*")}
    assert left == {"this very", "elsewhere", "notes"}


# the command line


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a caller of ``main`` in a folder of its own that gives output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(makers, "processes", lambda workers: cf.ThreadPoolExecutor(1))

    def call(*arguments, code=0):
        found = main(list(map(str, arguments)))
        captured = capsys.readouterr()
        assert found == code, captured.err
        return captured.out, captured.err

    return call


def test_the_command_reports_what_was_chosen(run, tmp_path, data):
    text = "[sweep]\nrepeats = 2\nchoose = ['learning_rate']\n[sweep.grid]\n"
    text += "activation = ['tanh', 'relu']\nlearning_rate = [0.1, 0.3]\n"
    (tmp_path / "s.toml").write_text(toml("own.npz", 12, text))
    out, err = run("sweep", "s.toml")
    assert err.count("\n") == 8
    assert "] finished activation=relu learning_rate=0.3 seed=1: validation error " in err
    assert "8 finished of 8 runs in " in out
    assert "learning_rate chosen on validation error" in out
    again, err = run("sweep", "s.toml", "--json")
    assert err == "8 of 8 runs had ended before\n"
    found = json.loads(again)
    best = load_sweep(tmp_path / "runs" / "s").best()
    for record in found["best"]:
        at = best.sel(activation=record["activation"])
        assert record["learning_rate"] == at["learning_rate"].item()
        assert record["validation_error"] == at["validation_error"].item()
        assert f"{record['validation_error']:.2%}" in out
    assert (found["counts"], found["errors"], len(found["runs"])) == ({"finished": 8}, {}, 8)


def test_runs_are_listed_and_compared(run, tmp_path, data):
    (tmp_path / "s.toml").write_text(toml("own.npz", 12, "[sweep]\nrepeats = 2\n[sweep.grid]\nl2 = [0, 0.5]\n"))
    run("sweep", "s.toml", "--out", "out", "--quiet")
    (tmp_path / "out" / "a").mkdir()
    (tmp_path / "out" / "a" / "status.json").write_text("{")
    (tmp_path / "out" / "no run").mkdir()
    final = load_sweep("out").final()
    out, _ = run("runs", "list", "out")
    lines = out.splitlines()
    assert lines[0].split() == [
        *("run", "status", "l2", "seed", "updates"),
        *("training", "cost", "validation", "error", "test", "error", "seconds"),
    ]
    assert lines[-2] == "5 runs: 4 finished, 1 unreadable"
    assert f"mean of the last {COST_WINDOW} mini-batches" in lines[-1]
    found = json.loads(run("runs", "list", "out", "--json")[0])["runs"]
    assert [record["run"] for record in found] == sorted([*final["run"].values.ravel(), "a"])
    groups = json.loads(run("runs", "compare", "out", "--json")[0])["groups"]
    means = final["validation_error"].mean("seed")
    assert sorted(group["validation_error"] for group in groups if group["finished"]) == pytest.approx(
        sorted(means.values)
    )
    for group in groups:
        if group["finished"]:
            at = final.sel(l2=group["fields"]["l2"])
            assert group["test_error"] == pytest.approx(at["test_error"].mean().item())
            assert group["test_error_std"] == pytest.approx(at["test_error"].std(ddof=1).item())
    out, _ = run("runs", "compare", "out")
    assert out.splitlines()[0].startswith("l2 ")
    shutil.copytree(tmp_path / "out" / final["run"].values[0, 0], tmp_path / "out" / "copy")
    assert json.loads(run("runs", "compare", "out", "--json")[0])["groups"] == groups, "a copy is no other run"
    name = final["run"].values[1, 1]
    out, _ = run("runs", "show", f"out/{name}")
    assert re.search(r"^l2 +0\.5$", out, re.MULTILINE)
    assert "finished after 12 of 12 updates" in out
    shown = json.loads(run("runs", "show", f"out/{name}", "--json")[0])
    assert (shown["status"], shown["spec"]["seed"]) == ("finished", 1)
    for arguments, said in ((("list", "no"), "cannot be read"), (("compare", "out/no run"), "holds no run folders")):
        out, err = run("runs", *arguments, code=2)
        assert (out, err.count("\n")) == ("", 1)
        assert said in err


def test_a_bad_sweep_is_one_line_and_no_file(run, tmp_path, data):
    (tmp_path / "bad.toml").write_text("[sweep]\nrepeats = 0\n")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "fit.toml").write_text(toml("own.npz", 1, "[sweep.grid]\nlayers = ['7,3']\n"))
    (tmp_path / "good.toml").write_text(toml("own.npz", 1, "[sweep]\nrepeats = 2\n"))
    before = sorted(tmp_path.rglob("*"))
    for arguments, said in (
        (["bad.toml"], "bad.toml: repeats 0"),
        (["bytes.toml"], "bytes.toml: not a text file"),
        (["none.toml"], "none.toml"),
        (["fit.toml"], "needs 6 inputs"),
        (["good.toml", "--workers", 0], "workers 0"),
        (["good.toml", "--workers", 1, "--scheduler", "tcp://a:1"], "allowed is one of them"),
    ):
        out, err = run("sweep", *arguments, code=2)
        assert (out, err.count("\n")) == ("", 1)
        assert said in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sweep_with_a_run_that_diverged_is_exit_code_1(run, tmp_path, data):
    (tmp_path / "s.toml").write_text(
        toml("own.npz", 50, "[sweep.grid]\nlearning_rate = [0.1, 1e6]\nlayers = ['6,9,9,3']\nactivation = ['relu']\n")
    )
    out, err = run("sweep", "s.toml", code=1)
    assert "1 diverged, 1 finished of 2 runs" in out
    assert "] diverged learning_rate=1000000.0" in err


def test_the_live_table(data, tmp_path):
    """What is shown where there is a terminal: counts, time left, the runs that go on, those that ended last."""
    from rich.console import Console

    from glorotlab.cli.sweep_progress import RunTable
    from glorotlab.training.sweeps.state import RunState, SweepState

    runs = {str(place): RunState({"seed": place}, 100) for place in range(40)}
    shown, state = RunTable(), SweepState(runs)
    shown(state)
    for place in range(30):
        runs[str(place)].status, runs[str(place)].report = "finished", {"updates": 100, "validation_error": 0.25}
    runs["30"].status, runs["30"].report = "running", {"updates": 50, "training_cost": 0.5}
    runs["31"].status, runs["31"].error = "in use", "by process 7"
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(shown(state))
    text = console.export_text()
    assert "30 finished, 1 in use, 1 running, 8 waiting; about 0:00:00 left" in text
    assert "seed=30" in text
    assert "50/100" in text
    assert "in use: by process 7" in text
    assert "seed=29" in text
    assert "25.00%" in text
    assert "seed=1 " not in text, "no more rows than fit"
