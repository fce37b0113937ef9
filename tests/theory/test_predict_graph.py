"""predict_graph: that of a plain MLP is gl.predict's, what it cannot follow is named, and drawn networks agree."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from benchmark_scripts import benchmark
from optional import optional

import glorotlab as gl
from glorotlab.errors import InvalidValueError
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.dense import Dense
from glorotlab.spec.layers.embedding import Embedding
from glorotlab.spec.layers.graph import Input, LayerGraph, Node, Unknown
from glorotlab.spec.layers.pooling import AveragePooling, Flatten
from glorotlab.theory.predict_graph import predict_graph

SIZES = (30, 60, 50, 60, 10)


def examples(count=12, fan_in=30):
    random = np.random.default_rng(0)
    return random.normal(size=(count, fan_in)) + random.normal(size=fan_in), random.integers(0, 10, count)


def mlp(activation, gain, bias=0.0):
    nodes = [Node("x", Input(), (), SIZES[0])]
    for place, (fan_in, units) in enumerate(itertools.pairwise(SIZES), 1):
        layer = Dense(fan_in, units, gain(fan_in, units), bias)
        nodes.append(Node(f"fc{place}", layer, (nodes[-1].name,), units, parameters=(f"fc{place}.weight", "bias")))
        if place < len(SIZES) - 1:
            nodes.append(Node(f"act{place}", Elementwise(activation), (nodes[-1].name,), units))
    return LayerGraph(tuple(nodes), nodes[-1].name)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_plain_mlp_is_that_of_predict(activation, loss):
    x, y = examples()
    classes = loss == "cross_entropy"
    targets = y if classes else np.random.default_rng(1).normal(size=(len(x), 10))
    spec = gl.NetworkSpec(
        layer_sizes=list(SIZES),
        activation=activation,
        initializer="he_normal",
        **({} if classes else {"output": "linear", "cost": "quadratic"}),
    )
    expected = gl.predict(spec, x, targets)
    found = predict_graph(mlp(activation, lambda n, _: 2 / n), x, targets, loss)
    scale = 1.0 if classes else 2 / 10  # a mean over outputs, and not half of their sum
    dense, hidden = (found["kind"].values == kind for kind in ("dense", "activation"))
    compared = 0
    for name in expected.data_vars:
        if name not in found or name in ("jacobian_singular_value_mean", "activation_saturation"):
            continue
        power = 0 if "activation" in name or name in ("fan_in", "fan_out", "weight_variance") else 1
        power = 0 if not ("gradient" in name or "speed" in name) else power if "mean" in name or "speed" in name else 2
        left, right = expected[name].values, found[name].values
        left = left[:-1] if name.startswith("activation") else left
        right = right[hidden if name.startswith("activation") else dense]
        if "estimator" in expected[name].dims:
            left, right = left[:, 0], right[:, 0]
        np.testing.assert_allclose(right, left * scale**power, rtol=1e-8, atol=1e-14, err_msg=name)
        compared += 1
    assert compared >= 20


def test_what_is_not_followed_stops_what_depends_on_it_alone():
    x, y = examples()
    graph = mlp("relu", lambda n, _: 2 / n)
    nodes = list(graph.nodes)
    place = next(index for index, node in enumerate(nodes) if node.name == "act2")
    nodes[place] = Node("act2", Unknown("softmax attention"), ("fc2",), 50)
    found = predict_graph(LayerGraph(tuple(nodes), graph.output), x, y, "cross_entropy")
    assert json.loads(found.attrs["refused"]) == {"act2": "softmax attention"}
    known = dict(zip(found["module"].values, np.isfinite(found["preactivation_second_moment"].values), strict=True))
    assert known["fc1"]
    assert known["fc2"]
    assert not known["fc3"]
    assert not np.isfinite(found["backprop_gradient_second_moment"]).any()


def test_a_mean_over_all_positions_may_be_a_vector():
    """As of x.mean(dim=1) of tokens: the pooled axis may be left out of the result, and nothing else changes."""
    random = np.random.default_rng(3)
    x, y = random.integers(0, 9, (6, 4)), random.integers(0, 3, 6)
    found = []
    for positions in ((1,), ()):
        nodes = [
            Node("x", Input(), (), 1, (4,)),
            Node("e", Embedding(9, 16, 1.0, 0.0), ("x",), 16, (4,), True),
            Node("p", AveragePooling((4,), (4,), ((0, 0),)), ("e",), 16, positions, True),
        ]
        if positions:
            nodes.append(Node("f", Flatten(), ("p",), 16))
        nodes.append(Node("o", Dense(16, 3, 0.1, 0.0), (nodes[-1].name,), 3))
        found.append(predict_graph(LayerGraph(tuple(nodes), "o"), x, y, "cross_entropy"))
    for name in ("activation_second_moment", "backprop_gradient_second_moment", "batch_weight_gradient_second_moment"):
        with_axis, without = (dataset[name].values for dataset in found)
        np.testing.assert_allclose(np.delete(with_axis, 2), without, rtol=1e-12)


def test_a_mean_over_some_of_the_axes_is_refused_by_name():
    nodes = (
        Node("x", Input(), (), 2, (4, 4)),
        Node("p", AveragePooling((4, 1), (4, 1), ((0, 0), (0, 0))), ("x",), 2, (4,)),
    )
    found = predict_graph(LayerGraph(nodes, "p"), np.ones((3, 2, 4, 4)))
    assert json.loads(found.attrs["refused"]) == {"p": "a pooling layer that changes the number of axes"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": np.zeros(3, int)}, "targets of shape"),
        ({"targets": np.full(12, 10)}, "classes 10 to 10"),
        ({"loss": "hinge"}, "loss 'hinge'"),
        ({"inputs": np.full((12, 30), np.nan)}, "not finite"),
        ({"inputs": {"z": np.ones((12, 30))}}, "inputs of 'x' are missing"),
    ],
)
def test_bad_input_is_one_line(change, words):
    x, y = examples()
    arguments = {"inputs": x, "targets": y, "loss": "cross_entropy"} | change
    with pytest.raises(InvalidValueError, match=words):
        predict_graph(mlp("relu", lambda n, _: 2 / n), **arguments)


NETWORKS, LEFT = 24, 0.04
"""Networks drawn of each model, and the relative size of what first order in 1/width leaves out."""

VARIABLES = ("preactivation", "activation", "backprop_gradient", "example_weight_gradient")


@pytest.mark.statistical
@pytest.mark.parametrize(
    "name", ["before", "behind", "trunk", "blocks", "batch", "dropout", "embedding", "joined", "lenet", "padded"]
)
def test_drawn_networks_agree(name):
    """Five standard errors and 4 %: a false failure in 1e-5, and 15 % would be seen as surely."""
    optional("torch", "TORCH").set_num_threads(1)
    models, draws = benchmark("graph_models"), benchmark("graph_draws")
    random = np.random.default_rng(2)
    x, y = examples()
    graph = {
        "before": lambda: models.residual_mlp("gelu", 200, 30, blocks=3),
        "behind": lambda: models.residual_mlp("relu", 200, 30, blocks=3, post=True),
        "trunk": lambda: models.activated_mlp("relu", 200, 30, blocks=3),
        "blocks": lambda: models.basic_blocks("relu", 100, side=8, blocks=(1, 1)),
        "batch": lambda: models.mlp("relu", 200, 30, depth=2, batch_norm=True),
        "dropout": lambda: models.mlp("tanh", 200, 30, depth=2, gain=1.5, keep=0.7),
        "embedding": lambda: models.embedding_classifier("silu", 200, classes=10),
        "joined": lambda: models.joined("tanh", 200, classes=10),
        "padded": lambda: models.padded_windows("relu", 100, side=8),
        "lenet": lambda: models.lenet("tanh", scale=6, side=12, gain=1.5),
    }[name]()
    if name in ("embedding", "joined"):
        x = random.integers(0, 50, (len(y), 12))
    if name == "lenet":
        x, y = random.normal(size=(4, 1, 1, 12)) + random.normal(size=(4, 1, 12, 1)), y[:4]
    if name in ("blocks", "padded"):
        count = 4 if name == "blocks" else 2  # pairs of windows are many
        x, y = random.normal(size=(count, 3, 1, 8)) + random.normal(size=(count, 3, 8, 1)), y[:count]
    predicted = predict_graph(graph, x, y, "cross_entropy")
    assert predicted.attrs["refused"] == "{}"
    modules = list(predicted["module"].values)
    for (module, variable), values in draws.drawn_statistics(graph, x, y, "cross_entropy", range(NETWORKS)).items():
        if variable.removesuffix("_second_moment") not in VARIABLES:
            continue
        expected = float(predicted[variable].values[modules.index(module)])
        error = np.std(values, ddof=1) / NETWORKS**0.5
        assert abs(np.mean(values) - expected) < 5 * error + LEFT * expected, (module, variable)


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["blocks", "separable"])
def test_batch_normalised_maps_agree_with_drawn_networks_forward(name):
    """Five standard errors and 4 %, the means over all positions of 12 networks: a false failure in 1e-5.

    Pictures are smooth, so that a channel's variance is that of few independent points.
    """
    optional("torch", "TORCH").set_num_threads(1)
    models, draws = benchmark("graph_models"), benchmark("graph_draws")
    random = np.random.default_rng(6)
    x, y = random.normal(size=(4, 3, 1, 8)) + random.normal(size=(4, 3, 8, 1)), random.integers(0, 10, 4)
    graph = {
        "blocks": lambda: models.basic_blocks("relu", 100, side=8, blocks=(1, 1), batch_norm=True),
        "separable": lambda: models.separable(100, side=8),
    }[name]()
    predicted = predict_graph(graph, x, y, "cross_entropy")
    refused = json.loads(predicted.attrs["refused"])
    assert refused
    assert all("gradients through batch normalization of maps" in reason for reason in refused.values())
    modules = list(predicted["module"].values)
    known = np.isfinite(predicted["backprop_gradient_second_moment"].values)
    assert known[[module in refused for module in modules]].all()  # down to the last normalizations, and no further
    assert not known[[module.startswith("convolution") for module in modules]].any()
    compared, networks = 0, 12
    for (module, variable), values in draws.drawn_statistics(graph, x, y, "cross_entropy", range(networks)).items():
        if variable not in ("preactivation_second_moment", "activation_second_moment"):
            continue
        expected = float(predicted[variable].values[modules.index(module)])
        error = np.std(values, ddof=1) / networks**0.5
        assert abs(np.mean(values) - expected) < 5 * error + LEFT * expected, (module, variable)
        compared += 1
    assert compared == len(modules)


def test_what_takes_the_law_of_batch_normalised_maps_is_refused_by_name():
    models = benchmark("graph_models")
    x = np.random.default_rng(7).normal(size=(4, 3, 8, 8))
    groups = models.Builder(3, (8, 8))
    for step in (lambda: groups.convolution(6, groups=3), lambda: groups.activation("relu")):
        step()
    for graph, module, words in (
        (groups.graph(), "activation_2", "whose units are not Gaussian"),
        (models.padded_windows("tanh", 20, 8), "pooling_3", "max pooling with padding"),
        (models.basic_blocks("tanh", 20, 8, (1,), batch_norm=True), "activation_3", "tanh of maps that are normalized"),
        (models.basic_blocks("relu", 20, 8, (1,), batch_norm=True, average=True), "pooling_11", "between positions"),
    ):
        found = predict_graph(graph, x)
        ((name, reason),) = json.loads(found.attrs["refused"]).items()
        assert name == module
        assert words in reason
        if "normalisation_2" in found["module"].values:
            assert not np.isfinite(found["activation_quantile"].values).any()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_bands_of_a_plain_mlp_are_close_to_those_of_predict(activation):
    """Those of ``predict`` are of drawn units, with a standard error of 3 %; no standard deviation differs by 12 %."""
    x, y = examples()
    spec = gl.NetworkSpec(layer_sizes=list(SIZES), activation=activation, initializer="he_normal")
    expected = gl.predict(spec, x, y, level=0.95)
    found = predict_graph(mlp(activation, lambda n, _: 2 / n), x, y, "cross_entropy", level=0.95)
    assert "no_band" not in found.attrs
    dense, hidden = (found["kind"].values == kind for kind in ("dense", "activation"))
    for name, rows in (("preactivation", dense), ("backprop_gradient", dense), ("activation", hidden)):
        for suffix in ("std", "low", "high"):
            variable = f"{name}_second_moment_{suffix}"
            left, right = expected[variable].values[: rows.sum()], found[variable].values[rows]
            np.testing.assert_allclose(right, left, rtol=0.12, err_msg=variable)
        left, right = (
            (dataset[f"{name}_second_moment_shift"] / dataset[f"{name}_second_moment"]).values
            for dataset in (expected, found)
        )
        np.testing.assert_allclose(right[rows][: len(left) - 1], left[:-1], atol=0.006 if "gradient" in name else 1e-3)


@pytest.mark.statistical
@pytest.mark.parametrize("post", [False, True])
def test_bands_of_residual_networks_hold_drawn_ones(post):
    """95 % bands of all modules together hold 91 to 98 % of 160 networks; those of half the width would hold 67 %."""
    optional("torch", "TORCH").set_num_threads(1)
    models, draws = benchmark("graph_models"), benchmark("graph_draws")
    x, y = examples()
    graph = models.residual_mlp("relu", 100, 30, blocks=2, post=post)
    predicted = predict_graph(graph, x, y, "cross_entropy", level=0.95)
    modules, inside = list(predicted["module"].values), []
    for (module, variable), values in draws.drawn_statistics(graph, x, y, "cross_entropy", range(160)).items():
        if f"{variable}_low" not in predicted:
            continue
        low, high = (float(predicted[f"{variable}_{end}"].values[modules.index(module)]) for end in ("low", "high"))
        if np.isfinite(low):
            inside.append(np.mean((np.array(values) >= low) & (np.array(values) <= high)))
    assert len(inside) > 20
    assert 0.91 < np.mean(inside) < 0.98
    assert min(inside) > 0.85


def test_dropout_has_no_band():
    """Its masks scatter as well as the weights: six examples, half of 96 units, 1.6 times as much."""
    graph = benchmark("graph_models").mlp("tanh", 40, 12, depth=1, keep=0.5)
    found = predict_graph(graph, np.ones((2, 12)), np.arange(2), "cross_entropy", level=0.95)
    assert "dropout" in found.attrs["no_band"]
    assert not [name for name in found if name.endswith("_low")]


def test_where_there_is_no_band_the_reason_is_given():
    models = benchmark("graph_models")
    random = np.random.default_rng(4)
    images = random.normal(size=(3, 1, 12, 12))
    found = predict_graph(models.lenet("relu", side=12), images, np.arange(3), "cross_entropy", level=0.95)
    assert "convolution" in found.attrs["no_band"]
    assert "preactivation_second_moment_low" not in found


def test_one_example():
    x, y = examples(1)
    found = predict_graph(mlp("relu", lambda n, _: 2 / n), x, y, "cross_entropy", level=0.9)
    expected = gl.predict(gl.NetworkSpec(layer_sizes=list(SIZES), activation="relu", initializer="he_normal"), x, y)
    rows = found["kind"].values == "dense"
    for name in ("batch_weight_gradient_second_moment", "learning_speed"):
        np.testing.assert_allclose(found[name].values[rows], expected[name], rtol=1e-8)


def test_the_largest_of_windows_before_and_behind_an_increasing_activation():
    """relu(max s) = max relu(s): both orders have one signal, drawn alike, and what they send below differs by 2 %."""
    models, found = benchmark("graph_models"), []
    random = np.random.default_rng(5)
    x, y = random.normal(size=(3, 1, 8, 1)) + random.normal(size=(3, 1, 8, 8)), np.arange(3)
    for first in (True, False):
        net = models.Builder(1, (8, 8), bias=0.01)
        net.convolution(20, 3, padding=1)
        for step in (net.activation, net.pool)[:: 1 if first else -1]:
            step("relu") if step == net.activation else step(2, True)
        net.flatten()
        net.dense(4, 1.0)
        found.append(predict_graph(net.graph(), x, y, "cross_entropy"))
    for name, place in (("activation", 2), ("backprop_gradient", 0)):
        left, right = (float(own[f"{name}_second_moment"].values[place]) for own in found)
        np.testing.assert_allclose(left, right, rtol=0.02)


def test_shapes_that_do_not_fit_are_refused_by_name():
    net = benchmark("graph_models").Builder(1, (8, 8))
    net.convolution(4)
    wrong = dataclasses.replace(net.nodes[1], positions=(60, 60))
    found = predict_graph(LayerGraph((net.nodes[0], wrong), wrong.name), np.ones((2, 1, 8, 8)))
    assert "do not fit" in json.loads(found.attrs["refused"])[wrong.name]
