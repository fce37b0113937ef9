"""Shards of a sweep: disjoint, complete, safe beside each other; and what a dry run, a plan and a CSV file say."""

import concurrent.futures as cf
import csv
import io
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_fixtures import everything, own_data, sessions, sweep_spec, toml
from training_fixtures import contents, stop_after

from glorotlab.cli.main import main
from glorotlab.errors import InvalidValueError
from glorotlab.training.loop import train
from glorotlab.training.sweeps import workers as makers
from glorotlab.training.sweeps.plan import Point, plan, shard_of
from glorotlab.training.sweeps.sweep import sweep


@pytest.fixture
def data(tmp_path):
    return own_data(tmp_path)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a caller of ``main`` in a folder of its own that gives output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(makers, "processes", lambda workers: cf.ThreadPoolExecutor(1))

    def call(*arguments, code=0):
        ended = main(list(map(str, arguments)))
        captured = capsys.readouterr()
        assert ended == code, captured.err
        return captured.out, captured.err

    return call


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 15))
def test_every_run_is_in_one_shard(runs, count):
    """Points that share a run are in one shard, and shards differ by one run at most."""
    points = [Point({"place": place}, None, str(name)) for place, name in enumerate(runs)]
    shards = [shard_of(points, (place, count)) for place in range(1, count + 1)]
    assert sorted(point.labels["place"] for shard in shards for point in shard) == list(range(len(points)))
    made = [{point.run for point in shard} for shard in shards]
    assert sum(map(len, made)) == len(set(runs))
    assert max(map(len, made)) - min(map(len, made)) <= 1


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (1, 0), (True, 2), (1.0, 2)])
def test_a_shard_that_there_is_not_is_refused(tmp_path, data, shard):
    with pytest.raises(InvalidValueError, match="shard"):
        sweep(sweep_spec(data, repeats=2), tmp_path / "out", shard=shard)
    assert not (tmp_path / "out").exists()


def test_shards_in_one_folder_at_the_same_time_make_each_run_once(tmp_path, data):
    """Three threads, as three jobs would. Then nothing is left to make."""
    spec = sweep_spec(data, grid={"learning_rate": [0.1, 0.2]}, repeats=4)
    results = {}

    def job(place):
        with cf.ThreadPoolExecutor(1) as executor:
            results[place] = sweep(spec, tmp_path / "out", executor=executor, shard=(place, 3))

    jobs = [threading.Thread(target=job, args=(place,)) for place in (1, 2, 3)]
    for each in jobs:
        each.start()
    for each in jobs:
        each.join()
    assert [one.errors for one in results.values()] == [{}] * 3
    assert len({tuple(one.runs) for one in results.values()}) == 1
    assert set(map(tuple, sessions(results[1]).values())) == {(0,)}
    again = []
    with cf.ThreadPoolExecutor(1) as executor:
        sweep(spec, tmp_path / "out", executor=executor, progress=again.append)
        assert all(run.skipped for run in again[-1].runs.values())
        assert everything(results[1]) == everything(sweep(spec, tmp_path / "whole", executor=executor))


def test_a_plan_says_how_far_it_is(data, monkeypatch):
    monkeypatch.setattr("glorotlab.training.sweeps.plan.REPORT_EVERY", 2)
    calls = []
    plan(sweep_spec("shapeset", repeats=5, grid={"layers": ["1024,9"]}), progress=lambda *call: calls.append(call))
    assert calls == [(0, 5), (2, 5), (4, 5), (5, 5)]


@pytest.mark.usefixtures("each_update_reported")
def test_a_dry_run_says_what_would_be_made_and_writes_nothing(run, tmp_path, data):
    (tmp_path / "s.toml").write_text(toml("own.npz", 12, "[sweep]\nrepeats = 4\n"))
    out, err = run("sweep", "s.toml", "--out", "out", "--dry-run")
    assert not (tmp_path / "out").exists()
    points = plan(sweep_spec(data, repeats=4))
    assert out.splitlines()[0].split() == ["run", "seed", "status", "updates", "updates", "in", "all"]
    assert [line.split() for line in out.splitlines()[2:6]] == [
        [point.run, str(point.labels["seed"]), "waiting", "0", "12"] for point in points
    ]
    summary = "4 runs in out: 0 have ended, 4 would be made or resumed, 48 updates; nothing was made"
    assert (out.splitlines()[6], err) == (summary, "")
    train(points[0].spec, tmp_path / "out" / points[0].run)
    with pytest.raises(KeyboardInterrupt):
        train(points[1].spec, tmp_path / "out" / points[1].run, progress=stop_after(5))
    before = contents(tmp_path)
    found = json.loads(run("sweep", "s.toml", "--out", "out", "--dry-run", "--json")[0])
    assert [(record["seed"], record["status"], record["updates"]) for record in found["runs"]] == [
        *((0, "finished", 12), (1, "interrupted", 5)),
        *((2, "waiting", 0), (3, "waiting", 0)),
    ]
    assert (found["counts"], found["updates_left"]) == ({"finished": 1, "interrupted": 1, "waiting": 2}, 12 - 5 + 24)
    out, _ = run("sweep", "s.toml", "--out", "out", "--dry-run", "--shard", "2/3")
    assert out.splitlines()[-1] == (
        "1 runs in out, shard 2/3: 0 have ended, 1 would be made or resumed, 7 updates; nothing was made"
    )
    assert contents(tmp_path) == before


def test_the_command_makes_its_shard_and_prints_csv(run, tmp_path, data):
    """A shard prints its runs; a later call without one all of them, numbers to the last digit."""
    (tmp_path / "s.toml").write_text(toml("own.npz", 12, "[sweep]\nrepeats = 3\n[sweep.grid]\nl2 = [0, 0.1]\n"))
    runs = [point.run for point in plan(sweep_spec(data, repeats=3, grid={"l2": [0, 0.1]}))]
    out, _ = run("sweep", "s.toml", "--out", "out", "--shard", "2/4")
    assert f"2 finished of 2 runs of shard 2/4 in {tmp_path}/out" in out
    assert [row["run"] for row in rows(run("sweep", "s.toml", "--out", "out", "--shard", "2/4", "--csv"))] == runs[1::4]
    planned = rows(run("sweep", "s.toml", "--out", "out", "--dry-run", "--csv"))
    assert [(row["run"], row["status"]) for row in planned] == [
        (name, "finished" if place % 4 == 1 else "waiting") for place, name in enumerate(runs)
    ]
    table = rows(run("sweep", "s.toml", "--out", "out", "--csv"))
    final = json.loads(run("sweep", "s.toml", "--out", "out", "--json")[0])["runs"]
    assert [row["run"] for row in table] == runs
    for row, report in zip(table, final, strict=True):
        assert (float(row["l2"]), int(row["seed"]), row["status"]) == (report["l2"], report["seed"], "finished")
        for name in ("training_cost", "validation_error", "test_error"):
            assert float(row[name]) == report[name]


def rows(printed):
    return list(csv.DictReader(io.StringIO(printed[0])))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shard", "3/2"], "--shard '3/2': allowed is I/N with I from 1 to N, such as 2/8"),
        (["--shard", "0/2"], "--shard '0/2'"),
        (["--shard", "1"], "--shard '1'"),
        (["--tls-cert", "cert.pem"], "files of TLS without a scheduler"),
        (["--scheduler", "tcp://localhost:1", "--tls-cert", "cert.pem"], "allowed is an address tls://host:port"),
        (["--scheduler", "tls://localhost:1", "--tls-cert", "cert.pem"], "TLS without ca_file"),
        (
            ["--scheduler", "tls://a:1", "--tls-cert", "s.toml", "--tls-ca-file", "none.pem"],
            "none.pem': there is no such file",
        ),
    ],
)
def test_bad_options_are_one_line_and_make_nothing(run, tmp_path, data, arguments, said):
    (tmp_path / "s.toml").write_text(toml("own.npz", 12, "[sweep]\nrepeats = 2\n"))
    out, err = run("sweep", "s.toml", "--out", "out", *arguments, code=2)
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert not (tmp_path / "out").exists()
