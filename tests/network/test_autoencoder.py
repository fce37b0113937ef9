"""Denoising autoencoders: gradients by differences of the cost's definition; what a step changes; threads."""

import numpy as np
import pytest
from kernel_reference import FUNCTIONS, central_difference

from glorotlab import threads
from glorotlab.network.autoencoder import DenoisingAutoencoder
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.training import UpdateRule

FUNCTIONS_OF_CASES = FUNCTIONS | {"4*x/(1+x**2)": (lambda s: 4 * s / (1 + s**2), None)}

CASES = [(name, layer) for name in ("tanh", "softsign", "sigmoid", "relu", "4*x/(1+x**2)") for layer in (0, 1)]
"""Activation, and the layer that is trained. Only what relu and the expression leave in layer 0 is not within one."""


def network(activation="tanh", dtype="float64", layers="5,4,7,3"):
    spec = NetworkSpec.parse(layers, activation=activation, bias="normal")
    return Network(spec, seed=2, dtype=dtype)


def example(net, layer, batch=11, seed=0):
    """An autoencoder with some biases, what enters it and what is kept of that; more examples than units."""
    rng = np.random.default_rng(seed)
    autoencoder = DenoisingAutoencoder(net, layer)
    autoencoder.bias[...] = rng.normal(size=autoencoder.bias.shape)
    v = autoencoder.below(rng.uniform(-1, 1, (batch, net.spec.fan_in)))
    return autoencoder, v, rng.random(v.shape) > 0.3


def reference_cost(weight, bias, c, v, kept, f, bounded):
    """The batch-mean cost by its definition: a cross-entropy of probabilities, or half a squared distance."""
    a = f((v * kept) @ weight + bias) @ weight.T + c
    if not bounded:
        return ((a - v) ** 2).sum() / 2 / len(v)
    p, q = (1 + v) / 2, (1 + np.tanh(a)) / 2
    return -(p * np.log(q) + (1 - p) * np.log(1 - q)).sum() / len(v)


@pytest.mark.parametrize(("activation", "layer"), CASES)
def test_a_step_is_along_the_gradient_of_the_cost(activation, layer):
    """The gradient is what a step at rate 1 takes away; each of its components against a difference of fourth order."""
    net, start = network(activation), network(activation)
    autoencoder, v, kept = example(net, layer)
    before = [start.weights[layer], start.biases[layer], autoencoder.bias.copy()]
    bounded = layer == 0 or activation not in ("relu", "4*x/(1+x**2)")

    def cost():
        return reference_cost(*before, v, kept, FUNCTIONS_OF_CASES[activation][0], bounded)

    assert autoencoder.train_step(v, kept, UpdateRule(1.0)) == pytest.approx(cost(), rel=1e-12)
    after = [net.weights[layer], net.biases[layer], autoencoder.bias]
    gradients = [array - other for array, other in zip(before, after, strict=True)]
    for array, gradient in zip(before, gradients, strict=True):
        for place in np.ndindex(array.shape):
            old = array[place]

            def at(value, array=array, place=place):
                array[place] = value
                return cost()

            slope = central_difference(at, old, 1e-4)
            array[place] = old
            assert gradient[place] == pytest.approx(slope, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(("activation", "layer"), [("tanh", 0), ("relu", 1)])
def test_single_precision_takes_the_same_step(activation, layer):
    double, single = network(activation), network(activation, "float32")
    costs = []
    for net in (double, single):
        autoencoder, v, kept = example(net, layer)
        assert v.dtype == autoencoder.bias.dtype == net.dtype
        costs.append(autoencoder.train_step(v, kept, UpdateRule(0.1)))
    assert costs[1] == pytest.approx(costs[0], rel=1e-5)
    np.testing.assert_allclose(single.weights[layer], double.weights[layer], atol=1e-6)


def test_only_the_layer_in_hand_changes():
    net, start = network(), network()
    autoencoder, v, kept = example(net, 1)
    autoencoder.train_step(v, kept, UpdateRule(0.1))
    same = [np.array_equal(own, other) for own, other in zip(net.weights, start.weights, strict=True)]
    assert same == [True, False, True]
    assert [np.array_equal(own, other) for own, other in zip(net.biases, start.biases, strict=True)] == same


def test_what_enters_a_layer_is_the_activation_below():
    net = network()
    x = np.random.default_rng(1).uniform(-1, 1, (9, 5))
    passed = net.forward(x)
    for layer, expected in enumerate((x, *passed.activations[:-1])):
        if layer < 2:
            np.testing.assert_array_equal(DenoisingAutoencoder(net, layer).below(x), expected)


def test_corruption_is_undone():
    """Inputs along one direction: a component that is hidden follows from the others."""
    rng = np.random.default_rng(0)
    net = network(layers="8,6,3")
    autoencoder = DenoisingAutoencoder(net, 0)
    direction, costs = rng.choice([-0.9, 0.9], 8), []
    for _ in range(400):
        v = rng.choice([-1, 1], (10, 1)) * direction
        costs.append(autoencoder.train_step(v, rng.random(v.shape) > 0.25, UpdateRule(0.05)))
    entropy = -8 * (0.95 * np.log(0.95) + 0.05 * np.log(0.05))  # of what is certain but for its size
    assert costs[0] > 8 * np.log(2) / 2
    assert entropy <= np.mean(costs[-50:]) < 1.3 * entropy


@pytest.mark.usefixtures("small_products_on_threads")
def test_equal_bits_on_any_number_of_threads(monkeypatch):
    monkeypatch.setitem(threads._state, "threads", threads._state["threads"])
    ends = []
    for count in (1, 2, 4):
        threads.set_num_threads(count)
        net = network("tanh", "float32", "150,140,130,3")
        for layer in (0, 1):
            autoencoder, v, kept = example(net, layer, batch=33)
            cost = autoencoder.train_step(v, kept, UpdateRule(0.1))
            ends.append((count, layer, cost, net.weights[layer].tobytes(), autoencoder.bias.tobytes()))
    for count, layer, *found in ends[2:]:
        assert found == list(ends[layer][2:]), count
