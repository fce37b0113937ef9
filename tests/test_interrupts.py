"""How soon a run answers: updates are taken by time; a real SIGINT and SIGTERM; what each leaves, and its exit code."""

import json
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
from training_fixtures import ENVIRONMENT, arrays, endless, finite, run_spec, stream

from glorotlab import files
from glorotlab.interrupts import Terminated, held_interrupts, terminable
from glorotlab.kernels import simd
from glorotlab.spec.training import TrainingSpec
from glorotlab.training import error_curves, loop
from glorotlab.training.loop import train
from glorotlab.training.runs import provenance
from glorotlab.training.runs.run import load_run

DATA = {"finite": finite, "endless": endless, "stream": stream}
RARELY = {"monitor_every": 10**9, "validation_every": 10**9}


class Clock:
    """Stands in for the kernels and for time: an update takes what ``speed`` says, nothing else takes any."""

    def __init__(self, monkeypatch, speed):
        self.now, self.speed, self.chunks = 0.0, speed, []
        monkeypatch.setattr(loop, "time", types.SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(loop.Batches, "train", lambda batches, network, update, most: self.train(update, most))

    def train(self, update, most):
        took = most * self.speed(update)
        self.now += took
        self.chunks.append((most, took))
        return np.ones(most)


@pytest.mark.parametrize("seconds", [2e-5, 3e-4, 0.007, 0.02, 0.099, 0.5])
def test_updates_are_taken_by_time(monkeypatch, seconds):
    """Between two looks at Ctrl-C, and between two reports, 0.2 s at most where an update takes below 0.1 s."""
    clock, reports = Clock(monkeypatch, lambda update: seconds), []
    updates = round(4 / seconds)
    spec = run_spec(updates=updates, **RARELY)
    train(spec, dataset=finite(), progress=lambda done, total: reports.append((clock.now, done, total)))
    counts, took = np.array(clock.chunks).T
    assert counts.sum() == updates
    assert counts[0] == 1
    assert (took <= max(seconds, 0.05) * 1.0001).all()
    assert np.median(took) >= max(seconds, 0.04)
    times, done, total = np.array(reports).T
    assert (np.diff(times)[:-1] >= 0.1 - 1e-9).all(), "reported too often"
    assert np.diff(times, prepend=0).max() <= 0.1 + max(seconds, 0.05) * 1.0001
    assert (done[-1], set(total)) == (updates, {updates})


@pytest.mark.parametrize("factor", [2, 1000])
def test_one_fast_moment_makes_no_long_call(monkeypatch, factor):
    """A call whose updates took a thousandth of their time, then ordinary ones: the next is twice as long at most."""
    clock = Clock(monkeypatch, lambda update: 1e-3 / factor if 2000 < update < 2040 else 1e-3)
    train(run_spec(updates=4000, **RARELY), dataset=finite())
    assert len({most for most, _ in clock.chunks[10:-1]}) > 1, "no moment was fast"
    assert max(took for _, took in clock.chunks) <= 0.1001


@pytest.mark.parametrize("kind", DATA)
def test_lengths_of_calls_change_no_bit(monkeypatch, kind):
    """As many updates a call as a made-up clock says, against one by one."""
    layers, found = "1024,12,9" if kind == "stream" else "6,12,3", []
    draw = np.random.default_rng(0)
    for seconds in (0.0, 0.1, 0.1):
        with monkeypatch.context() as patch:
            patch.setattr(loop, "ANSWERS_WITHIN", seconds)
            if found:  # a clock that jumps
                patch.setattr(loop.time, "monotonic", lambda: draw.uniform(0, 0.2))
            run = train(run_spec(layers, updates=300, momentum=0.5, monitor_every=70), dataset=DATA[kind]())
        found.append([array.tobytes() for array in run.weights.values()] + [run.curves.to_dict()["data_vars"]])
    for other in found[1:]:
        np.testing.assert_equal(other, found[0])


@pytest.mark.parametrize("batch", [0, 1, 2, 4])
def test_ctrl_c_is_answered_while_errors_are_counted(tmp_path, monkeypatch, batch):
    """In the middle of a record, of statistics or errors: the rest is made when the run goes on, to the same bits."""
    monkeypatch.setattr(error_curves, "EVALUATION_BATCH", 100)
    spec = run_spec(updates=6, validation_every=3, monitor_every=3)
    expected, forward, calls = train(spec, dataset=finite()), loop.Network._forward, []

    def pressed(network, x):
        calls.append(len(x))
        if len(calls) == 10 + batch:  # the monitor has one, and each of two sets of 320 has 4
            signal.raise_signal(signal.SIGINT)
        return forward(network, x)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Network, "_forward", pressed)
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path, dataset=finite())
    found = load_run(tmp_path)
    assert len(calls) == 10 + batch
    assert (found.updates, found.curves.step.values.tolist()) == (3, [0])
    assert found.statistics.step.values.tolist() == ([0, 3] if batch else [0])
    run = train(spec, tmp_path, dataset=finite())
    for name in ("statistics", "histograms", "curves"):
        assert getattr(run, name).identical(getattr(expected, name))
    assert {name: array.tobytes() for name, array in run.weights.items()} == {
        name: array.tobytes() for name, array in expected.weights.items()
    }


# signals


def test_sigterm_is_held_where_it_is_terminable_and_nowhere_else():
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    seen = []

    def work():
        with terminable(), held_interrupts() as release:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            seen.append("held")
            release()

    with pytest.raises(Terminated):
        work()
    assert seen == ["held"]
    with terminable(), pytest.raises(Terminated):
        signal.raise_signal(signal.SIGTERM)
    with held_interrupts():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    theirs = signal.signal(signal.SIGTERM, lambda *_: seen.append("theirs"))
    try:
        with terminable(), held_interrupts():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, theirs)
    assert seen == ["held", "theirs"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("layers", "data", "signum", "code"),
    [
        ("1024,12,9", "shapeset(validation=500, test=500)", signal.SIGTERM, 143),
        ("6,300x3,3", "own.npz", signal.SIGINT, 130),
    ],
)
def test_a_signal_saves_whole_updates_and_says_how_to_go_on(tmp_path, layers, data, signum, code):
    """Real signals to real processes, on Shapeset and on data of the user's own."""
    folder = tmp_path / "run"
    x, y = arrays(60)
    np.savez(tmp_path / "own.npz", x=x, y=y)
    data = str(tmp_path / data) if data == "own.npz" else data
    command = [sys.executable, "-m", "glorotlab", "train", layers, "--dataset", data, "--updates", str(10**9)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--out", folder], env=ENVIRONMENT, **pipes) as process:  # noqa: S603
        try:
            deadline = time.monotonic() + 60
            while not (folder / "status.json").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.3)  # so that updates are made
            process.send_signal(signum)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out) == (code, "")
    found = load_run(folder)
    assert err == (
        f"glorotlab: interrupted: saved after {found.updates} of 1000000000 updates; "
        f"resume with: glorotlab train --resume --out {folder}\n"
    )
    assert (found.status, found.updates > 0) == ("interrupted", True)
    whole = found.spec.model_copy(update={"training": TrainingSpec(updates=found.updates, **RARELY)})
    weights = train(whole).weights
    assert {name: array.tobytes() for name, array in weights.items()} == {
        name: array.tobytes() for name, array in found.weights.items()
    }


def test_a_run_that_goes_on_on_another_simd_level_says_so(tmp_path, monkeypatch, capsys):
    from glorotlab.cli.main import main

    monkeypatch.chdir(tmp_path)
    command = ["train", "1024,4,9", "--dataset", "shapeset", "--updates", "40", "--out", "run"]

    def stopped(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(loop._Loop, "_take_steps", lambda self: signal.raise_signal(signal.SIGINT) or True)
            return main([*command, *arguments])

    def said():
        return [line for line in capsys.readouterr().err.splitlines() if "warning" in line]

    here = simd.get_level()
    assert stopped() == 130
    assert main(["train", "--resume", "--out", "run"]) == 0
    assert said() == []
    elsewhere = json.dumps([provenance.session(0) | {"simd": "neon"}])
    files.write_whole(tmp_path / "run" / provenance.FILE, elsewhere)
    assert main(command) == 0
    assert said() == [], "it has ended"
    command[-1] = "other"
    assert stopped() == 130
    files.write_whole(tmp_path / "other" / provenance.FILE, elsewhere)
    assert main(command) == 0
    (line,) = said()
    assert f"warning: the run in other was trained on SIMD level neon and is resumed on {here}: " in line
    assert [session["simd"] for session in load_run("other").provenance] == [here, here]
