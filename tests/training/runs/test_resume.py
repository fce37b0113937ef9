"""A run that is stopped and goes on: at any update, by Ctrl-C at any moment, to the same bits."""

import json
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest
from training_fixtures import DATA, bits, finite, run_spec, stop_after

from glorotlab import files, netcdf, threads
from glorotlab.errors import InvalidValueError
from glorotlab.interrupts import held_interrupts
from glorotlab.training import loop
from glorotlab.training.loop import train
from glorotlab.training.runs import checkpoint, datasets, folder, saver
from glorotlab.training.runs.run import load_run

pytestmark = pytest.mark.usefixtures("each_update_reported")


def trained(out, **fields):
    return train(run_spec(**fields), out, dataset=finite())


@pytest.mark.parametrize("step", [1, 7, 23])
def test_an_interrupted_run_is_saved_and_the_interrupt_raised_again(tmp_path, step):
    with pytest.raises(KeyboardInterrupt):
        train(run_spec(monitor_every=5), tmp_path / "run", dataset=finite(), progress=stop_after(step))
    found = load_run(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {checkpoint.FILE, *folder.DERIVED}
    assert (found.status, found.updates) == ("interrupted", step)
    assert json.loads((tmp_path / "run" / "status.json").read_text())["status"] == "interrupted"
    assert bits(found)["weights"] == bits(trained(None, updates=step))["weights"]
    assert found.statistics.step.values.tolist() == list(range(0, step, 5)) + [23] * (step == 23)
    assert found.histograms.sizes["step"] == 2
    assert "interrupted" in found._repr_html_()


# resuming


MOMENTUM = {"momentum": 0.9, "l2": 0.01, "dtype": "float64"}


@pytest.mark.parametrize(("kind", "options"), [("finite", MOMENTUM), ("endless", MOMENTUM), ("stream", {})], ids=str)
def test_a_run_stopped_anywhere_ends_bit_identical(tmp_path, kind, options):
    """Stopped in the middle of an epoch and at its end, after a record and without one since the stop before."""
    layers = "1024,12,11,9" if kind == "stream" else "6,12,11,3"
    out = tmp_path / "run"
    spec, data = run_spec(layers, monitor_every=4, validation_every=5, **options), DATA[kind]()
    expected = bits(train(spec, dataset=data))
    for place, stop in enumerate((6, 7, 18), start=1):
        with pytest.raises(KeyboardInterrupt):
            train(spec, out, dataset=DATA[kind](), progress=stop_after(stop))
        found = load_run(out)
        assert (found.status, found.updates, len(found.provenance)) == ("interrupted", stop, place)
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path / str(stop), dataset=DATA[kind](), progress=stop_after(stop))
        assert bits(found) == bits(load_run(tmp_path / str(stop))), "stopped once, to the same place"
    run = train(spec, out, dataset=DATA[kind]())
    assert bits(run) == bits(load_run(out)) == expected
    assert [session["from_update"] for session in run.provenance] == [0, 6, 7, 18]
    assert json.loads((out / "provenance.json").read_text()) == run.provenance
    for name in ("statistics", "histograms", "curves"):
        assert (out / f"{name}.nc").read_bytes() == expected["tables"][name]


def test_a_checkpoint_without_the_last_costs_is_read_and_resumed(tmp_path):
    """As it was before the training cost had a window: with the sum and number of the costs since the last point."""
    spec = run_spec(validation_every=5)
    expected = train(spec, dataset=finite())
    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path, dataset=finite(), progress=stop_after(7))
    new = checkpoint.Checkpoint.read(tmp_path)
    costs = new.arrays["recent_costs"]
    arrays = {name: array for name, array in new.arrays.items() if name != "recent_costs"}
    arrays["since_point"] = np.array([costs[5:].sum(), 2.0])
    replace(new, arrays=arrays).write(tmp_path)
    old = load_run(tmp_path)
    assert (old.status, old.updates) == ("interrupted", 7)
    assert old.curves.training_cost.attrs["long_name"] == "mean cost of the mini-batches since the point before"
    run = train(spec, tmp_path, dataset=finite())
    assert bits(run)["weights"] == bits(expected)["weights"]
    assert run.curves[["validation_error", "test_error"]].identical(expected.curves[["validation_error", "test_error"]])
    cost, whole = run.curves.training_cost.values, expected.curves.training_cost.values
    np.testing.assert_array_equal(cost[:2], whole[:2])  # of the points before
    since = 23 * whole[-1] - costs[:5].sum()  # the costs before the last point are lost
    np.testing.assert_allclose(18 * cost[-1], since, rtol=1e-12)


def test_a_resume_is_bit_identical_on_any_number_of_threads(tmp_path, small_products_on_threads, monkeypatch):
    monkeypatch.setitem(threads._state, "threads", 1)
    spec = run_spec("6,70,70,3", momentum=0.9, monitor_every=4)
    expected = bits(train(spec, dataset=finite()))
    for count, stop in ((2, 5), (3, 11), (1, 17)):
        threads.set_num_threads(count)
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path, dataset=finite(), progress=stop_after(stop))
    threads.set_num_threads(4)
    assert bits(train(spec, tmp_path, dataset=finite())) == expected


def test_a_diverging_run_ends_where_it_would_have(tmp_path):
    spec = run_spec(learning_rate=1e6, l2=1e3, updates=400, network={"activation": "relu"})
    expected = train(spec, dataset=finite())
    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path, dataset=finite(), progress=stop_after(expected.updates - 1))
    for _ in range(2):
        run = train(spec, tmp_path, dataset=finite())
        assert (run.status, len(run.provenance)) == ("diverged", 2)
        assert bits(run) == bits(expected)


def test_time_used_adds_up(tmp_path, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(clock))
    with pytest.raises(KeyboardInterrupt):
        train(run_spec(), tmp_path, dataset=finite(), progress=stop_after(5))
    first = load_run(tmp_path).seconds
    assert train(run_spec(), tmp_path, dataset=finite()).seconds > first + 17 > 20


def test_the_run_can_be_read_while_it_goes_on(tmp_path):
    """From the first update on, at the state of the last checkpoint."""
    seen = []

    def look(done, total):
        run = load_run(tmp_path)
        seen.append((run.status, run.updates))
        assert run.curves.step.values[-1] <= run.updates
        assert run.network().weights[0].shape == (6, 12)

    train(run_spec(), tmp_path, dataset=finite(), progress=look, checkpoint_every=0)
    assert seen == [("running", step) for step in range(23)]
    assert load_run(tmp_path).status == "finished"


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_seconds_below_zero_are_refused(tmp_path, seconds):
    with pytest.raises(InvalidValueError, match="checkpoint_every"):
        train(run_spec(), tmp_path / "run", dataset=finite(), checkpoint_every=seconds)
    assert list(tmp_path.iterdir()) == []


# how often


def test_a_checkpoint_waits_until_it_costs_little(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(saver.time, "monotonic", lambda: now[0])
    timer = saver.Timer(60)

    def due_after(seconds):
        now[0] += seconds
        return timer.due()

    assert not due_after(59.9)
    assert due_after(0.2)
    with timer.timed():
        now[0] += 0.25  # 0.5 % of 50 s
    assert (due_after(59.9), due_after(0.2)) == (False, True)
    with timer.timed():
        now[0] += 2  # 0.5 % of 400 s
    assert (due_after(399.9), due_after(0.2)) == (False, True)
    unknown = saver.Timer(60, expected=1)
    now[0] += 199
    assert not unknown.due()
    now[0] += 2
    assert unknown.due()
    always = saver.Timer(0)
    with always.timed():
        now[0] += 1000
    assert always.due()


@pytest.mark.parametrize(("every", "checkpoints"), [(0, 1 + 23 + 1), (1, 1 + 11 + 1), (1e9, 2)])
def test_checkpoints_are_written_by_time(tmp_path, monkeypatch, every, checkpoints):
    """Half a second an update; a write costs nothing. At the start, when due before an update, and at the end."""
    now, written, write = [0.0], [], checkpoint.Checkpoint.write
    monkeypatch.setattr(saver.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoint.Checkpoint, "write", lambda self, path: (written.append(self), write(self, path)))

    def half_a_second(done, total):
        now[0] += 0.5

    train(run_spec(), tmp_path, dataset=finite(), progress=half_a_second, checkpoint_every=every)
    assert len(written) == checkpoints


# Ctrl-C


def test_an_interrupt_without_a_folder_is_just_that(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(run_spec(), dataset=finite(), progress=stop_after(2))
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
    """Pressed where the third update begins: the layers of one update never part."""
    with monkeypatch.context() as patch:
        press_in(patch, loop.Batches, "span", 3)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "run")
    found = load_run(tmp_path / "run")
    assert (found.status, found.updates) == ("interrupted", 3)
    assert bits(found)["weights"] == bits(trained(None, updates=3))["weights"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (loop.StatisticsMonitor, "state"),
        (loop.Network, "state"),
        (datasets, "statistics"),
        (checkpoint.Checkpoint, "write"),
        (netcdf, "to_bytes"),
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
    assert {path.name for path in (tmp_path / "run").iterdir()} == {checkpoint.FILE, *folder.DERIVED}
    assert found.status in ("finished", "interrupted")
    assert bits(found)["weights"] == bits(trained(None, updates=found.updates))["weights"]


def test_ctrl_c_while_an_interrupted_run_is_written_waits(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        press_in(patch, netcdf, "to_bytes", 2)
        with pytest.raises(KeyboardInterrupt):
            train(run_spec(), tmp_path / "run", dataset=finite(), progress=stop_after(4))
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
