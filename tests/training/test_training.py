"""Training: monitors change nothing; the run equals an independent NumPy loop; statistics are those of measure."""

import dataclasses
import json
import math
from functools import partial

import numpy as np
import pytest
from cifar10_fixtures import CONTENTS, TINY, write
from training_fixtures import CLASSES, FAN_IN, arrays, endless, finite, run_spec, stream

from glorotlab import threads
from glorotlab.data import catalogue
from glorotlab.data.catalogue import load_dataset
from glorotlab.data.cifar10 import load_cifar10
from glorotlab.data.dataset import Dataset
from glorotlab.data.source import ArraySource
from glorotlab.errors import DataError, DivergedError, InvalidValueError
from glorotlab.measurement.measure import measure
from glorotlab.network.mlp import Network
from glorotlab.spec.run import RunSpec
from glorotlab.spec.sweep import SweepSpec
from glorotlab.training import loop
from glorotlab.training.batches import Batches
from glorotlab.training.error_curves import classification_error
from glorotlab.training.loop import train
from glorotlab.training.runs.run import load_run
from glorotlab.training.sweeps.plan import plan

DATA = {"finite": finite, "endless": endless}
OPTIONS = [
    {},
    {"momentum": 0.9},
    {"l2": 0.01},
    {"momentum": 0.5, "l2": 0.01},
    {"momentum": 0.5, "nesterov": True, "l2": 0.01},
]
ONLY_ENDS = 10**9


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    monkeypatch.setitem(threads._state, "threads", threads._state["threads"])


def bits(weights):
    return {name: array.tobytes() for name, array in weights.items()}


def unmonitored(spec, data):
    """The bare updates: no monitor, no error curve, no folder."""
    network, training = Network(spec.network, seed=spec.seed, dtype=spec.dtype), spec.training
    batches = Batches(data.train, training, spec.seed)
    for update in range(training.updates):
        x, y = batches.batch(update)
        options = {"momentum": training.momentum, "nesterov": training.nesterov, "l2": training.l2}
        network.train_step(x, y, training.learning_rate, **options)
    return bits({name: array for name, array in network.state().items() if "velocity" not in name})


@pytest.mark.parametrize(
    ("kind", "options", "dtype"),
    [("finite", options, "float32") for options in OPTIONS]
    + [("endless", OPTIONS[0], "float32"), ("finite", OPTIONS[-1], "float64")],
    ids=str,
)
def test_monitors_change_no_bit(kind, options, dtype):
    data = DATA[kind]()
    expected = unmonitored(run_spec(dtype=dtype, **options), data)
    for monitor, validation in ((1, 1), (1, ONLY_ENDS), (ONLY_ENDS, 1), (7, 5), (0, 0), (ONLY_ENDS, ONLY_ENDS)):
        spec = run_spec(dtype=dtype, monitor_every=monitor, validation_every=validation, **options)
        assert bits(train(spec, dataset=data).weights) == expected


def test_monitors_change_no_bit_on_any_number_of_threads():
    """Layers wide enough for several threads, in the updates as in the monitors."""
    data, found = finite(), []
    for count in (1, 2, 4):
        threads.set_num_threads(count)
        for monitor in (1, ONLY_ENDS):
            spec = run_spec("6,700,700,3", updates=4, batch_size=10, momentum=0.9, l2=0.01, monitor_every=monitor)
            run = train(spec, dataset=data)
            found.append((bits(run.weights), run.statistics.isel(step=[0, -1]).to_dict()["data_vars"]))
        found.append((unmonitored(spec, data), found[0][1]))
    for weights, statistics in found[1:]:
        assert weights == found[0][0]
        np.testing.assert_equal(statistics, found[0][1])


@pytest.mark.parametrize(("dtype", "activation"), [("float32", "tanh"), ("float64", "tanh"), ("float32", "x/(1+x**2)")])
def test_a_stream_drawn_in_the_step_trains_as_one_drawn_before(
    dtype, activation, monkeypatch, small_products_on_threads
):
    """On 1, 2 and 4 threads, one update a call or many."""
    drawn, found = stream(), []

    class Before:  # the same images from a source of the user's own
        length, fan_in, classes = math.inf, drawn.train.fan_in, drawn.train.classes
        batch = drawn.train.batch

    data = {"drawn": drawn, "before": Dataset("shapeset", Before(), drawn.validation, drawn.test)}
    spec = run_spec("1024,300,9", dtype=dtype, updates=40, momentum=0.5, network={"activation": activation})
    for count in (1, 2, 4):
        threads.set_num_threads(count)
        for seconds in (0.0, 0.1):
            monkeypatch.setattr(loop, "ANSWERS_WITHIN", seconds)
            for given in data.values():
                run = train(spec, dataset=given)
                found.append((bits(run.weights), run.curves.to_dict()["data_vars"]))
    for weights, curves in found[1:]:
        assert weights == found[0][0]
        np.testing.assert_equal(curves, found[0][1])


def reference_order(length, size, seed):
    """The batch order of the contract: epoch e permutes by Philox with key (seed, 3) and counter (0, e, 0, 0)."""
    epoch = 0
    while True:
        bits = np.random.Philox(key=np.array([seed, 3], np.uint64), counter=np.array([0, epoch, 0, 0], np.uint64))
        order = np.random.Generator(bits).permutation(length)
        for start in range(0, length - size + 1, size):
            yield order[start : start + size]
        epoch += 1


def reference_run(spec, x_of, options):
    """Plain stochastic gradient descent in float64: tanh, softmax, log-likelihood. Weights and costs."""
    start = Network(spec.network, seed=spec.seed, dtype="float64")
    weights, biases = ([a.copy() for a in found] for found in (start.weights, start.biases))
    velocities = [np.zeros_like(a) for a in weights + biases]
    rate, momentum, l2 = spec.training.learning_rate, options.get("momentum", 0), options.get("l2", 0)
    costs = []
    for update in range(spec.training.updates):
        x, y = x_of(update)
        z = [x.astype(np.float64)]
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            z.append(np.tanh(z[-1] @ weight + bias))
        p = np.exp(z[-1] @ weights[-1] + biases[-1])
        p /= p.sum(axis=1, keepdims=True)
        costs.append(-np.log(p[np.arange(len(y)), y]).mean())
        d, gradients = (p - np.eye(p.shape[1])[y]) / len(y), []
        for k in reversed(range(len(weights))):
            gradients.insert(0, (z[k].T @ d + l2 * weights[k], d.sum(axis=0)))
            d = d @ weights[k].T * (1 - z[k] ** 2)
        parameters = weights + biases
        for k, gradient in enumerate([w for w, _ in gradients] + [b for _, b in gradients]):
            velocities[k] = momentum * velocities[k] - rate * gradient
            parameters[k] += velocities[k]
            if "nesterov" in options:
                parameters[k] += (momentum - 1) * velocities[k] - rate * gradient
    return weights, biases, costs


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", DATA)
def test_a_run_is_plain_gradient_descent(kind, options):
    """60 updates, more than six epochs of the finite data, in float64."""
    data, spec = DATA[kind](), run_spec(seed=5, dtype="float64", updates=60, validation_every=1, **options)
    if kind == "finite":
        order, source = reference_order(47, 5, seed=5), data.train

        def x_of(update):
            rows = next(order)
            return source.x[rows], source.y[rows]
    else:

        def x_of(update):
            return data.train.batch(5 * update, 5)

    weights, biases, costs = reference_run(spec, x_of, options)
    run = train(spec, dataset=data)
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
        np.testing.assert_allclose(run.weights[f"weight_{k}"], weight, rtol=0, atol=1e-12)
        np.testing.assert_allclose(run.weights[f"bias_{k}"], bias, rtol=0, atol=1e-12)
    means = [np.mean(costs[: k + 1]) for k in range(60)]
    np.testing.assert_allclose(run.curves.training_cost[1:], means, rtol=1e-11)
    assert np.isnan(run.curves.training_cost[0])


def test_the_training_cost_is_the_mean_of_the_last_hundred_mini_batches_whatever_the_cadence():
    spec, data = run_spec(updates=250), finite()
    network, batches = Network(spec.network), Batches(data.train, spec.training, spec.seed)
    costs = [network.train_step(*batches.batch(update), spec.training.learning_rate) for update in range(250)]
    for every in (1, 70, 125, ONLY_ENDS):
        curves = train(run_spec(updates=250, validation_every=every), dataset=data).curves
        expected = [np.mean(costs[max(0, step - 100) : step]) for step in curves.step.values.astype(int)[1:]]
        np.testing.assert_allclose(curves.training_cost[1:], expected, rtol=1e-12)
        assert "last 100 mini-batches" in curves.training_cost.attrs["long_name"]


def test_error_curves_count_the_wrong_answers():
    data = finite()
    run = train(run_spec(updates=7), dataset=data)
    network = run.network()
    for name, source in (("validation_error", data.validation), ("test_error", data.test)):
        answers = network.forward(source.x).output.argmax(axis=1)
        assert float(run.curves[name][-1]) == (answers != source.y).mean()


def test_a_source_is_evaluated_whole(monkeypatch):
    """Also where the last evaluation batch is a part of one."""
    data, network = finite(), Network(run_spec().network)
    whole = classification_error(network, data.test)
    monkeypatch.setattr("glorotlab.training.error_curves.EVALUATION_BATCH", 7)
    assert classification_error(network, data.test) == whole


def test_statistics_at_the_start_are_those_of_measure():
    """On the first 300 test examples, bit for bit."""
    data, spec = load_dataset("shapeset", seed=4), run_spec("1024,20,15,9", seed=4, updates=2, batch_size=3)
    run = train(spec)
    measured = measure(spec.network, *data.test.batch(0, 300), seeds=[4], bins=100)
    assert run.statistics.attrs["examples"] == 300
    for found in (run.statistics, run.histograms):
        for name in set(found.data_vars) - {"fan_in", "fan_out"}:
            np.testing.assert_array_equal(found[name].isel(step=0), measured[name].isel(seed=0), err_msg=name)
    assert {"activation_count", "backprop_gradient_edge", "batch_weight_gradient_count"} <= set(run.histograms)
    after = measure_of(run, *data.test.batch(0, 300))
    assert float(run.statistics.preactivation_variance[-1, 0, 0]) == pytest.approx(after, rel=1e-6)


def test_a_spec_alone_says_how_many_examples_are_held_out(tmp_path):
    """A worker has nothing but the JSON of the spec."""
    data = "shapeset(validation=20, test=30)"
    spec = run_spec("1024,6,9", data=data, updates=3, batch_size=3)
    run = train(RunSpec(**json.loads(spec.model_dump_json())), tmp_path / "run")
    assert load_run(tmp_path / "run").spec.data == data
    assert run.statistics.attrs["examples"] == 30
    first = ArraySource(*load_dataset("shapeset").test.batch(0, 30), classes=9)
    assert float(run.curves.test_error[-1]) == classification_error(run.network(), first)
    assert bits(train(spec).network().state()) == bits(run.network().state())


def measure_of(run, x, y):
    """The variance of the first pre-activation of the network a run left."""
    return float(run.network().backpropagate(x, y).preactivations[0].astype(np.float64).var())


@pytest.mark.parametrize(
    ("monitor", "validation", "steps", "points"),
    [
        (5, 10, [0, 5, 10, 15, 20, 23], [0, 10, 20, 23]),
        (23, ONLY_ENDS, [0, 23], [0, 23]),
        (0, 0, [0, 23], [0, 23]),
    ],
)
def test_the_schedule(monitor, validation, steps, points):
    run = train(run_spec(monitor_every=monitor, validation_every=validation), dataset=finite())
    assert run.statistics.step.values.tolist() == steps
    assert run.curves.step.values.tolist() == points
    assert run.histograms.step.values.tolist() == [0, 23]
    assert (run.status, run.updates, run.folder) == ("finished", 23, None)
    assert run.statistics.activation_quantile.dims == ("step", "layer", "quantile")


def test_histograms_lose_nothing():
    run = train(run_spec(), dataset=finite())
    totals = run.histograms.batch_weight_gradient_count.sum("bin").values
    np.testing.assert_array_equal(totals, [[6 * 12, 12 * 11, 11 * 3]] * 2)


def test_no_updates_is_a_run():
    run = train(run_spec(updates=0), dataset=finite())
    assert (run.status, run.updates) == ("finished", 0)
    assert run.statistics.step.values.tolist() == [0]
    assert bits(run.weights) == unmonitored(run.spec, finite())


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("activation", ["tanh", "softsign", "relu", "sigmoid"])
def test_learning_happens(activation, momentum):
    """Three clusters 4 sigma from the origin along three axes: the best rule errs on about 0.5 %, chance on 67 %."""
    network = {"activation": activation}
    schedule = {"updates": 3000, "validation_every": 20}
    spec = run_spec("6,20,20,3", learning_rate=0.1, momentum=momentum, network=network, **schedule)
    run = train(spec, dataset=finite(count=400))
    assert float(run.curves.test_error[0]) > 0.3
    assert float(run.curves.test_error[-1]) < 0.03
    assert float(run.curves.validation_error[-1]) < 0.03
    assert float(run.curves.training_cost[-1]) < 0.1 * float(run.curves.training_cost[1])


def test_progress_goes_up_to_the_end_and_not_too_often():
    calls = []
    train(run_spec(updates=2001, validation_every=2001, monitor_every=2001), dataset=finite(), progress=record(calls))
    done = [step for step, _ in calls]
    assert done == sorted(set(done))
    assert done[-1] == 2001
    assert {total for _, total in calls} == {2001}
    assert len(calls) <= 1000


def record(calls):
    return lambda done, total: calls.append((done, total))


# what does not fit


@pytest.mark.parametrize("layers", ["7,12,3", "6,12,2"])
def test_a_network_that_does_not_fit_the_data_is_refused(layers, tmp_path):
    with pytest.raises(InvalidValueError, match="dataset 'clusters' needs 6 inputs and 3 outputs") as caught:
        train(run_spec(layers), tmp_path / "run", dataset=finite())
    assert layers in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_batch_larger_than_the_data_writes_nothing(tmp_path):
    with pytest.raises(InvalidValueError, match="batch_size 48: allowed are 1 to 47"):
        train(run_spec(batch_size=48), tmp_path / "run", dataset=finite())
    assert list(tmp_path.iterdir()) == []


def test_errors_are_counted_on_finite_data_only(tmp_path):
    data = Dataset("odd", endless().train, finite().validation, endless().train)
    with pytest.raises(InvalidValueError, match="dataset 'odd' has an endless test or validation part") as caught:
        train(run_spec(), tmp_path / "run", dataset=data)
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


# the data a spec names


@pytest.fixture
def own(tmp_path):
    x, y = arrays(60)
    np.savez(tmp_path / "own.npz", x=x, y=y)
    return tmp_path / "own.npz"


def test_npz_data_is_identified_by_its_digest_and_not_by_its_path(own):
    moved, changed = own.with_name("moved.npz"), own.with_name("changed.npz")
    x, y = arrays(60)
    np.savez(moved, y=y, x=x)
    x[0, 0] = 0
    np.savez(changed, x=x, y=y)
    specs = [train(run_spec(data=str(path), updates=1)).spec for path in (own, moved, changed)]
    assert specs[0].data == "own.npz"
    assert specs[0].content_hash == specs[1].content_hash != specs[2].content_hash
    assert specs[0].data_digest == Dataset.from_npz(own).digest


def test_a_spec_is_not_trained_on_other_data_than_it_says(own, tmp_path):
    spec = train(run_spec(data=str(own), updates=1)).spec
    assert train(spec).spec == spec
    x, y = arrays(60)
    np.savez(own, x=x + 1, y=y)
    with pytest.raises(DataError, match=r"own\.npz.*not the data of this spec") as caught:
        train(spec, tmp_path / "run")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()
    given = train(run_spec(updates=1), dataset=finite()).spec
    assert train(given, dataset=finite()).spec == given
    with pytest.raises(DataError, match="not the data of this spec"):
        train(given, dataset=endless())


def test_a_run_names_the_dataset_it_was_given():
    """Not the one its spec names by default."""
    given = train(run_spec(updates=1), dataset=finite()).spec
    assert (given.data, given.data_digest) == ("clusters", finite().digest)
    generated = train(run_spec(updates=1), dataset=endless()).spec
    assert (generated.data, generated.data_digest) == ("endless", "")


def test_published_data_are_identified_by_their_name(tmp_path):
    """A spec that holds the digest keeps it, and is trained on these data alone."""
    published = dataclasses.replace(finite(), published=True)
    spec = train(run_spec(updates=1), tmp_path / "run", dataset=published).spec
    assert (spec.data, spec.data_digest) == ("clusters", "")
    with_digest = spec.model_copy(update={"data_digest": published.digest})
    assert train(with_digest, dataset=published).spec == with_digest
    with pytest.raises(DataError, match="not the data of this spec"):
        train(with_digest, dataset=dataclasses.replace(finite(48), published=True))


def test_a_copy_of_published_data_is_identified_by_its_digest_too(tmp_path, monkeypatch):
    """In a run, and in the plan of a sweep, whose folders are named by what the workers train."""
    load = partial(load_cifar10, write(tmp_path), TINY, validation=3)
    describe = catalogue._STORED["cifar10"].describe
    record = dataclasses.replace(describe(), available=True, path=tmp_path)
    built_in = catalogue._BuiltIn(lambda seed: load(), lambda: record)
    monkeypatch.setitem(catalogue._STORED, "cifar10", built_in)
    spec = run_spec("3072,5,10", data="cifar10", updates=2, batch_size=3)
    sweep = SweepSpec(run=spec.model_dump(exclude={"data_digest"}))
    assert train(spec).spec == plan(sweep)[0].spec == spec
    (tmp_path / "test_batch.bin").write_bytes(CONTENTS[0])
    copy = spec.model_copy(update={"data_digest": load().digest})
    assert train(spec).spec == plan(sweep)[0].spec == copy


# divergence


def assert_finite(run):
    """Nothing recorded is infinite, and NaN only where the schema has no value."""
    for name, variable in run.statistics.data_vars.items():
        assert not np.isinf(variable).any(), name
        if not name.startswith("activation_"):
            pooled = variable.sel(estimator="pooled") if "estimator" in variable.dims else variable
            assert np.isfinite(pooled).all(), name
    hidden = run.statistics.isel(layer=slice(-1))
    for name in ("activation_mean", "activation_variance", "activation_quantile"):
        assert np.isfinite(hidden[name]).all(), name
    for name, variable in run.histograms.data_vars.items():
        if not name.startswith("activation_edge"):
            assert np.isfinite(variable).all(), name
    assert np.isfinite(run.curves.isel(step=slice(1, None)).to_array()).all()
    assert np.isfinite(run.curves.test_error).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "linear"])
@pytest.mark.parametrize(("monitor", "validation"), [(1, 1), (7, 1), (1, 7), (ONLY_ENDS, ONLY_ENDS)])
@pytest.mark.parametrize("pair", [("softmax", "log_likelihood"), ("linear", "quadratic")], ids="-".join)
def test_divergence_ends_the_run_and_keeps_what_was_finite(activation, dtype, monitor, validation, pair):
    spec = run_spec(
        "6,12,12,3",
        dtype=dtype,
        learning_rate=1e6,
        l2=1e3,
        updates=400,
        monitor_every=monitor,
        validation_every=validation,
        network={"activation": activation, "output": pair[0], "cost": pair[1]},
    )
    run = train(spec, dataset=finite())
    assert run.status == "diverged"
    assert 0 < run.updates <= 400
    assert_finite(run)
    assert math.isfinite(run.statistics.step[-1])


def test_an_error_of_a_network_that_is_not_finite_is_no_number():
    """argmax of NaN is 0: without a check the share of other labels would pass for an error."""
    network = Network(run_spec().network)
    network.weights[1][...] = np.nan
    assert math.isnan(classification_error(network, finite().test))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_to_train_from(tmp_path, dtype):
    layers, network = "6,12x25,3", {"activation": "relu", "initializer": "normal(std=1e18)"}
    with pytest.raises(DivergedError, match="not finite before the first update") as caught:
        train(run_spec(layers, network=network, dtype=dtype), tmp_path / "run", dataset=finite())
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == [], "a folder that says it runs"


def test_fewer_test_examples_than_are_monitored():
    data = Dataset("few", finite().train, finite().validation, ArraySource(*arrays(10), CLASSES))
    run = train(run_spec(updates=2), dataset=data)
    assert run.statistics.attrs["examples"] == 10
    assert data.fan_in == FAN_IN
