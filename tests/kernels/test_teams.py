"""How many threads a call of many steps wakes, how they help each other, and that the bits are those of one."""

import numpy as np
import pytest
from kernel_reference import assert_within, forward, guarded, matmul, workers

from glorotlab import threads
from glorotlab.kernels.network import dense, elementwise
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec

LINEAR, TANH = elementwise.CODES["linear"], elementwise.CODES["tanh"]
WORK, WAITS = 2 * 40 * 65 + 3 * 65 * 10, 2 + 3 * 2
"""Multiply-adds of a step of 40,65,10 for each example, and how often its threads wait for each other."""
MOST = 16 * (10 * WORK // WAITS)
"""The parallel work of which one thread has a 16th between two waits of a batch of ten."""


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    monkeypatch.setitem(threads._state, "threads", threads._state["threads"])
    previous = dense.set_parallel_work(0)
    dense.set_parallel_work(previous)
    yield
    dense.set_parallel_work(previous)


def train(layers, batch, steps, count, dtype="float32"):
    """Take steps on random examples, on up to ``count`` threads; return the network, the examples and the costs."""
    threads.set_num_threads(count)
    net, rng = Network(NetworkSpec.parse(layers, activation="tanh"), seed=4, dtype=dtype), np.random.default_rng(5)
    x, y = rng.normal(size=(batch, net.spec.fan_in)).astype(dtype), rng.integers(0, net.spec.classes, batch)
    costs = net.train_steps(x, y, 0.5, batch_size=batch, order=np.tile(np.arange(batch), steps))
    return net, x, y, costs


@pytest.mark.parametrize(
    ("batch", "steps", "parallel_work", "expected"),
    [
        (10, 40, MOST, 1),
        (10, 40, MOST // 2, 2),
        (10, 40, MOST // 2 + 1, 1),
        (10, 40, MOST // 4, 4),
        (10, 40, MOST // 9, 4),
        (20, 40, MOST, 2),
        (1, 40, MOST // 2, 2),
    ],
)
def test_each_thread_has_a_16th_of_the_parallel_work_between_two_waits(batch, steps, parallel_work, expected):
    """A batch below ten counts as ten: W has to be read."""
    dense.set_parallel_work(parallel_work)
    train("40,65,10", batch, steps, 4)
    assert dense.workers() == workers(expected, expected)


@pytest.mark.parametrize(("steps", "expected"), [(1, 1), (2, 3)])
def test_a_call_of_a_team_has_more_than_the_parallel_work(steps, expected):
    """A step of 40,10 has 8,000 multiply-adds, 1,600 of them between two waits."""
    dense.set_parallel_work(8000)
    train("40,10", 10, steps, 4)
    assert dense.workers() == workers(expected, expected)


@pytest.mark.parametrize(
    ("layers", "batch", "expected"),
    [
        ("24,8,2", 200, 1),
        ("10,64,64,10", 128, 1),
        ("784,30,30,10", 10, 1),
        ("1024,100x5,10", 10, 1),
        ("4,32,16,4", 10_000, 2),
        ("10,128,128,10", 128, 2),
        ("1024,1000,10", 1, 2),
    ],
)
def test_no_thread_is_used_where_it_costs(layers, batch, expected):
    weights = sum(fan_in * fan_out for fan_in, fan_out in NetworkSpec.parse(layers).fans)
    train(layers, batch, 2 + 4_000_000 // (weights * batch), 2)
    assert dense.workers() == workers(expected, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fans", [(1, 1), (7, 3), (33, 17), (64, 10), (64, 64), (65, 2)], ids=str)
def test_examples_shared_and_panels_go_back_to_the_same_bits(fans, dtype):
    """66 examples are more than 64 and than the rows of W: threads share them; 64 go back from panels."""
    rng, eps = np.random.default_rng(0), np.finfo(dtype).eps
    d, weight, s = (rng.normal(size=shape).astype(dtype) for shape in ((66, fans[1]), fans, (66, fans[0])))
    z, found = np.tanh(s), []
    for batch, count in ((64, 1), (66, 1), (66, 2), (66, 4)):
        out, untouched = guarded(np.full((batch, fans[0]), np.nan), dtype)
        dense.set_parallel_work(0)
        dense.backward(d[:batch], weight, s[:batch], z[:batch], TANH, out, count)
        assert untouched()
        found.append(out)
    assert found[0].tobytes() == found[1][:64].tobytes()
    assert found[1].tobytes() == found[2].tobytes() == found[3].tobytes()
    product, bound = matmul(d, weight.T, eps)
    derivative = 1 - z.astype(np.float64) ** 2
    assert_within(found[1], product * derivative, bound * (derivative + 4 * eps) + 4 * eps * abs(product))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layers", "batch"), [("24,8,2", 200), ("10,46,45,10", 128), ("4,32,16,4", 1000)])
def test_small_networks_take_numpys_steps_on_any_team(layers, batch, dtype):
    dense.set_parallel_work(0)
    ends = []
    for count in (1, 2, 4):
        net, x, y, costs = train(layers, batch, 3, count, dtype)
        ends.append([costs.tobytes(), *(array.tobytes() for array in net.state().values())])
    assert ends[0] == ends[1] == ends[2]
    twin = Network(net.spec, seed=4, dtype=dtype)
    weights, biases = ([array.astype(np.float64) for array in arrays] for arrays in (twin.weights, twin.biases))
    for cost in costs:
        assert cost == pytest.approx(numpy_step(x, y, weights, biases, 0.5), rel=float(200 * np.finfo(dtype).eps))
    for own, expected in zip((*net.weights, *net.biases), (*weights, *biases), strict=True):
        np.testing.assert_allclose(own, expected, rtol=0, atol=200 * np.finfo(dtype).eps)


@pytest.mark.parametrize(("momentum", "batch"), [(0.0, 10), (0.9, 33), (0.0, 70), (0.9, 150)])
def test_whoever_is_done_helps_and_every_tile_is_done_once(momentum, batch):
    """More threads than cores come late to a pass and are held up in it, so that others take their tiles.

    Of more than 64 examples d goes back first and W steps in a pass of its own.
    """
    dense.set_parallel_work(0)
    ends = []
    for count in (1, 2, 7):
        threads.set_num_threads(count)
        net, rng = Network(NetworkSpec.parse("150,257,190,10", activation="tanh"), seed=4), np.random.default_rng(5)
        x, y = rng.normal(size=(batch, 150)), rng.integers(0, 10, batch)
        costs = net.train_steps(x, y, 0.05, batch_size=batch, order=np.tile(np.arange(batch), 60), momentum=momentum)
        ends.append([costs.tobytes(), *(array.tobytes() for array in net.state().values())])
    assert ends[0] == ends[1] == ends[2]


def numpy_step(x, y, weights, biases, rate):
    """Step in place by dC/dW of the mean log-likelihood cost, and return the cost from before."""
    s, a = forward(x, weights, biases, "tanh", "softmax")
    below = [x.astype(np.float64), *(np.tanh(layer) for layer in s[:-1])]
    d = (a - np.eye(a.shape[1])[y]) / len(x)
    for layer in range(len(weights) - 1, -1, -1):
        lower = (d @ weights[layer].T) * (1 - below[layer] ** 2)
        weights[layer] -= rate * below[layer].T @ d
        biases[layer] -= rate * d.sum(axis=0)
        d = lower
    return -np.log(a[np.arange(len(x)), y]).mean()
