"""Learning rates of single parameters in runs: when they are estimated and on what; the same bits after any stop."""

import numpy as np
import pytest
from training_fixtures import DATA, bits, finite, run_spec, stop_after

from glorotlab import threads
from glorotlab.errors import InvalidValueError
from glorotlab.network.curvature import gauss_newton, gradient_variance, learning_rate_factors
from glorotlab.network.mlp import Network
from glorotlab.spec.run import RunSpec
from glorotlab.spec.sweep import SweepSpec
from glorotlab.spec.training import TrainingSpec
from glorotlab.training.batches import Batches
from glorotlab.training.loop import train
from glorotlab.training.runs.checkpoint import Checkpoint
from glorotlab.training.runs.run import load_run

EVERY, EXAMPLES = 6, 23
"""Updates between estimates; more examples than four mini-batches, and no multiple of one."""

KINDS = ("hessian", "gradient_variance")


def own_rates(layers="6,12,11,3", kind="hessian", **fields):
    options = {"curvature_every": EVERY, "curvature_examples": EXAMPLES, "damping": 0.05}
    return run_spec(layers, learning_rates=kind, **(options | fields))


@pytest.mark.parametrize("options", [{}, {"momentum": 0.5, "nesterov": True, "l2": 0.01}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", ["finite", "endless"])
def test_estimates_are_made_every_so_many_updates_on_the_examples_to_come(source, kind, options):
    """Against single steps of a network; 47 examples make 9 mini-batches an epoch, so that estimates cross epochs."""
    data, spec = DATA[source](), own_rates(kind=kind, **options)
    run = train(spec, dataset=data)
    network, batches = Network(spec.network), Batches(data.train, spec.training, spec.seed)
    for update in range(23):
        if update % EVERY == 0:
            parts = [batches.batch(update + k) for k in range(5)]
            x, y = (np.concatenate(arrays)[:EXAMPLES] for arrays in zip(*parts, strict=True))
            passed = network.backpropagate(x, y)
            h = gauss_newton(passed, network.spec.cost_record) if kind == "hessian" else gradient_variance(passed)
            factors = learning_rate_factors(h, 0.05)
            network.set_rates(factors.weights, factors.biases)
        network.train_step(*batches.batch(update), 0.1, **options)
    for name, array in run.weights.items():
        assert array.tobytes() == network.state()[name].tobytes()
    assert set(run.weights) == {f"{name}_{k}" for name in ("weight", "bias") for k in (1, 2, 3)}


@pytest.mark.usefixtures("each_update_reported")
@pytest.mark.parametrize(("source", "kind"), [("finite", "hessian"), ("endless", KINDS[1]), ("stream", "hessian")])
def test_a_run_stopped_anywhere_ends_bit_identical(tmp_path, source, kind):
    """Before an estimate, right after one, and between two."""
    layers = "1024,12,11,9" if source == "stream" else "6,12,11,3"
    spec = own_rates(layers, kind, momentum=0.5, monitor_every=4)
    expected = bits(train(spec, dataset=DATA[source]()))
    for stop in (1, 5, 6, 7, 15, 18):
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path / "run", dataset=DATA[source](), progress=stop_after(stop))
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path / str(stop), dataset=DATA[source](), progress=stop_after(stop))
        assert bits(load_run(tmp_path / "run")) == bits(load_run(tmp_path / str(stop))), "stopped once"
    run = train(spec, tmp_path / "run", dataset=DATA[source]())
    assert bits(run) == bits(load_run(tmp_path / "run")) == expected
    assert bits(train(own_rates(layers, kind), dataset=DATA[source]())) != expected


@pytest.mark.parametrize("kind", KINDS)
def test_equal_bits_on_any_number_of_threads(kind, monkeypatch, small_products_on_threads):
    monkeypatch.setitem(threads._state, "threads", threads._state["threads"])
    found = []
    for count in (1, 2, 4):
        threads.set_num_threads(count)
        found.append(bits(train(own_rates("6,70,90,3", kind), dataset=finite())))
    assert found[0] == found[1] == found[2]


def test_a_checkpoint_keeps_the_factors(tmp_path):
    train(own_rates(), tmp_path, dataset=finite())
    arrays = Checkpoint.read(tmp_path).arrays
    factors = np.concatenate([array.ravel() for name, array in arrays.items() if "_rate_" in name])
    assert factors.size == 6 * 12 + 12 * 11 + 11 * 3 + 12 + 11 + 3
    assert (factors > 0).all()
    assert factors.max() <= np.float32(1 + 1 / 0.05)
    assert factors.max() > 2 * factors.min()


@pytest.mark.parametrize("kind", KINDS)
def test_curvature_that_overflows_ends_the_run_as_diverged(kind, tmp_path):
    """Weights of 1e10: their squares' products overflow float32, costs and gradients do not."""
    network = {"activation": "linear", "initializer": "normal(std=1e10)", "output": "linear"}
    spec = own_rates("6,3,3,3", kind, network=network, learning_rate=0.0)
    with np.errstate(over="ignore"):
        run = train(spec, tmp_path, dataset=stretched(1e-16))
    assert (run.status, run.updates) == ("diverged", 0)
    assert train(run_spec("6,3,3,3", network=network, learning_rate=0.0), dataset=stretched(1e-16)).status == "finished"


def stretched(factor):
    """The clusters, each input times a factor."""
    from glorotlab.data.dataset import Dataset
    from glorotlab.data.source import ArraySource

    data = finite()
    parts = (ArraySource(part.x * np.float32(factor), part.y, 3) for part in (data.train, data.validation, data.test))
    return Dataset("stretched", *parts)


@pytest.mark.parametrize("kind", KINDS)
def test_learning_happens(kind):
    """Three clusters 4 sigma from the origin along three axes: the best rule errs on about 0.5 %, chance on 67 %."""
    spec = own_rates("6,20,20,3", kind, updates=1000, curvature_every=50, validation_every=20)
    run = train(spec, dataset=finite(count=400))
    assert float(run.curves.test_error[0]) > 0.3
    assert float(run.curves.test_error[-1]) < 0.03
    assert float(run.curves.training_cost[-1]) < 0.1 * float(run.curves.training_cost[1])


# the spec


def test_the_canonical_text_has_the_new_fields_only_where_they_are_used():
    plain = run_spec()
    assert "learning_rates" not in plain.canonical_json()
    assert plain.model_dump()["training"]["learning_rates"] == "common"
    hashes = {plain.content_hash} | {
        own_rates(**fields).content_hash
        for fields in (
            {},
            {"kind": "gradient_variance"},
            {"curvature_every": 7},
            {"curvature_examples": 24},
            {"damping": 1.0},
        )
    }
    assert len(hashes) == 6
    used = own_rates(curvature_every=1000)
    assert "curvature_every" not in used.canonical_json()
    for spec in (plain, used):
        read = RunSpec.from_toml(spec.to_toml())
        assert (read, read.content_hash) == (spec, spec.content_hash)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"learning_rates": "hesian"}, "learning_rates 'hesian': input should be 'common', 'hessian' or"),
        ({"damping": 0.2}, "damping 0.2 with learning_rates 'common': it has no effect; allowed is 0.1"),
        ({"curvature_every": 5}, "curvature_every 5 with learning_rates 'common'"),
        ({"learning_rates": "hessian", "damping": 0.0}, "damping 0.0: input should be greater than 0"),
        ({"learning_rates": "hessian", "curvature_every": 0}, "curvature_every 0"),
        ({"learning_rates": "gradient_variance", "curvature_examples": 1}, "curvature_examples 1"),
    ],
)
def test_fields_without_effect_or_meaning_are_refused(fields, said):
    with pytest.raises(InvalidValueError, match=said) as caught:
        TrainingSpec(updates=3, **fields)
    assert len(str(caught.value).splitlines()) == 1


def test_they_can_be_swept():
    sweep = SweepSpec(
        run=own_rates().model_dump(mode="json"), grid={"learning_rates": list(KINDS), "damping": [0.01, 0.1]}
    )
    specs = [spec.training for _, spec in sweep.points()]
    assert [(spec.learning_rates, spec.damping) for spec in specs] == [(k, mu) for k in KINDS for mu in (0.01, 0.1)]
