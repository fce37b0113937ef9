"""Pre-training in runs: plain NumPy of it all; stopped and killed at any update, to the same bits; what is recorded."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from training_fixtures import CLASSES, DATA, ENVIRONMENT, arrays, bits, endless, finite, run_spec, stop_after

from glorotlab.data.dataset import Dataset
from glorotlab.data.source import ArraySource
from glorotlab.errors import DataError, InvalidValueError
from glorotlab.measurement.measure import measure
from glorotlab.network.mlp import Network
from glorotlab.spec.run import RunSpec
from glorotlab.spec.sweep import SweepSpec
from glorotlab.spec.training import TrainingSpec
from glorotlab.training import error_curves, loop
from glorotlab.training.batches import Batches
from glorotlab.training.loop import train
from glorotlab.training.runs import checkpoint
from glorotlab.training.runs.run import load_run

PER_LAYER = 9
"""Updates of each of two hidden layers: as many as an epoch has, so that one ends in the middle of a layer's order."""


def bounded():
    """The clusters within [-1, 1]."""
    parts = (ArraySource(np.tanh(x / 2), y, CLASSES) for x, y in (arrays(47), arrays(320, 1), arrays(320, 2)))
    return Dataset("bounded", *parts)


SOURCES = {"finite": bounded, "endless": endless, "stream": DATA["stream"]}


def pretrained(layers="6,12,11,3", **fields):
    return run_spec(layers, **({"pretraining_updates": PER_LAYER, "pretraining_learning_rate": 0.05} | fields))


# what it does


def philox(seed, purpose, index):
    key, counter = np.array([seed, purpose], np.uint64), np.array([0, index, 0, 0], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def reference(spec, batch_of):
    """Weights and biases after pre-training, in plain NumPy, tanh: the masks are the streams of purpose 19."""
    start = Network(spec.network, seed=spec.seed, dtype="float64")
    weights, biases = ([array.copy() for array in held] for held in (start.weights, start.biases))
    rate, corruption = spec.training.pretraining_learning_rate, spec.training.corruption
    for layer in range(len(weights) - 1):
        w, b, c = weights[layer], biases[layer], np.zeros(len(weights[layer]))
        for update in range(spec.training.pretraining_updates):
            v = batch_of(2**40 + update).astype(np.float64)
            for below in range(layer):
                v = np.tanh(v @ weights[below] + biases[below])
            seen = v * (philox(spec.seed, 19, layer * 2**40 + update).random(v.shape, np.float32) >= corruption)
            y = np.tanh(seen @ w + b)
            residual = (np.tanh(y @ w.T + c) - v) / len(v)
            d = residual @ w * (1 - y**2)
            w -= rate * (seen.T @ d + residual.T @ y)
            b -= rate * d.sum(axis=0)
            c -= rate * residual.sum(axis=0)
    return weights, biases


@pytest.mark.parametrize("source", ["finite", "endless"])
def test_layers_are_pretrained_one_by_one_and_the_network_is_trained_from_there(source):
    data = SOURCES[source]()
    for updates in (0, 23):
        spec = pretrained(seed=5, dtype="float64", corruption=0.4, updates=updates)
        run, batches = train(spec, dataset=data), Batches(data.train, spec.training, spec.seed)
        weights, biases = reference(spec, lambda update, batches=batches: batches.batch(update)[0])
        network = Network(spec.network, dtype="float64")
        for own, array in zip((*network.weights, *network.biases), (*weights, *biases), strict=True):
            own[...] = array
        for update in range(updates):
            network.train_step(*batches.batch(update), 0.1)
        for name, array in network.state().items():
            np.testing.assert_allclose(run.weights[name], array, rtol=0, atol=1e-12)


def test_the_records_before_the_first_update_are_of_the_pretrained_network():
    data = bounded()
    x, y = data.test.batch(0, 300)
    spec = pretrained(updates=4, monitor_every=2, validation_every=2)
    run, start = train(spec, dataset=data), train(pretrained(updates=0), dataset=data)
    assert run.statistics.step.values.tolist() == run.curves.step.values.tolist() == [0, 2, 4]
    assert run.statistics.isel(step=0).identical(start.statistics.isel(step=0).assign_attrs(run.statistics.attrs))
    own = start.network().backpropagate(x, y).preactivations[0].astype(np.float64).var()
    assert float(run.statistics.preactivation_variance[0, 0, 0]) == pytest.approx(own, rel=1e-6)
    untrained = measure(spec.network, x, y, seeds=[0]).preactivation_variance.isel(seed=0)
    assert float(untrained[0, 0]) != pytest.approx(own, rel=1e-3)


def test_reconstruction_gets_better(tmp_path):
    for name, rate in (("no", 0.0), ("yes", 0.05)):
        spec = pretrained(updates=0, pretraining_updates=600, pretraining_learning_rate=rate)
        train(spec, tmp_path / name, dataset=bounded())
    costs = [json.loads((tmp_path / name / "status.json").read_text())["pretraining"] for name in ("no", "yes")]
    assert [len(found["reconstruction_cost"]) for found in costs] == [2, 2]
    assert costs[1]["reconstruction_cost"][0] < 0.9 * costs[0]["reconstruction_cost"][0]
    assert costs[1]["updates"] == costs[1]["updates_in_all"] == 1200


# stopped


@pytest.mark.usefixtures("each_update_reported")
@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("finite", {"momentum": 0.5}),
        ("endless", {"learning_rates": "hessian", "curvature_every": 6, "curvature_examples": 20}),
        ("stream", {"dtype": "float64"}),
    ],
    ids=str,
)
def test_a_run_stopped_anywhere_ends_bit_identical(tmp_path, source, options):
    """In the first layer, where a layer ends, in the second, where pre-training ends, and later."""
    layers = "1024,12,11,9" if source == "stream" else "6,12,11,3"
    spec, data = pretrained(layers, monitor_every=4, **options), SOURCES[source]
    expected = bits(train(spec, dataset=data()))
    for stop in (1, 5, 9, 10, 18, 19, 30):
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path / "run", dataset=data(), progress=stop_after(stop))
        status = json.loads((tmp_path / "run" / "status.json").read_text())
        assert (status["status"], status["updates"]) == ("interrupted", max(0, stop - 18))
        assert (status["pretraining"]["updates"], status["pretraining"]["updates_in_all"]) == (min(stop, 18), 18)
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path / str(stop), dataset=data(), progress=stop_after(stop))
        assert bits(load_run(tmp_path / "run")) == bits(load_run(tmp_path / str(stop))), "stopped once"
    run = train(spec, tmp_path / "run", dataset=data())
    assert bits(run) == bits(load_run(tmp_path / "run")) == expected


@pytest.mark.usefixtures("each_update_reported")
def test_every_checkpoint_goes_on_to_the_same_bits(tmp_path):
    """As a kill leaves them: one after every update of pre-training and training."""
    spec, expected, kept = pretrained(updates=3, pretraining_updates=4), [], []

    def keep(done, total):
        kept.append(tmp_path / str(len(kept)))
        shutil.copytree(tmp_path / "run", kept[-1], ignore=shutil.ignore_patterns("lock"))

    expected = bits(train(spec, tmp_path / "run", dataset=bounded(), progress=keep, checkpoint_every=0))
    places = []
    for folder in kept:
        found = checkpoint.Checkpoint.read(folder)
        places.append((int(found.arrays["pretraining/place"][0]), found.updates))
        assert bits(train(spec, folder, dataset=bounded())) == expected
    assert places[:8] == [(done, 0) for done in range(8)]
    assert {(8, 0), (8, 1), (8, 2)} <= set(places)


@pytest.mark.parametrize("batch", range(1, 8, 2))
def test_ctrl_c_in_the_record_after_pretraining_keeps_the_one_before(tmp_path, monkeypatch, batch):
    """Statistics and both error counts: a checkpoint always has records; the rest is made when the run goes on."""
    monkeypatch.setattr(error_curves, "EVALUATION_BATCH", 100)
    spec = pretrained(updates=2)
    expected, forward, calls = bits(train(spec, dataset=bounded())), loop.Network._forward, []

    def pressed(network, x):
        calls.append(len(x))
        if len(calls) == 9 + batch:  # 9 before pre-training
            signal.raise_signal(signal.SIGINT)
        return forward(network, x)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Network, "_forward", pressed)
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path, dataset=bounded())
    found, start = load_run(tmp_path), train(run_spec(updates=0), dataset=bounded())
    assert (found.updates, found.curves.step.values.tolist()) == (0, [0])
    assert found.curves.identical(start.curves)
    assert bits(train(spec, tmp_path, dataset=bounded())) == expected


def test_progress_counts_both(tmp_path, each_update_reported):
    calls = []
    train(pretrained(updates=5), dataset=bounded(), progress=lambda done, total: calls.append((done, total)))
    done = [step for step, _ in calls]
    assert done == sorted(done)
    assert set(done) == set(range(1, 24))
    assert {total for _, total in calls} == {2 * PER_LAYER + 5}


def test_pretraining_that_diverges_ends_the_run(tmp_path):
    """The reconstruction of relu has no bound; the records are those before."""
    spec = pretrained(pretraining_learning_rate=1e6, network={"activation": "relu"})
    run = train(spec, tmp_path, dataset=bounded())
    assert (run.status, run.updates, run.curves.step.values.tolist()) == ("diverged", 0, [0])
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["pretraining"]["updates"] <= 2 * PER_LAYER
    assert train(spec, tmp_path, dataset=bounded()).status == "diverged"


def test_the_command_says_how_far_pretraining_got(tmp_path):
    folder = tmp_path / "run"
    options = ["--pretraining-updates", "1000000", "--pretraining-lr", "0.02", "--corruption", "0.1", "--updates", "5"]
    command = [sys.executable, "-m", "glorotlab", "train", "1024,12,9", "--dataset", "shapeset", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--out", folder], env=ENVIRONMENT, **pipes) as process:  # noqa: S603
        try:
            deadline = time.monotonic() + 120
            while not (folder / "status.json").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
    found = json.loads((folder / "status.json").read_text())["pretraining"]
    assert (process.returncode, out) == (130, "")
    assert f"saved after {found['updates']} of 1000000 pre-training updates; resume with" in err
    training = load_run(folder).spec.training
    fields = training.pretraining_updates, training.pretraining_learning_rate, training.corruption
    assert fields == (1_000_000, 0.02, 0.1)


# what is refused


@pytest.mark.parametrize("worst", [1.5, -2.0, np.nan])
def test_inputs_beyond_one_are_refused_before_anything_is_written(tmp_path, worst):
    x, y = arrays(47)
    x = np.tanh(x)
    x[40, 3] = worst
    data = bounded()
    wide = Dataset("wide", ArraySource(x, y, CLASSES) if worst == worst else Nans(), data.validation, data.test)
    with pytest.raises(DataError, match=f"inputs such as {worst:g}: allowed are inputs in") as caught:
        train(pretrained(), tmp_path / "run", dataset=wide)
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
    assert train(run_spec(updates=1), dataset=finite()).status == "finished"


class Nans:
    """An endless stream of what is no number."""

    length, fan_in, classes = float("inf"), 6, CLASSES

    def batch(self, start, size):
        return np.full((size, 6), np.nan, "f"), np.zeros(size, np.int64)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"corruption": 0.5}, "corruption 0.5 with pretraining_updates 0: it has no effect; allowed is 0.25"),
        ({"pretraining_learning_rate": 0.5}, "pretraining_learning_rate 0.5 with pretraining_updates 0"),
        ({"pretraining_updates": -1}, "pretraining_updates -1"),
        ({"pretraining_updates": 1, "corruption": 1.0}, "corruption 1.0: input should be less than 1"),
    ],
)
def test_fields_without_effect_or_meaning_are_refused(fields, said):
    with pytest.raises(InvalidValueError, match=said) as caught:
        TrainingSpec(updates=3, **fields)
    assert len(str(caught.value).splitlines()) == 1


def test_a_network_without_hidden_layers_has_nothing_to_pretrain():
    with pytest.raises(InvalidValueError, match="pretraining_updates 9 with layers 6,3: allowed is 0"):
        pretrained("6,3")


def test_hashes_and_text_of_specs():
    specs = [run_spec(), pretrained(), pretrained(corruption=0.1), pretrained(pretraining_updates=10)]
    assert len({spec.content_hash for spec in specs}) == 4
    assert "pretraining" not in specs[0].canonical_json()
    for spec in specs:
        assert RunSpec.from_toml(spec.to_toml()) == spec
    sweep = SweepSpec(run=pretrained().model_dump(mode="json"), grid={"corruption": [0.0, 0.5]})
    assert [spec.training.corruption for _, spec in sweep.points()] == [0.0, 0.5]
