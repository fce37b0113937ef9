"""Curvature: estimates by plain NumPy, torch and differences of the cost; the factors they give, and steps at them."""

import numpy as np
import pytest
from kernel_reference import central_difference, functions, mean_cost, outputs, workers
from optional import optional

from glorotlab import costs, threads
from glorotlab.errors import InvalidValueError
from glorotlab.kernels.network import dense
from glorotlab.network.curvature import Curvature, gauss_newton, gradient_variance, learning_rate_factors
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec

PAIRS = sorted(costs.RECORDS)
STEPS = [{}, {"l2": 0.1}, {"momentum": 0.9, "l2": 0.1}, {"momentum": 0.9, "nesterov": True, "l2": 0.1}]


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    monkeypatch.setitem(threads._state, "threads", threads._state["threads"])


def network(layers="4,9,3,6,3", activation="tanh", pair=("softmax", "log_likelihood"), dtype="float64"):
    spec = NetworkSpec.parse(layers, activation=activation, output=pair[0], cost=pair[1], bias="normal")
    return Network(spec, seed=3, dtype=dtype)


def examples(net, count=13, seed=0):
    """More examples than a layer has units."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, net.spec.fan_in)).astype(net.dtype), rng.integers(net.spec.classes, size=count)


def assert_close(found, expected, tolerance):
    for one, other in zip((*found.weights, *found.biases), (*expected.weights, *expected.biases), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * np.abs(other).max())


# the estimates


def output_jacobian(a, output):
    """da/ds of each example, by the textbook."""
    if output == "softmax":
        return np.einsum("nk,kj->nkj", a, np.eye(a.shape[1])) - np.einsum("nk,nj->nkj", a, a)
    slope = a * (1 - a) if output == "sigmoid" else np.ones_like(a)
    return np.einsum("nk,kj->nkj", slope, np.eye(a.shape[1]))


def output_curvature(a, output, cost):
    """The Gauss-Newton matrix in s: J' J of the quadratic cost, else the derivative of dC/ds = a - y."""
    jacobian = output_jacobian(a, output)
    if cost == "quadratic":
        return np.einsum("nki,nkj->nij", jacobian, jacobian)
    return jacobian


def recursion(net, x):
    """LeCun's recursion in plain NumPy, example by example."""
    f, slope = functions(net.spec.activation)
    weights = [np.zeros_like(weight, np.float64) for weight in net.weights]
    biases = [np.zeros_like(bias, np.float64) for bias in net.biases]
    for row in np.asarray(x, np.float64):
        below, s = [row], []
        for weight, bias in zip(net.weights, net.biases, strict=True):
            s.append(below[-1] @ weight.astype(np.float64) + bias)
            below.append(f(s[-1]))
        a = outputs(s[-1][None], net.spec.output)
        h = np.diag(output_curvature(a, net.spec.output, net.spec.cost)[0])
        for k in reversed(range(len(weights))):
            weights[k] += np.outer(below[k] ** 2, h) / len(x)
            biases[k] += h / len(x)
            if k:
                h = slope(s[k - 1]) ** 2 * (net.weights[k].astype(np.float64) ** 2 @ h)
    return Curvature(weights, biases)


@pytest.mark.parametrize(
    ("activation", "pair"),
    [("tanh", pair) for pair in PAIRS] + [(name, PAIRS[1]) for name in ("softsign", "sigmoid", "relu")],
    ids=str,
)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_curvature_is_carried_back_through_squared_weights(activation, pair, dtype, tolerance):
    net = network(activation=activation, pair=pair, dtype=dtype)
    x, _ = examples(net)
    found = gauss_newton(net.forward(x), net.spec.cost_record)
    assert {array.dtype for array in (*found.weights, *found.biases)} == {net.dtype}
    assert_close(found, recursion(net, x), tolerance)


def torch_output(torch, net, x):
    """The parameters as one vector, and the function that makes the outputs' s of it."""
    arrays = [array for pair in zip(net.weights, net.biases, strict=True) for array in pair]
    sizes = [array.size for array in arrays]
    vector = torch.tensor(np.concatenate([np.asarray(array).ravel() for array in arrays]))

    def output(values):
        parts = [part.reshape(a.shape) for part, a in zip(torch.split(values, sizes), arrays, strict=True)]
        z = torch.tensor(x)
        for k in range(0, len(parts), 2):
            s = z @ parts[k] + parts[k + 1]
            z = torch.tanh(s)
        return s

    return vector, output, sizes


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("layers", ["4,9,3,6,3", "4,9,3", "4,3"])
def test_where_it_is_the_diagonal_of_the_gauss_newton_matrix(layers, pair):
    """diag J' H J by autograd: in the last layer, and in the one below where the outputs do not mix."""
    exact = 1 if pair[0] == "softmax" else 2
    torch = optional("torch", "TORCH")
    net = network(layers, pair=pair)
    x, _ = examples(net)
    vector, output, sizes = torch_output(torch, net, x)
    jacobian = torch.autograd.functional.jacobian(output, vector).numpy()  # (batch, classes, parameters)
    curvature = output_curvature(net.forward(x).output, *pair)
    diagonal = np.einsum("nkp,nkj,njp->p", jacobian, curvature, jacobian) / len(x)
    parts = np.split(diagonal, np.cumsum(sizes)[:-1])
    found = gauss_newton(net.forward(x), net.spec.cost_record)
    for k in range(len(net.weights)):
        same = [
            np.allclose(own.ravel(), part, rtol=1e-11, atol=0)
            for own, part in ((found.weights[k], parts[2 * k]), (found.biases[k], parts[2 * k + 1]))
        ]
        assert same == [k >= len(net.weights) - exact] * 2


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[1] != "quadratic" or pair[0] == "linear"], ids=str)
def test_in_one_layer_it_is_the_diagonal_of_the_hessian(pair):
    """By differences of the cost's differences."""
    net = network("4,3", pair=pair)
    x, y = examples(net)
    found = gauss_newton(net.forward(x), net.spec.cost_record)
    for own, array in ((found.weights[0], net.weights[0]), (found.biases[0], net.biases[0])):
        for place in np.ndindex(array.shape):
            start = array[place]

            def cost(value, array=array, place=place):
                array[place] = value
                return mean_cost(x, y, net.weights, net.biases, "tanh", *pair)

            def slope(value, cost=cost):
                return central_difference(cost, value, 1e-2)

            second = central_difference(slope, start, 1e-2)
            array[place] = start
            assert own[place] == pytest.approx(second, rel=1e-6)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 1e-4)])
def test_the_gradient_variance_is_that_of_single_examples(pair, dtype, tolerance):
    """The gradient of each example's cost by torch."""
    torch = optional("torch", "TORCH")
    net = network(pair=pair, dtype=dtype)
    x, y = examples(net)
    double = network(pair=pair)
    vector, output, sizes = torch_output(torch, double, x.astype(np.float64))
    one_hot = torch.eye(net.spec.classes, dtype=torch.float64)[torch.tensor(y)]

    def each_cost(values):
        s = output(values)
        a = {"softmax": lambda s: s.softmax(1), "sigmoid": torch.sigmoid, "linear": lambda s: s}[pair[0]](s)
        if pair[1] == "quadratic":
            return ((a - one_hot) ** 2).sum(1) / 2
        every = one_hot * a.log() + (0 if pair[1] == "log_likelihood" else (1 - one_hot) * (1 - a).log())
        return -every.sum(1)

    gradients = torch.autograd.functional.jacobian(each_cost, vector)
    parts = [part.numpy() for part in torch.split(gradients.var(dim=0, unbiased=True), sizes)]
    expected = Curvature(
        [part.reshape(w.shape) for part, w in zip(parts[::2], net.weights, strict=True)], list(parts[1::2])
    )
    assert_close(gradient_variance(net.backpropagate(x, y)), expected, tolerance)


def test_copies_of_an_example_have_no_variance():
    """Rounding makes no negative one."""
    net = network(dtype="float32")
    x, y = examples(net, 1)
    found = gradient_variance(net.backpropagate(np.repeat(x, 50, axis=0), np.repeat(y, 50)))
    scale = max(np.abs(array).max() for array in net.gradients(x, y).weights) ** 2
    for array in (*found.weights, *found.biases):
        assert (array >= 0).all()
        assert array.max() < 1e-6 * scale


# the factors


def test_a_parameter_of_mean_curvature_has_the_learning_rate_itself():
    curvature = Curvature([np.array([[0.0, 4.0], [1.0, 3.0]])], [np.array([1000.0, 2.0])])
    mean = (0 + 4 + 1 + 3 + 1000 + 2) / 6
    found = learning_rate_factors(curvature, 0.25)
    for own, h in ((found.weights[0], curvature.weights[0]), (found.biases[0], curvature.biases[0])):
        np.testing.assert_allclose(own, 1.25 * mean / (h + 0.25 * mean), rtol=1e-14)
    assert found.weights[0][0, 0] == 1 + 1 / 0.25
    even = learning_rate_factors(Curvature([np.full((2, 3), 7.0)], [np.full(3, 7.0)]), 0.01)
    np.testing.assert_allclose(even.weights[0], 1, rtol=1e-15)
    half = learning_rate_factors(Curvature([curvature.weights[0] / 1e9], [curvature.biases[0] / 1e9]), 0.25)
    np.testing.assert_allclose(half.weights[0], found.weights[0], rtol=1e-14)
    np.testing.assert_allclose(learning_rate_factors(curvature, 1e6).biases[0], 1, rtol=1e-3)


def test_without_any_curvature_all_learn_alike():
    found = learning_rate_factors(Curvature([np.zeros((2, 3), "f")], [np.zeros(3, "f")]), 0.1)
    assert [array.dtype for array in (*found.weights, *found.biases)] == [np.float32] * 2
    assert (found.weights[0] == 1).all()
    assert (found.biases[0] == 1).all()


# steps


def random_factors(net, seed=7):
    rng = np.random.default_rng(seed)
    arrays = ([rng.uniform(0, 3, array.shape) for array in held] for held in (net.weights, net.biases))
    return tuple([array.astype(net.dtype) for array in held] for held in arrays)


@pytest.mark.parametrize("options", STEPS, ids=str)
@pytest.mark.parametrize("batch", [1, 10, 33])
@pytest.mark.parametrize(("activation", "dtype"), [("tanh", "float64"), ("tanh", "float32"), ("x/(1+x**2)", "float64")])
def test_each_parameter_steps_at_its_own_rate(activation, dtype, batch, options):
    """Three steps with the gradients of the network, which other tests judge."""
    tolerance = 1e-12 if dtype == "float64" else 2e-6
    net, twin = (network("30,21,17,5", activation, dtype=dtype) for _ in range(2))
    factors = random_factors(net)
    net.set_rates(*factors)
    momentum, l2, rate = options.get("momentum", 0), options.get("l2", 0), 0.1
    velocities = [0, 0, 0], [0, 0, 0]
    for step in range(3):
        x, y = examples(net, batch, seed=step)
        gradients = twin.gradients(x, y)
        for kind, (held, slopes) in enumerate(((twin.weights, gradients.weights), (twin.biases, gradients.biases))):
            for k, (own, slope) in enumerate(zip(held, slopes, strict=True)):
                step_itself = -rate * factors[kind][k] * (slope + (l2 * own if kind == 0 else 0))
                velocities[kind][k] = momentum * velocities[kind][k] + step_itself
                own += velocities[kind][k]
                if "nesterov" in options:
                    own += (momentum - 1) * velocities[kind][k] + step_itself
        net.train_step(x, y, rate, **options)
        for own, expected in zip((*net.weights, *net.biases), (*twin.weights, *twin.biases), strict=True):
            np.testing.assert_allclose(own, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("options", STEPS[::3], ids=str)
@pytest.mark.parametrize("batch", [4, 10, 40])
@pytest.mark.usefixtures("small_products_on_threads")
def test_equal_bits_on_any_number_of_threads(batch, options):
    ends = []
    for count in (1, 2, 4):
        threads.set_num_threads(count)
        net = network("130,70,45,5", dtype="float32")
        net.set_rates(*random_factors(net))
        x, y = examples(net, 2 * batch)
        net.train_steps(x, y, 0.1, batch_size=batch, **options)
        assert dense.workers() == workers(count, count)
        ends.append([array.tobytes() for array in net.state().values()])
    assert ends[0] == ends[1] == ends[2]


def test_more_threads_than_before_have_their_room():
    """One thread, then four with the same buffers."""
    net, twin = (network("130,70,45,5") for _ in range(2))
    before = dense.set_parallel_work(0)
    try:
        for each, counts in ((net, (1, 4)), (twin, (1, 1))):
            each.set_rates(*random_factors(each))
            x, y = examples(each, 10)
            for count in counts:
                threads.set_num_threads(count)
                each.train_step(x, y, 0.1)
    finally:
        dense.set_parallel_work(before)
    for own, other in zip(net.weights, twin.weights, strict=True):
        np.testing.assert_array_equal(own, other)


def test_factors_are_part_of_the_state():
    net = network()
    net.set_rates(*random_factors(net))
    x, y = examples(net)
    other, plain = network(), network()
    state = net.state()
    assert {f"weight_rate_{k}" for k in range(1, 5)} | {f"bias_rate_{k}" for k in range(1, 5)} < set(state)
    other.load_state(state)
    for each in (net, other, plain):
        each.train_step(x, y, 0.1)
    assert [array.tobytes() for array in other.weights] == [array.tobytes() for array in net.weights]
    assert not np.array_equal(plain.weights[0], net.weights[0])
    start = network()
    net.load_state(start.state())
    net.train_step(x, y, 0.1)
    assert [array.tobytes() for array in net.weights] == [array.tobytes() for array in plain.weights]


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_factors_that_are_none_are_refused(wrong):
    net = network()
    weights, biases = random_factors(net)
    with pytest.raises(InvalidValueError, match="factors of the learning rate of shapes"):
        net.set_rates(weights[:-1], biases)
    weights[2][1, 1] = wrong
    with pytest.raises(InvalidValueError, match=f"factor {wrong} of the learning rate: allowed are finite"):
        net.set_rates(weights, biases)
    assert not any("rate" in name for name in net.state())
