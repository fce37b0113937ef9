"""measure against a plain NumPy restatement from the weights."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glorotlab import activations, costs
from glorotlab.errors import InvalidValueError
from glorotlab.measurement import estimators
from glorotlab.measurement.jacobian import jacobian_singular_value_mean
from glorotlab.measurement.measure import measure
from glorotlab.network.mlp import Network
from glorotlab.network.passes import LayerTensors
from glorotlab.schema import QUANTILES, SATURATION_THRESHOLD, TENSORS, UNDERFLOWING
from glorotlab.spec.network import NetworkSpec

FUNCTIONS = {
    "tanh": (np.tanh, lambda s: 1 - np.tanh(s) ** 2),
    "sigmoid": (lambda s: 1 / (1 + np.exp(-s)), lambda s: np.exp(-s) / (1 + np.exp(-s)) ** 2),
    "relu": (lambda s: np.where(s > 0, s, 0), lambda s: np.where(s > 0, 1.0, 0.0)),
    "linear": (lambda s: s, np.ones_like),
}


def data(spec: NetworkSpec, examples: int = 7) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    return generator.normal(size=(examples, spec.fan_in)), generator.integers(0, spec.classes, examples)


def restated(spec: NetworkSpec, seed: int, x: np.ndarray, y: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Every tensor of every layer, its elements explicit: weight gradients as (examples, fan_in, fan_out)."""
    network = Network(spec, seed=seed, dtype="float64")
    f, slope = FUNCTIONS[spec.activation]
    below, layers = x, []
    for weights, biases in zip(network.weights, network.biases, strict=True):
        s = below @ weights + biases
        layers.append({"weight": weights, "below": below, "preactivation": s, "activation": f(s)})
        below = f(s)
    one_hot = np.eye(spec.classes)[y]
    record = costs.get(spec.output, spec.cost)
    layers[-1]["activation"] = record.activation(layers[-1]["preactivation"])
    d = record.gradient(layers[-1]["preactivation"], one_hot)
    for index in range(len(layers) - 1, -1, -1):
        layer = layers[index]
        layer["backprop_gradient"] = d
        layer["example_weight_gradient"] = layer["below"][:, :, np.newaxis] * d[:, np.newaxis, :]
        layer["batch_weight_gradient"] = layer["example_weight_gradient"].mean(axis=0)
        layer["batch_bias_gradient"] = d.mean(axis=0)
        if index:
            d = (d @ layer["weight"].T) * slope(layers[index - 1]["preactivation"])
    return layers


@pytest.mark.parametrize(
    ("activation", "output", "cost", "bias"),
    [
        ("tanh", "softmax", "log_likelihood", "zeros"),
        ("sigmoid", "sigmoid", "quadratic", "normal(std=1)"),
        ("relu", "softmax", "quadratic", "uniform(bound=0.5)"),
        ("linear", "linear", "quadratic", "zeros"),
        ("tanh", "sigmoid", "cross_entropy", "zeros"),
    ],
)
def test_every_variable_is_its_numpy_restatement(activation, output, cost, bias):
    spec = NetworkSpec.parse(
        "6,9,5,4", activation=activation, output=output, cost=cost, bias=bias, initializer="he_normal"
    )
    x, y = data(spec)
    found = measure(spec, x, y, [4, 11], dtype="float64", jacobian=True)
    np.testing.assert_array_equal(found["seed"], [4, 11])
    np.testing.assert_array_equal(found["fan_in"], [6, 9, 5])
    np.testing.assert_array_equal(found["fan_out"], [9, 5, 4])
    seen = {"fan_in", "fan_out"}
    for row, seed in enumerate((4, 11)):
        for index, layer in enumerate(restated(spec, seed, x, y)):
            softmax = output == "softmax" and index == 2

            def check(name, value, row=row, index=index):
                seen.add(name)
                got = np.squeeze(found[name].values[row, index])
                np.testing.assert_allclose(got, value, rtol=1e-11, atol=1e-15, err_msg=f"{name} {index}")

            check("weight_variance", layer["weight"].var())
            for tensor in TENSORS:
                values = layer[tensor] if not (softmax and tensor == "activation") else np.full((7, 4), np.nan)
                check(f"{tensor}_mean", values.mean())
                check(f"{tensor}_second_moment", (values**2).mean())
                within = [np.nan, np.nan]
                if not tensor.startswith("batch"):
                    within = [values.var(axis=0).mean(), values.reshape(len(values), -1).var(axis=1).mean()]
                check(f"{tensor}_variance", [(values**2).mean() - values.mean() ** 2, *within])
                if tensor in UNDERFLOWING:
                    check(f"{tensor}_zero", (values == 0).mean())
                    check(f"{tensor}_subnormal", 0)
            name = spec.activation if index < 2 else output
            z = layer["activation"]
            check("activation_quantile", np.full(5, np.nan) if softmax else np.quantile(z, QUANTILES))
            bounded = name in ("tanh", "sigmoid")
            check("activation_saturation", (np.abs(z) > SATURATION_THRESHOLD).mean() if bounded else np.nan)
            check("learning_speed", np.sqrt((layer["batch_bias_gradient"] ** 2).sum()))
            jacobian = np.nan
            if not softmax:
                derivatives = FUNCTIONS[name][1](layer["preactivation"])
                means = [np.linalg.svd(np.diag(d) @ layer["weight"].T, compute_uv=False).mean() for d in derivatives]
                jacobian = np.mean(means)
            check("jacobian_singular_value_mean", jacobian)
    assert seen == set(found.data_vars)


def test_gradients_that_vanish_are_counted_where_they_are_subnormal():
    """Six layers of weights of about 5e-7 leave 1e-39, which float32 has as subnormal numbers and float64 as others.

    None is so small, or so near to the smallest normal number, that its own rounding would decide.
    """
    spec = NetworkSpec.parse("6,9x6,4", activation="relu", initializer="normal(std=5e-7)")
    x, y = data(spec)
    found = {dtype: measure(spec, x, y, [4, 11], dtype=dtype) for dtype in ("float32", "float64")}
    shares = {tensor: np.zeros((2, 7, 2)) for tensor in UNDERFLOWING}
    for tensor in UNDERFLOWING:
        for row, seed in enumerate((4, 11)):
            for index, layer in enumerate(restated(spec, seed, x, y)):
                size = abs(layer[tensor])
                assert (size[size > 0] > 1e-42).all()
                assert (abs(size / 2.0**-126 - 1) > 1e-4).all()
                shares[tensor][row, index] = (size == 0).mean(), ((size > 0) & (size < 2.0**-126)).mean()
        zero, subnormal = np.moveaxis(shares[tensor], -1, 0)
        assert 0 < subnormal[:, 0].max() < 1
        np.testing.assert_allclose(found["float32"][f"{tensor}_zero"], zero, atol=1e-12)
        np.testing.assert_allclose(found["float32"][f"{tensor}_subnormal"], subnormal, atol=1e-12)
        np.testing.assert_allclose(found["float64"][f"{tensor}_zero"], zero, atol=1e-12)
        assert not found["float64"][f"{tensor}_subnormal"].any()


def test_a_model_that_is_no_network_is_measured_by_its_tensors():
    """Arrays of a NumPy model, without a spec or a Network, give what the network of the same weights gives."""
    spec = NetworkSpec.parse("6,9,5,4", activation="sigmoid", initializer="he_normal")
    x, y = data(spec)
    names = ("weight", "below", "preactivation", "activation", "backprop_gradient")
    rows = restated(spec, 4, x, y)
    records = [activations.get("sigmoid")] * 2 + [None]
    layers = [LayerTensors(*(row[name] for name in names), record) for row, record in zip(rows, records, strict=True)]
    values = estimators.layer_values(layers) | {"jacobian_singular_value_mean": jacobian_singular_value_mean(layers)}
    edges = estimators.histogram_edges(layers, 8)
    values |= estimators.histogram_counts(layers, edges) | edges
    measured = measure(spec, x, y, [4], dtype="float64", bins=8, jacobian=True).isel(seed=0)
    assert set(values) == set(measured.data_vars) - {"fan_in", "fan_out"}
    for name, value in values.items():
        np.testing.assert_allclose(value, measured[name].values, rtol=1e-11, atol=1e-15, err_msg=name)


def test_tensors_of_a_forward_pass_have_no_gradients():
    spec = NetworkSpec.parse("6,9,4")
    hidden, output = Network(spec).forward(data(spec)[0]).layers
    assert hidden.derivative().shape == (7, 9)
    for call in (hidden.weight_gradient, hidden.bias_gradient, lambda: estimators.layer_values([hidden])):
        with pytest.raises(ValueError, match="only a forward pass"):
            call()
    with pytest.raises(ValueError, match="no activation"):
        output.derivative()


def test_seeds_by_number_and_by_list_are_the_same_networks():
    spec = NetworkSpec.parse("6,9,4")
    x, y = data(spec)
    by_number, by_list = measure(spec, x, y, 3), measure(spec, x, y, [0, 1, 2])
    assert by_number.identical(by_list)
    backward = measure(spec, x, y, [2, 1, 0])
    np.testing.assert_array_equal(backward["activation_mean"].sel(seed=2.0), by_number["activation_mean"].isel(seed=2))
    assert json.loads(backward.attrs["seeds"]) == [2, 1, 0]
    assert backward.attrs["dtype"] == "float32"


def test_progress_counts_the_networks():
    spec, calls = NetworkSpec.parse("6,9,4"), []
    measure(spec, *data(spec), 2, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("activation", "dtype", "bins"), [("tanh", "float32", 9), ("relu", "float64", 40), ("linear", "float32", 1)]
)
def test_histograms_lose_nothing_and_share_their_edges(activation, dtype, bins):
    spec = NetworkSpec.parse("6,9,5,4", activation=activation, initializer="he_normal")
    x, y = data(spec)
    found = measure(spec, x, y, 30, dtype=dtype, bins=bins)
    sizes = {
        "activation": 7 * found["fan_out"],
        "backprop_gradient": 7 * found["fan_out"],
        "batch_weight_gradient": found["fan_in"] * found["fan_out"],
    }
    for tensor, size in sizes.items():
        counts, edges = found[f"{tensor}_count"], found[f"{tensor}_edge"]
        assert counts.sizes["bin"] == bins
        assert edges.sizes["edge"] == bins + 1
        assert (counts.sum("bin") == size).all()
        assert (edges == edges.isel(seed=0)).all()
        assert (np.diff(edges.values) > 0).all()
        np.testing.assert_allclose(edges.values, -edges.values[..., ::-1], rtol=1e-12, atol=1e-12)
    if activation == "tanh":
        np.testing.assert_array_equal(found["activation_edge"].values[:, 0, [0, -1]], [[-1, 1]] * 30)


@settings(max_examples=30)
@given(st.floats(0.5, 2.0), st.integers(1, 20))
def test_values_beyond_edges_that_float32_rounds_up_are_counted(reach, bins):
    """Clipping float32 values to a float64 edge put them beyond it where the edge rounded up."""
    spec = NetworkSpec.parse("6,9,4", activation="linear", initializer="normal(std=5)")
    network = Network(spec, seed=1)
    passed = network.backpropagate(*data(spec))
    edge = np.tile(np.linspace(-reach, reach, bins + 1), (2, 1))
    found = estimators.histogram_counts(passed.layers, {f"{n}_edge": edge for n in estimators.HISTOGRAM_TENSORS})
    inside, _ = np.histogram(passed.activations[0].astype(np.float64), edge[0])
    inside[0] += (passed.activations[0] < edge[0, 0]).sum()
    inside[-1] += (passed.activations[0] > edge[0, -1]).sum()
    np.testing.assert_array_equal(found["activation_count"][0], inside)


NAN_INPUT = np.ones((2, 6))
NAN_INPUT[0, 5] = np.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((NAN_INPUT, [0, 1]), r"inputs\[0, 5\] is inf: allowed are finite"),
        ((np.ones((2, 5)), [0, 1]), r"shape \(2, 5\)"),
        ((np.ones((2, 6)), [0, 4]), "label 4: allowed are 0 to 3"),
        ((np.ones((2, 6)), [0, 1], 0), "seeds 0: allowed are 1 to"),
        ((np.ones((2, 6)), [0, 1], 2.5), "seeds 2.5: allowed are a whole number"),
        ((np.ones((2, 6)), [0, 1], []), "no seeds"),
        ((np.ones((2, 6)), [0, 1], [0, -1]), "seed -1"),
        ((np.ones((2, 6)), [0, 1], [0, 1.5]), "seed 1.5"),
        ((np.ones((2, 6)), [0, 1], True), "seeds True: allowed are a whole number"),
        ((np.ones((2, 6)), [0, 1], [0] * 10), "seed 0: given 10 times among 10 seeds, allowed is once"),
        ((np.ones((2, 6)), [0, 1], np.array([4, 3, 4])), "seed 4: given 2 times among 3 seeds"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        measure(NetworkSpec.parse("6,9,4"), *arguments)


def test_bad_bins_and_dtype_are_refused():
    spec = NetworkSpec.parse("6,9,4")
    with pytest.raises(InvalidValueError, match="bins -1: allowed are whole numbers from 0 to"):
        measure(spec, *data(spec), 1, bins=-1)
    with pytest.raises(InvalidValueError, match="float16"):
        measure(spec, *data(spec), 1, dtype="float16")
