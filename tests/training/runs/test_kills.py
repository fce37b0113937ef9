"""SIGKILL at any instant: the folder is readable, and the resumed run ends bit-identical."""

import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from train_process import import_once, start
from training_fixtures import DATA, ENVIRONMENT, bits, finite, run_spec

from glorotlab import files
from glorotlab.errors import RunError
from glorotlab.training.loop import train
from glorotlab.training.runs import checkpoint, folder, lock
from glorotlab.training.runs.checkpoint import Checkpoint
from glorotlab.training.runs.run import load_run

REFERENCES = Path(__file__).parents[2] / "references"
KILLS = 3
AHEAD, WITHIN = 8, 0.05
"""A process is killed 0 to 8 updates and 0 to 50 ms after it began: with a checkpoint after each, mostly writing."""

CHAINS = {
    "epochs": {"kind": "finite", "layers": "6,12,11,3", "momentum": 0.9, "l2": 0.01},
    "stream": {"kind": "stream", "layers": "1024,12,9"},
    "float64": {"kind": "finite", "layers": "6,40,3", "dtype": "float64", "momentum": 0.5},
}
"""Runs, each killed ``KILLS`` times."""

SCHEDULE = {"updates": 150, "monitor_every": 17, "validation_every": 23}


def check(out):
    """Return updates done, having seen that everything in a folder is readable."""
    for path in out.glob("*.nc"):
        xr.load_dataset(path, engine="scipy")
    for path in out.glob("*.json"):
        json.loads(path.read_text())
    if not (out / checkpoint.FILE).exists():
        with pytest.raises(RunError, match="holds no run"):
            load_run(out)
        return 0
    found = load_run(out)
    assert found.status == "interrupted"
    return found.updates


def kill_again_and_again(out, options, seed):
    """Return updates done after each of ``KILLS`` kills, and how many left a checkpoint half-written."""
    draw, done, torn = random.Random(seed), [0], 0  # noqa: S311
    for kill in range(KILLS):
        process, said = start(out, options | SCHEDULE, 1 + kill % 3, 0)
        for _ in range(1 + draw.randint(0, AHEAD)):
            assert said.poll(60)
            assert said.recv() != "finished"
        time.sleep(draw.uniform(0, WITHIN))
        process.kill()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL, "it had ended: the kill came too late"
        torn += any(path.name.startswith(f".{checkpoint.FILE}") for path in out.glob(".*"))
        done.append(check(out))
    assert done == sorted(done)
    return done[1:], torn


def last(said):
    """Return what came last from a process that has ended."""
    answer = None
    with contextlib.suppress(EOFError):
        while True:
            answer = said.recv()
    return answer


def test_kills_at_random_instants(tmp_path, monkeypatch):
    """Real processes on one, two and three threads; the last of each run writes no checkpoint on its way."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REFERENCES), ENVIRONMENT["PYTHONPATH"]]))
    import_once()
    history = {
        name: kill_again_and_again(tmp_path / name, options, seed)
        for seed, (name, options) in enumerate(CHAINS.items())
    }
    print(history)
    for done, _ in history.values():
        assert done[-1] > 0, "no checkpoint was reached"
    for name, options in CHAINS.items():
        process, said = start(tmp_path / name, options | SCHEDULE, 2, 60)
        process.join(120)
        assert process.exitcode == 0
        assert last(said) == "finished"
        fields = options | SCHEDULE
        data = DATA[fields.pop("kind")]()
        expected = bits(train(run_spec(fields.pop("layers"), **fields), dataset=data))
        run = load_run(tmp_path / name)
        assert bits(run) == expected
        for table in ("statistics", "histograms", "curves"):
            assert (tmp_path / name / f"{table}.nc").read_bytes() == expected["tables"][table]
        assert {path.name for path in (tmp_path / name).iterdir()} == {checkpoint.FILE, *folder.DERIVED}


class _KilledError(BaseException):
    """Stands in for SIGKILL inside this process."""


def dies_at(monkeypatch, nth):
    """Let the nth call that changes the disk be the last: nothing is cleaned up.

    A file has its content before it is flushed and gets rights and a name: a kill at any of these leaves the same.
    The kernel still takes ``flock`` back.
    """
    calls = []

    def wrap(owner, name):
        inner = getattr(owner, name)

        def deadly(*arguments, **options):
            calls.append(name)
            if len(calls) >= nth:
                raise _KilledError
            return inner(*arguments, **options)

        monkeypatch.setattr(owner, name, deadly)

    def dead(self):
        self._released.set()
        self._heart.join()
        os.close(self._descriptor)

    for owner, name in ((os, "replace"), (np, "savez"), (lock.os, "pwrite")):
        wrap(owner, name)
    monkeypatch.setattr(lock.Lock, "release", dead)
    monkeypatch.setattr(files.Path, "unlink", lambda self, missing_ok=False: None)
    monkeypatch.setattr(lock, "living_owner", lambda place: None)
    monkeypatch.setattr(lock.Owner, "lives", lambda self, heartbeat: False)


def test_a_kill_at_every_step_of_writing(tmp_path, monkeypatch):
    """A run of 2 updates in a folder that dies at the first call, then at the second, ... until it ends."""
    spec, data = run_spec(updates=2, momentum=0.5), finite()
    expected, ends = bits(train(spec, dataset=data)), []
    for nth in range(1, 200):
        out = tmp_path / str(nth)
        with monkeypatch.context() as patch:
            dies_at(patch, nth)
            try:
                train(spec, out, dataset=data, checkpoint_every=0)
            except _KilledError:
                ends.append(nth)
            else:
                break
        with monkeypatch.context() as patch:
            patch.setattr(lock.Owner, "lives", lambda self, heartbeat: False)
            before = check(out) if not ended(out) else 2
            assert 0 <= before <= 2
            assert bits(train(spec, out, dataset=data)) == expected
        assert {path.name for path in out.iterdir()} == {checkpoint.FILE, *folder.DERIVED}
    assert len(ends) >= 20, "4 checkpoints before they are written, 15 files before they have their name, and the lock"
    assert nth == len(ends) + 1


def ended(out):
    return (out / checkpoint.FILE).exists() and Checkpoint.read(out).ended
