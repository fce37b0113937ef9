"""Real-valued targets and single outputs: costs, gradients and steps against torch in float64, and what is refused."""

import numpy as np
import pytest
from optional import optional

from glorotlab.data.source import ArraySource
from glorotlab.errors import InvalidValueError
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.training.error_curves import classification_error, held_out_error

EXAMPLES = 23
"""More than the widest hidden layer has units."""

CASES = [  # output, cost, outputs, whether there are labels in place of targets
    ("linear", "quadratic", 1, False),
    ("linear", "quadratic", 3, False),
    ("sigmoid", "cross_entropy", 1, False),
    ("sigmoid", "quadratic", 3, False),
    ("sigmoid", "cross_entropy", 1, True),
    ("sigmoid", "quadratic", 1, True),
    ("linear", "quadratic", 1, True),
]


def network(output="linear", cost="", outputs=1, dtype="float64", **fields):
    return Network(NetworkSpec.parse(f"5,7,6,{outputs}", output=output, cost=cost, **fields), seed=3, dtype=dtype)


def batch(output, outputs, labels, examples=EXAMPLES):
    """Targets far from 0 of linear outputs, probabilities of sigmoid ones."""
    random = np.random.default_rng(5)
    x = random.normal(size=(examples, 5))
    if labels:
        return x, random.integers(0, 2, examples)
    y = random.random((examples, outputs)) if output == "sigmoid" else 100 + 3 * random.normal(size=(examples, outputs))
    return x, y


def by_torch(torch, net, x, y):
    """Batch-mean cost and its gradients, by autograd from the textbook formula."""
    parameters = [torch.tensor(array, requires_grad=True) for array in (*net.weights, *net.biases)]
    layers, z = len(net.weights), torch.tensor(x)
    for layer in range(layers):
        s = z @ parameters[layer] + parameters[layers + layer]
        z = torch.tanh(s) if net.spec.activation == "tanh" else s / (1 + s**2)
    targets = torch.tensor(np.asarray(y, dtype=np.float64).reshape(len(x), -1))
    output = torch.sigmoid(s) if net.spec.output == "sigmoid" else s
    if net.spec.cost == "quadratic":
        each = ((output - targets) ** 2).sum(dim=1) / 2
    else:
        each = torch.nn.functional.binary_cross_entropy(output, targets, reduction="none").sum(dim=1)
    each.mean().backward()
    return float(each.mean().detach()), [parameter.grad.numpy() for parameter in parameters]


@pytest.mark.torch
@pytest.mark.parametrize("activation", ["tanh", "x/(1+x**2)"], ids=["kernel", "expression"])
@pytest.mark.parametrize(("output", "cost", "outputs", "labels"), CASES)
def test_cost_gradients_and_steps_are_those_of_torch(output, cost, outputs, labels, activation):
    net = network(output, cost, outputs, activation=activation)
    x, y = batch(output, outputs, labels)
    expected, gradients = by_torch(optional("torch", "TORCH"), net, x, y)
    own = net.gradients(x, y)
    before = [array.copy() for array in (*net.weights, *net.biases)]
    assert net.train_step(x, y, 0.01) == pytest.approx(expected, rel=1e-12)
    assert own.cost == pytest.approx(expected, rel=1e-12)
    after = (*net.weights, *net.biases)
    for start, end, gradient, found in zip(before, after, gradients, (*own.weights, *own.biases), strict=True):
        np.testing.assert_allclose(found, gradient, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(start - end, 0.01 * gradient, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["tanh", "x/(1+x**2)"], ids=["kernel", "expression"])
def test_many_steps_are_single_steps(activation, dtype):
    """Rows in an order of their own, targets of another dtype than the network's."""
    one, many = (network(outputs=3, dtype=dtype, activation=activation) for _ in range(2))
    x, y = batch("linear", 3, labels=False, examples=51)
    order = np.random.default_rng(0).permutation(51)
    costs = [one.train_step(x[rows], y[rows], 0.002, momentum=0.5) for rows in order.reshape(3, 17)]
    found = many.train_steps(x, y.astype("float32" if dtype == "float64" else "float64"), 0.002, batch_size=17,
                             order=order, momentum=0.5)  # fmt: skip
    np.testing.assert_allclose(found, costs, rtol=1e-6)
    many_again = network(outputs=3, dtype=dtype, activation=activation)
    np.testing.assert_array_equal(many_again.train_steps(x, y, 0.002, batch_size=17, order=order, momentum=0.5), costs)
    assert all((a == b).all() for a, b in zip(one.weights, many_again.weights, strict=True))


def test_labels_and_targets_take_turns_in_the_same_buffers():
    """Steps on classes after steps on targets are those of a network that never saw targets, and the other way."""
    x, y = batch("linear", 3, labels=False)
    labels = np.arange(EXAMPLES) % 3
    net, fresh = network(outputs=3), network(outputs=3)
    net.train_step(x, y, 0.01)
    fresh.load_state(net.state())
    assert net.train_step(x, labels, 0.01) == fresh.train_step(x, labels, 0.01)
    assert net.train_step(x, y, 0.01) == fresh.train_step(x, y, 0.01)


def test_one_hot_targets_are_the_labels_to_the_bit():
    net, twin = network("sigmoid", outputs=3), network("sigmoid", outputs=3)
    x, _ = batch("sigmoid", 3, labels=False)
    labels = np.arange(EXAMPLES) % 3
    assert net.train_step(x, labels, 0.5) == twin.train_step(x, np.eye(3)[labels], 0.5)
    assert all((a == b).all() for a, b in zip(net.weights, twin.weights, strict=True))


def test_errors_are_squared_distances_and_a_single_output_has_a_threshold():
    x, y = batch("linear", 3, labels=False, examples=411)
    net = network(outputs=3)
    expected = ((net.forward(x).output - y) ** 2).sum(axis=1).mean()
    assert held_out_error(net, ArraySource(x, y)) == pytest.approx(expected, rel=1e-12)
    for output in ("sigmoid", "linear"):
        x, labels = batch(output, 1, labels=True, examples=411)
        net = network(output)
        wrong = (net.forward(x).output[:, 0] > 0.5) != labels
        assert held_out_error(net, ArraySource(x, labels)) == classification_error(net, ArraySource(x, labels))
        assert held_out_error(net, ArraySource(x, labels)) == pytest.approx(wrong.mean(), rel=1e-15)
        assert 0 < wrong.mean() < 1


@pytest.mark.parametrize(
    ("output", "outputs", "y", "message"),
    [
        ("linear", 3, np.zeros(4), r"targets of shape \(4,\) and dtype float64: allowed is \(4, 3\), one number for"),
        ("linear", 1, np.zeros((4, 2)), r"targets of shape \(4, 2\) and dtype float64: allowed is \(4, 1\)"),
        (
            "linear",
            1,
            np.array([0, 1, 47, 1]),
            "label 47: allowed are 0 to 1; numbers for the outputs to reach are floa",
        ),
        ("linear", 1, np.array([0, 1, np.nan, 1]), r"labels\[2, 0\] is nan: allowed are finite float64 numbers"),
        (
            "sigmoid",
            1,
            np.array([0, 1, 1.5, 1]),
            "labels from 0 to 1.5 as targets of cross-entropy: allowed are 0 to 1",
        ),
        (
            "softmax",
            3,
            np.zeros(4),
            r"labels of shape \(4,\) and dtype float64: allowed is one whole number for each of 4",
        ),
        ("softmax", 3, np.zeros((4, 3)), r"labels of shape \(4, 3\) and dtype float64: allowed is one whole number"),
        ("linear", 1, None, r"labels of shape \(0,\) and dtype float64: allowed is one whole number for each of 4"),
    ],
)
def test_what_cannot_be_reached_is_refused(output, outputs, y, message):
    net = network(output, outputs=outputs)
    before = net.state()
    for call in (lambda: net.train_step(np.ones((4, 5)), y, 0.1), lambda: net.gradients(np.ones((4, 5)), y)):
        with pytest.raises(InvalidValueError, match=message):
            call()
    assert all((net.state()[name] == array).all() for name, array in before.items())


def test_targets_beyond_float32_are_refused():
    net = network(dtype="float32")
    with pytest.raises(InvalidValueError, match=r"labels\[1, 0\] is 1e\+39: allowed are finite float32 numbers"):
        net.train_step(np.ones((2, 5)), np.array([1.0, 1e39]), 0.1)
