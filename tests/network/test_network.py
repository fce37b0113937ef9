"""Network: gradients by differences of a NumPy restatement, steps, refusals, reproducibility."""

import dataclasses
import importlib
import os

import numpy as np
import pytest
from kernel_reference import FUNCTIONS, assert_within, central_difference, forward, mean_cost, tiles, workers

from glorotlab import activations, costs, threads
from glorotlab.errors import InvalidValueError
from glorotlab.kernels.network import dense, elementwise
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec

ACTIVATIONS = sorted(activations.RECORDS)
PAIRS = sorted(costs.RECORDS)
DEFAULT = ("softmax", "log_likelihood")
COMBINATIONS = [(name, DEFAULT) for name in ACTIVATIONS]
COMBINATIONS += [(name, pair) for name in ("tanh", "relu") for pair in PAIRS if pair != DEFAULT]
"""Every activation and every pair of output and cost, but not every one with every other: they never meet in code."""
LAYERS = "4,5,3,6,3"
STEPS = (
    {},
    {"l2": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "l2": 0.1},
    {"momentum": 0.9, "nesterov": True, "l2": 0.1},
)


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    monkeypatch.setitem(threads._state, "threads", threads._state["threads"])


def network(layers=LAYERS, activation="tanh", pair=("softmax", "log_likelihood"), dtype="float64", seed=0, **fields):
    spec = NetworkSpec.parse(layers, activation=activation, output=pair[0], cost=pair[1], **fields)
    return Network(spec, seed=seed, dtype=dtype)


def examples(net, count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, net.spec.fan_in)), rng.integers(net.spec.classes, size=count)


def parameters(net):
    return [*net.weights, *net.biases]


def state(net):
    return [array.tobytes() for array in parameters(net)]


def reference_cost(net, x, labels):
    return mean_cost(x, labels, net.weights, net.biases, net.spec.activation, net.spec.output, net.spec.cost)


def away_from_kinks(net, x, distance):
    """Whether every hidden pre-activation keeps this distance from the kinks of the activation."""
    s, _ = forward(x, net.weights, net.biases, net.spec.activation, net.spec.output)
    kinks = activations.get(net.spec.activation).kinks
    return all(np.abs(layer - kink).min() > distance for layer in s[:-1] for kink in kinks)


@pytest.mark.parametrize(("activation", "pair"), COMBINATIONS, ids=str)
def test_gradients_are_those_of_the_cost(activation, pair):
    """Every parameter. D(h) is within |D(2h) - D(h)| / 15 of the derivative, beside the rounding of the cost over h."""
    net, step = network(activation=activation, pair=pair, bias="normal(std=0.5)"), 1e-3
    seed = 0
    while not away_from_kinks(net, examples(net, 4, seed)[0], 10 * step):  # a difference would cross a kink
        seed += 1
    x, labels = examples(net, 4, seed)
    found = net.gradients(x, labels)
    assert found.cost == pytest.approx(reference_cost(net, x, labels), rel=1e-13)
    for array, gradient in zip(parameters(net), [*found.weights, *found.biases], strict=True):
        assert gradient.shape == array.shape
        for index in np.ndindex(array.shape):
            value = array[index]

            def cost(moved, array=array, index=index):
                array[index] = moved
                return reference_cost(net, x, labels)

            near, far = (central_difference(cost, value, h) for h in (step, 2 * step))
            array[index] = value
            rounding = 20 * np.finfo(float).eps * (found.cost + 1) / step
            assert abs(gradient[index] - near) <= abs(far - near) + rounding


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", ["3,2", "1,1,2", LAYERS, "65,130,70,10"])
def test_forward_is_the_reference(layers, dtype):
    net = network(layers, dtype=dtype)
    for count in (0, 1, 33, 130):
        x = examples(net, count)[0].astype(dtype)
        passed = net.forward(x)
        s, output = forward(x, net.weights, net.biases, "tanh", "softmax")
        for found, expected in zip([*passed.preactivations, passed.output], [*s, output], strict=True):
            assert found.dtype == dtype
            assert_within(found, expected, 300 * np.finfo(dtype).eps)
        for pre, post in zip(passed.preactivations[:-1], passed.activations[:-1], strict=True):
            np.testing.assert_allclose(post, np.tanh(pre), rtol=4 * np.finfo(dtype).eps)
        assert [below.shape[1] for below in map(passed.below, range(len(net.weights)))] == list(
            net.spec.layer_sizes[:-1]
        )


def test_backpropagate_is_of_each_example():
    """Row i of dC/ds is that of example i alone, and the batch gradient is the mean over examples."""
    net = network()
    x, labels = examples(net, 7)
    together = net.backpropagate(x, labels)
    alone = [net.backpropagate(x[i : i + 1], labels[i : i + 1]) for i in range(7)]
    for layer in range(len(net.weights)):
        np.testing.assert_allclose(
            together.backprop[layer], np.vstack([one.backprop[layer] for one in alone]), rtol=1e-12
        )
        mean = np.mean([one.weight_gradient(layer) for one in alone], axis=0)
        np.testing.assert_allclose(together.weight_gradient(layer), mean, rtol=1e-12, atol=1e-16)
        mean = np.mean([one.bias_gradient(layer) for one in alone], axis=0)
        np.testing.assert_allclose(together.bias_gradient(layer), mean, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(together.cost, np.concatenate([one.cost for one in alone]), rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", STEPS, ids=str)
def test_steps_follow_the_gradients(options, dtype):
    """Three steps equal v <- momentum v - rate (gradient + l2 W), W <- W + v with gradients(), or Nesterov's; biases do
    not decay.
    """
    net, twin = network("20,70,30,5", dtype=dtype), network("20,70,30,5", dtype=dtype)
    rate, momentum, l2 = 0.3, options.get("momentum", 0.0), options.get("l2", 0.0)
    velocity = [np.zeros(array.shape) for array in parameters(twin)]
    for step in range(3):
        x, labels = examples(net, 10, seed=step)
        found = twin.gradients(x, labels)
        cost = net.train_step(x, labels, rate, **options)
        assert cost == pytest.approx(found.cost, rel=float(100 * np.finfo(dtype).eps))
        for k, gradient in enumerate([*found.weights, *found.biases]):
            array = parameters(twin)[k]
            decay = l2 if array.ndim == 2 else 0.0
            step = -rate * (gradient + decay * array)
            velocity[k] = momentum * velocity[k] + step
            array += (momentum * velocity[k] + step if "nesterov" in options else velocity[k]).astype(dtype)
        for ours, expected in zip(parameters(net), parameters(twin), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=0, atol=50 * np.finfo(dtype).eps)


def swish(s):
    return s / (1 + np.exp(-s))


def swish_derivative(s):
    sigmoid = 1 / (1 + np.exp(-s))
    return sigmoid * (1 + s * (1 - sigmoid))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("activation", "options"),
    [*(("tanh", options) for options in STEPS), ("softsign", STEPS[-1]), ("relu", STEPS[-1])],
    ids=str,
)
def test_unfused_step_agrees_with_the_fused_one(monkeypatch, activation, options, dtype):
    fused = network("20,70,30,5", activation, dtype=dtype)
    with monkeypatch.context() as patch:
        patch.delitem(elementwise.CODES, activation)
        unfused = network("20,70,30,5", activation, dtype=dtype)
    x, labels = examples(fused, 10)
    one, other = fused.gradients(x, labels), unfused.gradients(x, labels)
    for a, b in zip([*one.weights, *one.biases], [*other.weights, *other.biases], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=20 * np.finfo(dtype).eps)
    for _ in range(3):
        fused.train_step(x, labels, 0.1, **options)
        unfused.train_step(x, labels, 0.1, **options)
    for a, b in zip(parameters(fused), parameters(unfused), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=50 * np.finfo(dtype).eps)
    assert fused._engine.fused
    assert not unfused._engine.fused


def test_an_activation_without_a_kernel_trains(monkeypatch):
    record = activations.Activation("swish", "x/(1 + exp(-x))", swish, swish_derivative)
    monkeypatch.setitem(activations.RECORDS, "swish", record)
    monkeypatch.setitem(FUNCTIONS, "swish", (swish, swish_derivative))
    net = network(activation="swish")
    x, labels = examples(net, 4)
    found, weight = net.gradients(x, labels), net.weights[0]
    for index in np.ndindex(weight.shape):
        value = weight[index]

        def cost(moved, index=index):
            weight[index] = moved
            return reference_cost(net, x, labels)

        assert found.weights[0][index] == pytest.approx(central_difference(cost, value, 1e-3), abs=1e-10)
        weight[index] = value
    before, first = weight.copy(), net.train_step(x, labels, 0.1)
    np.testing.assert_allclose(weight, before - 0.1 * found.weights[0], atol=1e-14)
    assert reference_cost(net, x, labels) < first


def test_seeds():
    assert state(network(seed=3)) == state(network(seed=3))
    assert state(network(seed=3)) != state(network(seed=4))
    assert not np.array_equal(network("5x4,2").weights[0], network("5x4,2").weights[1]), "layers share their numbers"


@pytest.mark.parametrize("initializer", ["glorot_uniform", "orthogonal", "nielsen_default", "sparse(k=3)"])
def test_weights_do_not_depend_on_the_dtype_beyond_rounding(initializer):
    single, double = (network(dtype=dtype, initializer=initializer) for dtype in ("float32", "float64"))
    for a, b in zip(parameters(single), parameters(double), strict=True):
        assert (a.dtype, b.dtype) == (np.float32, np.float64)
        np.testing.assert_array_equal(a, b.astype(np.float32))
        assert a.strides[-1] == a.itemsize
        assert b.strides[-1] == b.itemsize


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 10, 130])
@pytest.mark.usefixtures("small_products_on_threads")
def test_equal_bits_on_any_number_of_threads(batch, dtype):
    """Twenty steps of layers that are cut into several tiles forward and back; the first one's are counted."""
    results = []
    for count in (1, 2, 4):
        threads.set_num_threads(count)
        net = network("270,150,129,10", dtype=dtype)
        trace = []
        for step in range(20):
            x, labels = examples(net, batch, seed=step % 3)
            trace.append(net.train_step(x, labels, 0.05, momentum=0.5 if step >= 10 else 0.0, l2=1e-3))
            assert workers(count, tiles(270, 10)) <= dense.workers() <= count
        gradients = net.gradients(x, labels)
        results.append((trace, state(net), [g.tobytes() for g in [*gradients.weights, *gradients.biases]]))
    assert results[0] == results[1] == results[2]
    assert np.isfinite(results[0][0]).all()


def test_batches_of_changing_size():
    """The buffers of a step follow the batch: sizes may alternate without a trace in the result."""
    net, twin = network(), network()
    for count in (10, 3, 10, 1, 300, 10):
        x, labels = examples(net, count, seed=count)
        net.train_step(x, labels, 0.1)
        found = twin.gradients(x, labels)
        for array, gradient in zip(parameters(twin), [*found.weights, *found.biases], strict=True):
            array -= 0.1 * gradient
    for a, b in zip(parameters(net), parameters(twin), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13)


@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x[::-1][::-1],
        lambda x: x.astype(np.float32),
        lambda x: x.astype(">f8"),
        lambda x: x.tolist(),
    ],
    ids=["fortran", "strided", "reversed", "float32", "byteswapped", "lists"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_layout_and_dtype_of_input_is_read(layout, dtype):
    net, twin = network(dtype=dtype), network(dtype=dtype)
    x, labels = examples(net, 33)
    x = x.astype(np.float32).astype(np.float64)
    given, before = layout(x), np.array(x)
    np.testing.assert_array_equal(net.forward(given).output, twin.forward(x).output)
    for order in (labels.astype(np.uint8), labels.astype(np.int32), np.repeat(labels, 2)[::2], labels.tolist()):
        assert net.train_step(given, order, 0.1) == twin.train_step(x, labels, 0.1)
    assert state(net) == state(twin)
    np.testing.assert_array_equal(np.asarray(given, float), before)


def test_read_only_inputs_are_enough():
    net = network()
    x, labels = examples(net, 5)
    x.flags.writeable = labels.flags.writeable = False
    net.gradients(x, labels)
    net.train_step(x, labels, 0.1, momentum=0.5)


X, Y = np.zeros((3, 4)), np.array([0, 1, 2])
BAD = [
    (X, [0, 1, 3], "label 3: allowed are 0 to 2"),
    (X, [0, -1, 2], "label -1: allowed are 0 to 2"),
    (X, np.array([0, 1, 2**64 - 1], np.uint64), "label 18446744073709551615"),
    (X, [0.0, 1.0, 2.0], "labels of shape .* dtype float64: allowed is one whole number"),
    (X, [True, False, True], "dtype bool"),
    (X, ["0", "1", "2"], "labels of shape"),
    (X, [0, 1, None], "dtype object"),
    (X, [0, 1], r"labels of shape \(2,\)"),
    (X, [[0], [1], [2]], r"labels of shape \(3, 1\)"),
    (X, [[0], [1, 2]], "labels: allowed is an array"),
    (X, 0, r"labels of shape \(\)"),
    (X[:, :3], Y, r"inputs of shape \(3, 3\): allowed is \(examples, 4\) for layers 4,5,3,6,3"),
    (X[0], Y, r"inputs of shape \(4,\)"),
    (X[None], Y, r"inputs of shape \(1, 3, 4\)"),
    (X.astype(complex), Y, "inputs of dtype complex128: allowed are real numbers"),
    ("abc", Y, "inputs of dtype <U3"),
    ([[1, 2, 3, 4], [1]], Y, "inputs: allowed is an array"),
    (X[:0], Y[:0], "batch of 0 examples: allowed are 1 or more"),
]


@pytest.mark.parametrize(("x", "labels", "message"), BAD, ids=[message[:24] for *_, message in BAD])
def test_bad_examples_are_refused_and_change_nothing(x, labels, message):
    net = network()
    net.train_step(X, Y, 0.1, momentum=0.9)
    before = state(net)
    for attempt in (
        lambda: net.train_step(x, labels, 0.1, momentum=0.9, l2=0.1),
        lambda: net.gradients(x, labels),
        lambda: net.backpropagate(x, labels),
    ):
        with pytest.raises(InvalidValueError, match=message) as caught:
            attempt()
        assert len(str(caught.value).splitlines()) == 1
    assert state(net) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": np.nan}, r"learning rate nan: allowed are numbers from 0 to 1e\+06"),
        ({"learning_rate": np.inf}, "learning rate inf"),
        ({"learning_rate": -0.1}, "learning rate -0.1"),
        ({"learning_rate": 0.1, "momentum": 1.0}, "momentum 1.0: allowed are numbers from 0 and below 1"),
        ({"learning_rate": 0.1, "momentum": -0.5}, "momentum -0.5"),
        ({"learning_rate": 0.1, "l2": np.nan}, "l2 nan"),
    ],
)
def test_bad_rates_are_refused_and_change_nothing(options, message):
    net = network()
    before = state(net)
    with pytest.raises(InvalidValueError, match=message):
        net.train_step(X, Y, **options)
    assert state(net) == before


def test_bad_network_arguments():
    spec = NetworkSpec.parse("3,2")
    for dtype in ("float16", "int32", "double"):
        with pytest.raises(InvalidValueError, match=f"dtype '{dtype}': allowed are float32, float64"):
            Network(spec, dtype=dtype)
    for seed in (-1, 2**64, 0.5, True):
        with pytest.raises(InvalidValueError, match="seed"):
            Network(spec, seed=seed)


def test_gradients_are_plain_data():
    assert [field.name for field in dataclasses.fields(network().gradients(X, Y))] == ["weights", "biases", "cost"]


def require_torch():
    """Return torch. With GLOROTLAB_REQUIRE_TORCH=1, as in .ci/run, a torch that is missing or broken fails."""
    if os.environ.get("GLOROTLAB_REQUIRE_TORCH") == "1":
        return importlib.import_module("torch")
    return pytest.importorskip("torch", reason="the check against torch belongs to the ci extra")


def torch_model(torch, net):
    functions = {
        "linear": torch.nn.Identity(),
        "relu": torch.relu,
        "leaky_relu(slope=0.01)": torch.nn.LeakyReLU(0.01),
        "erf": torch.erf,
        "sin": torch.sin,
        "gelu": torch.nn.GELU(),
        "silu": torch.nn.SiLU(),
        "elu": torch.nn.ELU(),
        "selu": torch.nn.SELU(),
        "softplus": torch.nn.Softplus(),
        "hard_tanh": torch.nn.Hardtanh(),
        "sigmoid": torch.sigmoid,
        "softsign": torch.nn.Softsign(),
        "tanh": torch.tanh,
        "arctan": torch.atan,
        "mish": torch.nn.Mish(),
    }

    class Elementwise(torch.nn.Module):
        def forward(self, s):
            return functions[net.spec.activation](s)

    model = torch.nn.Sequential()
    for layer, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        linear = torch.nn.Linear(*weight.shape)
        linear.weight.data, linear.bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
        model.append(linear)
        if layer < len(net.weights) - 1:
            model.append(Elementwise())
    return model


def torch_cost(torch, pair, s, labels):
    """Batch-mean cost of the last pre-activation ``s``, by torch's own losses and output functions."""
    functional, y = torch.nn.functional, torch.nn.functional.one_hot(labels, s.shape[1]).to(s.dtype)
    if pair == ("softmax", "log_likelihood"):
        return functional.cross_entropy(s, labels)
    if pair == ("sigmoid", "cross_entropy"):
        return functional.binary_cross_entropy_with_logits(s, y, reduction="sum") / len(s)
    output = {"softmax": lambda s: s.softmax(dim=1), "sigmoid": torch.sigmoid, "linear": lambda s: s}[pair[0]]
    return functional.mse_loss(output(s), y, reduction="sum") / (2 * len(s))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("activation", "pair", "options"),
    [*((*combination, STEPS[-1]) for combination in COMBINATIONS), *(("tanh", DEFAULT, each) for each in STEPS[:-1])],
    ids=str,
)
def test_torch_takes_the_same_steps(activation, pair, dtype, options):
    """torch's v <- momentum v + g, w <- w - rate v is ours for a constant rate; its weight_decay is l2 on weights."""
    torch = require_torch()
    net = network("20,70,30,5", activation, pair, dtype)
    model, rate, eps = torch_model(torch, net), 0.05, float(np.finfo(dtype).eps)
    weights = [p for p in model.parameters() if p.ndim == 2]
    biases = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": options.get("l2", 0.0)}, {"params": biases}]
    of_velocity = {name: options[name] for name in ("momentum", "nesterov") if name in options}
    optimizer = torch.optim.SGD(groups, lr=rate, **of_velocity)

    def assert_equal(ours, theirs):
        for a, b in zip(ours, theirs, strict=True):
            assert a.dtype == dtype
            np.testing.assert_allclose(a, b.numpy().T, rtol=0, atol=50 * eps)

    for step in range(5):
        x, labels = examples(net, 10, seed=step)
        x = x.astype(dtype)
        optimizer.zero_grad()
        loss = torch_cost(torch, pair, model(torch.tensor(x)), torch.tensor(labels))
        loss.backward()
        found = net.gradients(x, labels)
        assert_equal([*found.weights, *found.biases], [p.grad for p in [*weights, *biases]])
        assert net.train_step(x, labels, rate, **options) == pytest.approx(loss.item(), rel=50 * eps)
        optimizer.step()
    assert_equal(parameters(net), [p.detach() for p in [*weights, *biases]])
