"""A sweep on a Dask cluster of real processes, one of which is killed, as is the client."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sweep_fixtures import everything, own_data, sessions, toml
from training_fixtures import ENVIRONMENT

from glorotlab.errors import InvalidValueError, RunFailedError
from glorotlab.spec.sweep import SweepSpec
from glorotlab.training.runs.status import read_status
from glorotlab.training.sweeps.cluster import Tls, dask_cluster
from glorotlab.training.sweeps.results import load_sweep
from glorotlab.training.sweeps.sweep import sweep

if os.environ.get("GLOROTLAB_REQUIRE_DASK") != "1":
    pytest.importorskip("distributed", reason="Dask is not installed: pip install '.[cluster]'")

RUNS, UPDATES = 12, 5000
SWEEP = """[sweep]
repeats = 3
choose = ["learning_rate"]
[sweep.grid]
activation = ["tanh", "relu"]
learning_rate = {low = 0.01, high = 0.3, scale = "log", points = 2}
"""


@pytest.fixture
def start(tmp_path):
    """Return a starter of processes that end with the test."""
    with ExitStack() as stack:

        def call(name, *arguments):
            log = stack.enter_context((tmp_path / f"{name}.log").open("a"))
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", *map(str, arguments)], env=ENVIRONMENT, stdout=log, stderr=log, cwd=tmp_path
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield call


@pytest.fixture
def cluster(start, tmp_path):
    """A scheduler and two workers on loopback: its address, and the workers by process id."""
    place = tmp_path / "scheduler.json"
    quiet = ("--no-dashboard", "--scheduler-file", place)
    start("scheduler", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *quiet)
    workers = [start(name, "distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1", *quiet) for name in "ab"]
    until(lambda: place.exists() and place.stat().st_size)
    return json.loads(place.read_text())["address"], {worker.pid: worker for worker in workers}


def until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.03)
    return found


def ended(folder):
    return sum(read_status(path.parent)["status"] == "finished" for path in folder.glob("*/status.json"))


def owners(folder):
    """Process ids that train now, by run."""
    found = {}
    for path in folder.glob("*/lock"):
        try:
            found[path.parent.name] = json.loads(path.read_bytes())["pid"]
        except (OSError, ValueError):
            continue
    return found


def test_a_killed_worker_and_a_client_that_is_started_again(tmp_path, start, cluster):
    """Twelve runs on two workers: SIGKILL for one that trains, later for the client; then the same command again."""
    address, workers = cluster
    data, out = own_data(tmp_path), tmp_path / "out"
    (tmp_path / "s.toml").write_text(toml(data, UPDATES, SWEEP))
    command = ("glorotlab", "sweep", "s.toml", "--out", "out", "--scheduler", address)
    client = start("client", *command, "--checkpoint-every", "0.05")
    until(lambda: ended(out) >= 2)
    victim = until(lambda: [pid for pid in owners(out).values() if pid in workers])[0]
    workers[victim].send_signal(signal.SIGKILL)
    until(lambda: ended(out) >= 5)
    assert ended(out) < RUNS
    client.send_signal(signal.SIGKILL)
    client.wait()
    again = start("again", *command)
    assert again.wait(120) == 0, (tmp_path / "again.log").read_text()
    said = (tmp_path / "again.log").read_text()
    assert f"{RUNS} finished of {RUNS} runs" in said
    results = load_sweep(out)
    assert len(set(results.runs)) == RUNS == ended(out)
    made = sessions(results)
    print(sorted(updates for updates in made.values() if updates != [0]))
    assert all(updates[0] == 0 and updates[-1] < UPDATES for updates in made.values())
    assert sum(len(updates) - 1 for updates in made.values()) <= 1, "only the run of the killed worker has two sessions"
    with ThreadPoolExecutor(1) as pool:
        spec = SweepSpec.from_toml((tmp_path / "s.toml").read_text())
        here = sweep(spec, tmp_path / "here", executor=pool)
    assert everything(here) == everything(results)
    assert here.dataset(steps=True).drop_vars("seconds").identical(results.dataset(steps=True).drop_vars("seconds"))
    assert here.best().identical(results.best())


def test_a_scheduler_that_is_not_there(tmp_path, monkeypatch):
    from glorotlab.training.sweeps import cluster as module

    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.5)
    spec = SweepSpec.from_toml(toml(own_data(tmp_path), 1, SWEEP))
    with pytest.raises(RunFailedError, match=r"scheduler tcp://127.0.0.1:1: it does not answer: ") as caught:
        sweep(spec, tmp_path / "out", scheduler="tcp://127.0.0.1:1")
    assert "\n" not in str(caught.value)


def test_ctrl_c_stops_the_workers_of_a_cluster(tmp_path, start, cluster):
    """Its tasks run in threads, which see that the sweep's token is gone."""
    address, _ = cluster
    (tmp_path / "s.toml").write_text(toml(own_data(tmp_path), 10**6, "[sweep]\nrepeats = 5\n"))
    client = start("client", "glorotlab", "sweep", "s.toml", "--out", "out", "--scheduler", address)
    until(lambda: len(owners(tmp_path / "out")) == 2)
    client.send_signal(signal.SIGINT)
    assert client.wait(60) == 130
    assert (
        "0 of 5 runs have ended, the others are saved; resume with: glorotlab sweep"
        in (tmp_path / "client.log").read_text()
    )
    until(lambda: not owners(tmp_path / "out"))


def test_files_of_tls_reach_the_client(tmp_path, monkeypatch):
    """What Dask's ``Security`` makes of them for a client; encryption is required. No cluster is needed for that."""
    made = {}

    class Client:
        def __init__(self, address, *, security, **settings):
            made[address] = security
            raise OSError("no cluster")

    monkeypatch.setattr("distributed.Client", Client)
    monkeypatch.setattr("distributed.security.Security.get_connection_args", lambda self, role: {"ssl_context": role})
    (tmp_path / "ca.pem").touch()
    (tmp_path / "mine.pem").touch()
    for address, tls in (("tls://a:1", Tls(tmp_path / "ca.pem", tmp_path / "mine.pem")), ("tcp://a:1", None)):
        with pytest.raises(RunFailedError, match="no cluster"), dask_cluster(address, tls):
            pass
    security = made["tls://a:1"]
    mine = str(tmp_path / "mine.pem")
    expected = {"ca_file": str(tmp_path / "ca.pem"), "cert": mine, "key": mine}
    assert security.get_tls_config_for_role("client").items() >= expected.items()
    assert security.require_encryption
    assert made["tcp://a:1"] is None


def test_tls_without_files_and_with_bad_ones_is_refused_in_one_line(tmp_path):
    (tmp_path / "bad.pem").write_text("no certificate")
    bad = Tls(tmp_path / "bad.pem", tmp_path / "bad.pem")
    for tls, said in ((None, "without files of TLS: allowed are"), (bad, "files of TLS that cannot be used")):
        with pytest.raises(InvalidValueError, match=said) as caught, dask_cluster("tls://localhost:1", tls):
            pass
        assert "\n" not in str(caught.value)
