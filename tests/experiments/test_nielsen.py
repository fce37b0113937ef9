"""Nielsen's depth, bars and speeds, and Sutskever's momentum: claims on hand-made results, true and false."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from experiment_results import SEEDS, TINY, scatter, verdicts

from glorotlab.data import catalogue
from glorotlab.experiments.nielsen import momentum, nielsen_bars, nielsen_depth, nielsen_speeds
from glorotlab.experiments.nielsen.common.images import images
from glorotlab.experiments.scales import SCALES
from glorotlab.network.mlp import Network


def controls(claims):
    return [claim.control for claim in claims]


ACCURACIES = {0: 91.5, 1: 96.4, 2: 96.85, 3: 96.5, 4: 96.3}


def depths(epochs=30, **changed):
    """Validation errors after every epoch of 50 updates."""
    found = {}
    for depth, accuracy in (ACCURACIES | {int(name[1:]): value for name, value in changed.items()}).items():
        last = 1 - scatter(accuracy, relative=2e-4) / 100
        rows = np.linspace(np.full(SEEDS, 0.9), last, epochs + 1, axis=1)
        found[f"hidden_{depth}_curves"] = xr.Dataset(
            {"validation_error": (("seed", "step"), rows)},
            coords={"step": 50.0 * np.arange(epochs + 1)},
            attrs={"dataset": "MNIST", "network": f"784,30x{depth},10", "updates_of_an_epoch": 50.0},
        )
    return found


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ["pass", "pass"]),
        ({"_4": 97.2}, ["fail", "fail"]),
        ({"_1": 95.9}, ["pass", "fail"]),
        ({"epochs": 29}, ["undecided", "undecided"]),
    ],
)
def test_depth(changed, said):
    claims = nielsen_depth.EXPERIMENT.claims(depths(**changed))
    assert verdicts(claims) == said
    assert controls(claims) == ["fail", "fail"]


def test_the_table_says_whether_his_runs_lie_in_the_interval_of_one_network():
    """Five accuracies 96.4 (1 -+ 2e-4): mean 96.3961, s = 0.0211, t(.975; 4) = 2.7764, so +- 0.0642."""
    row = nielsen_depth.table(depths()).rows[0]
    assert row[1:3] == ("96.40 ± 0.01", "96.33 to 96.46")
    assert row[4] == "outside and outside"
    assert nielsen_depth.table(depths(_1=96.475)).rows[0][4] == "inside and inside"


def bars(first, second):
    attributes = {"dataset": "MNIST", "images": 300.0}
    return {
        f"layer_{layer}_bars": xr.Dataset({"bias_gradient": (("seed", "neuron"), np.array(rows))}, attrs=attributes)
        for layer, rows in ((1, first), (2, second))
    }


def test_bars():
    """The sign counts for nothing; 3 of 4 pairs, or 1 of 4, have the longer bar in the second layer."""
    low, high = scatter([-0.1, 0.3]), scatter([-0.2, 0.5])
    for first, second, verdict, share in ((low, high, "pass", 0.75), (high, low, "fail", 0.25)):
        (claim,) = nielsen_bars.EXPERIMENT.claims(bars(first, second))
        assert (claim.verdict, claim.numbers["share of pairs"]) == (verdict, share)
    (claim,) = nielsen_bars.EXPERIMENT.claims(bars(low, high))
    assert claim.control == "fail"


def test_bars_are_the_gradients_of_the_biases():
    """Against a difference of the batch-mean cost, in float64; the experiment's are float32."""
    results, source = nielsen_bars.run(TINY, None), images()
    x, y = source.first(TINY.nielsen.images)
    network, step = Network(source.network(2), seed=1, dtype="float64"), 1e-5
    for layer, neuron in ((0, 3), (1, 29)):
        costs = []
        for sign in (1, -2):
            network.biases[layer][neuron] += sign * step
            costs.append(network.backpropagate(x, y).cost.mean())
        network.biases[layer][neuron] += step
        own = float(results[f"layer_{layer + 1}_bars"]["bias_gradient"][1, neuron])
        assert own == pytest.approx((costs[0] - costs[1]) / (2 * step), rel=1e-3, abs=1e-7)


def speeds(factor=1.0, first=1.0, large=3.0, printed=None, training=1.0):
    """Speeds of 1/4.8 a layer from 0.3 in the last; bands a factor of three wide to both sides."""
    found = {}
    for depth, his in nielsen_speeds.PRINTED.items():
        expected = 0.3 * 4.8 ** -np.arange(depth - 1.0, -1, -1)
        columns = {
            "": expected,
            "_low": expected / 3,
            "_high": expected * 3,
            "_std": expected / 4,
            "_shift": 0 * expected,
        }
        predicted = {f"learning_speed{end}": ("layer", np.append(values, 1.4)) for end, values in columns.items()}
        measured = expected * factor
        measured[0] *= first
        trained = 4.8 ** (-training * np.arange(depth - 1.0, -1, -1))
        found |= {
            f"hidden_{depth}_predicted": xr.Dataset(predicted),
            f"hidden_{depth}_measured": xr.Dataset({"learning_speed": (("seed", "layer"), scatter(measured))}),
            f"hidden_{depth}_large": xr.Dataset({"learning_speed": (("seed", "layer"), scatter([large] * depth))}),
            f"hidden_{depth}_training": xr.Dataset(
                {"learning_speed": (("seed", "step", "layer"), scatter([trained, trained / 50]))}
            ),
            f"hidden_{depth}_printed": xr.Dataset({"learning_speed": ("layer", np.array(printed or his)[:depth])}),
        }
        for key, dim in (("printed", "layer"), ("training", "layer")):
            found[f"hidden_{depth}_{key}_reversed"] = found[f"hidden_{depth}_{key}"].isel({dim: slice(None, None, -1)})
    return {key: dataset.assign_attrs(dataset="MNIST", images=1000.0) for key, dataset in found.items()}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ["pass", "pass", "pass", "pass"]),
        ({"factor": 1.13}, ["fail", "pass", "pass", "pass"]),
        ({"first": 4.0}, ["fail", "pass", "pass", "fail"]),
        ({"training": -0.1}, ["pass", "pass", "fail", "pass"]),
        ({"printed": [0.07, 0.31, 0.9, 0.9]}, ["pass", "fail", "pass", "pass"]),
    ],
)
def test_speeds(changed, said):
    claims = nielsen_speeds.EXPERIMENT.claims(speeds(**changed))
    assert verdicts(claims) == said
    if not changed:
        assert controls(claims) == ["fail"] * 4


def test_speeds_in_training_are_those_of_batch_descent_with_decay(tmp_path):
    """Against gradients in float64 that are followed by hand, weights decayed and biases not."""
    sizes, source = TINY.nielsen, images()
    x, y = source.first(sizes.images)
    speeds = nielsen_speeds._training(source, 3, sizes, x, y, seed=1)()
    network = Network(source.network(3), seed=1, dtype="float64")
    for epoch in range(sizes.speed_epochs + 1):
        gradients = network.gradients(x, y)
        if epoch % 2 == 0:
            expected = [np.sqrt((bias**2).sum()) for bias in gradients.biases[:3]]
            np.testing.assert_allclose(speeds["learning_speed"].sel(step=epoch), expected, rtol=1e-4)
        for own, gradient in zip(network.weights, gradients.weights, strict=True):
            own -= 0.1 * (gradient + 5 / len(x) * own)
        for own, gradient in zip(network.biases, gradients.biases, strict=True):
            own -= 0.1 * gradient


def trained(**changed):
    """Training errors at the end: squared distances, and shares misclassified."""
    found = {}
    scales = {"autoencoder": (50, 49, 40), "classifier": (0.6, 0.1, 0.2)}
    for problem, own in scales.items():
        for initializer, start in zip(momentum.INITIALIZERS, own, strict=True):
            for method, factor in zip(momentum.METHODS, (1.0, 0.8, 0.79), strict=True):
                stuck = problem == "autoencoder" and initializer == "standard"
                error = start if stuck else start * factor
                error = changed.get(f"{problem}_{initializer}_{method}", error)
                found[f"{problem}_{initializer}_{method}_curves"] = xr.Dataset(
                    {
                        "training_error": ("seed", scatter(error)),
                        "validation_error": (("seed", "step"), scatter([1.0, 1.0])),
                    },
                    coords={"step": [0.0, 10.0]},
                    attrs={"dataset": "MNIST", "network": "a", "initializer": "b", "updates": 10.0},
                )
    return found


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ["pass", "pass", "pass", "pass"]),
        ({"autoencoder_sparse_classical": 41}, ["fail", "pass", "pass", "pass"]),
        ({"autoencoder_standard_nesterov": 39}, ["pass", "fail", "pass", "pass"]),
        ({"classifier_normalized_descent": 0.05}, ["pass", "pass", "fail", "pass"]),
        ({"classifier_standard_classical": 0.09}, ["pass", "pass", "pass", "fail"]),
    ],
)
def test_momentum(changed, said):
    claims = momentum.EXPERIMENT.claims(trained(**changed))
    assert verdicts(claims) == said
    if not changed:
        assert controls(claims) == ["fail"] * 4


def test_the_runs_of_momentum_are_what_the_table_says():
    """Each initializer and method, the schedule with its fall-back where there is room for it."""
    sizes = dataclasses.replace(SCALES["medium"].nielsen, momentum_updates=5000)
    source = images()
    spec = momentum._run_spec(source, sizes, "autoencoder", "sparse", "nesterov", 3)
    assert spec.network.layer_sizes[1:-1] == (1000, 500, 250, 30, 250, 500, 1000)
    assert (spec.network.autoencoder, spec.network.initializer, spec.network.bias) == (True, "sparse(k=15)", "zeros")
    assert [spec.training.momentum_at(t) for t in (0, 250, 3999, 4000)] == [0.5, 0.75, 1 - 1 / 32, 0.9]
    assert spec.training.nesterov
    plain = momentum._run_spec(source, SCALES["quick"].nielsen, "classifier", "sparse", "descent", 0)
    assert (plain.training.momentum, plain.network.bias) == (0.0, "constant(value=0.5)")


def test_shapeset_stands_in_for_mnist_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("GLOROTLAB_DATA", str(tmp_path))
    record = dataclasses.replace(catalogue.describe_dataset("mnist"), available=False)
    monkeypatch.setitem(catalogue._STORED, "mnist", catalogue._BuiltIn(catalogue._STORED["mnist"].load, lambda: record))
    source = images(training=50)
    assert (source.data, source.label) == ("shapeset(train=50)", "Shapeset-3x2, as MNIST is not here")
    assert (source.fan_in, source.classes, source.training) == (1024, 9, 50)
    spec = momentum._run_spec(source, TINY.nielsen, "autoencoder", "sparse", "descent", 0)
    assert spec.network.output == "linear"  # pixels lie in [-1, 1]
    assert nielsen_depth._run_spec(source, 2, 3, 0).training.updates == 15
