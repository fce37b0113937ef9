"""Pools whose processes die: a death counts for the run that the process had in hand, and for no other.

The executors here work in this process, and leave behind what a killed worker does; test_sweep.py kills real ones.
"""

import concurrent.futures as cf
import json
from collections import Counter
from pathlib import Path

import pytest
from sweep_fixtures import everything, own_data, sessions, sweep_spec
from training_fixtures import stop_after

from glorotlab.errors import RunFailedError
from glorotlab.spec.run import RunSpec
from glorotlab.training.loop import train
from glorotlab.training.sweeps import runner
from glorotlab.training.sweeps import workers as module
from glorotlab.training.sweeps.plan import plan
from glorotlab.training.sweeps.sweep import sweep
from glorotlab.training.sweeps.token import claim_path


class Pool(cf.Executor):
    """An executor that breaks over the tasks for which ``dies`` returns whether their worker had begun them."""

    def __init__(self, dies):
        self.dies, self.broken = dies, False

    def submit(self, function, text):
        if self.broken:
            raise cf.BrokenExecutor
        future, task = cf.Future(), json.loads(text)
        begun = self.dies(task)
        if begun is None:
            future.set_result(function(text))
            return future
        self.broken = True
        if begun:
            claim_path(Path(task["token"]), name(task)).write_text("of a worker that was killed")
        future.set_exception(cf.BrokenExecutor())
        return future


@pytest.fixture
def data(tmp_path):
    return own_data(tmp_path)


@pytest.fixture
def pools(monkeypatch):
    """Return a function that has pools break as a function of the task says; it returns the list of pools opened."""

    def break_over(dies):
        opened = []

        def processes(count):
            opened.append(Pool(dies))
            return opened[-1]

        monkeypatch.setattr(module, "processes", processes)
        return opened

    return break_over


def name(task):
    return Path(task["folder"]).name


def test_a_run_that_three_workers_died_of_fails_and_no_other(tmp_path, data, pools):
    spec = sweep_spec(data, repeats=6)
    guilty, deaths = plan(spec)[0].run, []

    def dies(task):
        if name(task) == guilty:
            deaths.append(guilty)
            return True
        return None

    opened = pools(dies)
    results = sweep(spec, tmp_path / "out", workers=2)
    assert results.errors == {guilty: "its worker process died (killed, or out of memory?)"}
    assert len(deaths) == len(opened) == 3
    assert results.final()["status"].values.tolist() == ["missing", *["finished"] * 5]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"sweep.json", *results.runs[1:]}


def test_pools_that_break_over_other_runs_each_time_fail_none(tmp_path, data, pools):
    """Twelve pools break, two over each of six runs; runs that no worker had are not even suspected."""
    spec, deaths = sweep_spec(data, repeats=6), Counter()

    def dies(task):
        deaths[name(task)] += 1
        return True if deaths[name(task)] <= 2 else None

    opened = pools(dies)
    results = sweep(spec, tmp_path / "out", workers=2)
    assert results.errors == {}
    assert len(opened) == 13
    assert set(map(tuple, sessions(results).values())) == {(0,)}
    pools(lambda task: None)
    assert everything(results) == everything(sweep(spec, tmp_path / "again", workers=2))


@pytest.mark.usefixtures("each_update_reported")
def test_a_run_that_gets_further_before_each_death_goes_on(tmp_path, data, pools):
    """Five workers die of one run, each after a checkpoint of its own; without one between, three are enough."""
    deaths = []

    def dies(task):
        if len(deaths) == 5:
            return None
        deaths.append(2 * len(deaths) + 1)
        with pytest.raises(KeyboardInterrupt):
            train(RunSpec(**task["spec"]), task["folder"], progress=stop_after(deaths[-1]))
        return True

    pools(dies)
    results = sweep(sweep_spec(data), tmp_path / "out", workers=1)
    assert results.errors == {}
    assert list(sessions(results).values()) == [[0, *deaths]]


def test_workers_that_never_begin_a_run_end_the_sweep_and_fail_no_run(tmp_path, data, pools):
    opened = pools(lambda task: False)
    with pytest.raises(RunFailedError, match=r"before they begin a run, 3 pools in a row .*; 0 of 4 runs have ended"):
        sweep(sweep_spec(data, repeats=4), tmp_path / "out", workers=2)
    assert len(opened) == runner.IDLE_BREAKS == 3
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sweep.json"]
    pools(lambda task: None)
    assert sweep(sweep_spec(data, repeats=4), tmp_path / "out", workers=2).errors == {}


def test_what_is_done_between_broken_pools_begins_their_count_anew(tmp_path, data, pools):
    """Two pools break idle before each of three runs: six in all, never three in a row."""
    spec, tries = sweep_spec(data, repeats=3), []

    def dies(task):
        tries.append(name(task))
        return None if len(tries) % 3 == 0 else False

    opened = pools(dies)
    assert sweep(spec, tmp_path / "out", workers=1).errors == {}
    assert len(opened) == 7


def test_a_given_executor_that_breaks_fails_the_run_in_hand_alone(tmp_path, data):
    """It cannot be opened anew: the others are left for the next call."""
    spec = sweep_spec(data, repeats=4)
    guilty = plan(spec)[1].run
    results = sweep(spec, tmp_path / "out", executor=Pool(lambda task: name(task) == guilty or None))
    first, second, *others = results.runs
    assert first not in results.errors
    assert results.errors[second] == "its worker process died (killed, or out of memory?)"
    assert {results.errors[run] for run in others} == {"its executor broke; another one resumes it"}
    assert sweep(spec, tmp_path / "out", executor=Pool(lambda task: None)).errors == {}
