"""predict_graph: that of a plain MLP is gl.predict's, what it cannot follow is named, and drawn networks agree."""

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
from glorotlab.spec.layers.graph import Input, LayerGraph, Node, Unknown
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
    assert "backprop_gradient_second_moment" not in found


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
@pytest.mark.parametrize("name", ["before", "behind", "dropout", "embedding", "lenet"])
def test_drawn_networks_agree(name):
    """Five standard errors and 4 %: a false failure in 1e-5, and 15 % would be seen as surely."""
    optional("torch", "TORCH").set_num_threads(1)
    models, draws = benchmark("graph_models"), benchmark("graph_draws")
    random = np.random.default_rng(2)
    x, y = examples()
    graph = {
        "before": lambda: models.residual_mlp("gelu", 200, 30, blocks=3),
        "behind": lambda: models.residual_mlp("relu", 200, 30, blocks=3, post=True),
        "dropout": lambda: models.mlp("tanh", 200, 30, depth=2, gain=1.5, keep=0.7),
        "embedding": lambda: models.embedding_classifier("silu", 200, classes=10),
        "lenet": lambda: models.lenet("tanh", scale=6, side=12, gain=1.5),
    }[name]()
    if name == "embedding":
        x = random.integers(0, 50, (len(y), 12))
    if name == "lenet":
        x, y = random.normal(size=(4, 1, 1, 12)) + random.normal(size=(4, 1, 12, 1)), y[:4]
    predicted = predict_graph(graph, x, y, "cross_entropy")
    assert predicted.attrs["refused"] == "{}"
    modules = list(predicted["module"].values)
    for (module, variable), values in draws.drawn_statistics(graph, x, y, "cross_entropy", range(NETWORKS)).items():
        if variable.removesuffix("_second_moment") not in VARIABLES:
            continue
        expected = float(predicted[variable].values[modules.index(module)])
        error = np.std(values, ddof=1) / NETWORKS**0.5
        assert abs(np.mean(values) - expected) < 5 * error + LEFT * expected, (module, variable)
