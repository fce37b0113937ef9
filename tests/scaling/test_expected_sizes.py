"""The expected sizes against networks that NumPy draws and trains, with nothing of glorotlab in them."""

import dataclasses
import functools

import numpy as np
import pytest

import glorotlab as gl
from glorotlab.scaling.expected_sizes import expected_sizes
from glorotlab.scaling.parametrization import MUP, STANDARD
from glorotlab.scaling.scaled_network import scaled_network

WIDTH, INPUTS, CLASSES, EXAMPLES, NETWORKS, RATE, SEED = 64, 12, 12, 48, 100, 0.01, 0
X = np.random.default_rng(1).normal(size=(EXAMPLES, INPUTS))
Y = np.arange(EXAMPLES) % CLASSES

ACTIVATIONS = {
    "tanh": ("lecun_normal", np.tanh, lambda s: 1 / np.cosh(s) ** 2),
    "relu": ("he_normal", lambda s: np.maximum(s, 0), lambda s: (s > 0) * 1.0),
}
STRETCH = {"tanh": 0.06, "relu": 0.3}
"""How far the theory of first changes may be off at width 64: of order outputs / width where logits are large."""


def forward(weights, biases, f):
    s, z = [], [np.broadcast_to(X, (len(weights[0]), *X.shape))]
    for weight, bias in zip(weights, biases, strict=True):
        s.append(z[-1] @ weight + bias[:, np.newaxis])
        z.append(f(s[-1]))
    return s, z


RATES = {"all": (1, 1, 1), "the first alone": (1, 0, 0), "the second alone": (0, 1, 0), "the last alone": (0, 0, 1)}
"""Which layers are trained: what the first sends up is one part of the theory, how kernels scatter another."""


def network_of(name, trained):
    spec = gl.NetworkSpec.parse(f"{INPUTS},{WIDTH}x2,{CLASSES}", activation=name, initializer=ACTIVATIONS[name][0])
    rates = np.array(RATES[trained], dtype=np.float64)
    return dataclasses.replace(scaled_network(spec, WIDTH, WIDTH, STANDARD), weight_rate=rates, bias_rate=rates)


@functools.cache
def drawn(name, trained):
    """Second moments of NETWORKS networks, (coordinate or change, layers, networks)."""
    network, (_, f, slope) = network_of(name, trained), ACTIVATIONS[name]
    random = np.random.default_rng(SEED)
    weights = [
        variance**0.5 * random.normal(size=(NETWORKS, *fans))
        for variance, fans in zip(network.weight_variance, network.spec.fans, strict=True)
    ]
    biases = [np.zeros((NETWORKS, fan_out)) for _, fan_out in network.spec.fans]
    s, z = forward(weights, biases, f)
    p = np.exp(s[-1] - s[-1].max(axis=-1, keepdims=True))
    d = (p / p.sum(axis=-1, keepdims=True) - np.eye(CLASSES)[Y]) / EXAMPLES
    for layer in range(len(weights) - 1, -1, -1):
        change = np.swapaxes(z[layer], 1, 2) @ d
        below = (d @ np.swapaxes(weights[layer], 1, 2)) * slope(s[layer - 1]) if layer else None
        weights[layer] = weights[layer] - RATE * network.weight_rate[layer] * change
        biases[layer] = biases[layer] - RATE * network.bias_rate[layer] * d.sum(axis=1)
        d = below
    later, _ = forward(weights, biases, f)
    pairs = [(now, after - now) for now, after in zip(s, later, strict=True)]
    return np.array([[(part**2).mean(axis=(1, 2)) for part in pair] for pair in pairs]).swapaxes(0, 1)


@pytest.mark.parametrize("trained", RATES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_sizes_and_first_changes(name, trained):
    """Means over 100 networks of width 64 with 48 examples.

    Six standard errors, of 1 to 3 % for tanh and 3 to 9 % for ReLU, and the stretch of the theory are allowed: 3e-8 for
    Student's t with 99 degrees of freedom. What is found is an error of a quarter for tanh: what the layer below sends
    up is half of a change and more where that is trained alone, the scatter of kernels a quarter where it is not.
    """
    expected, measured = expected_sizes(network_of(name, trained), X, Y, RATE), drawn(name, trained)
    mean, error = measured.mean(axis=-1), measured.std(axis=-1, ddof=1) / NETWORKS**0.5
    slack = 6 * error + np.array([0.01, STRETCH[name]])[:, np.newaxis] * mean
    assert (np.abs(mean - np.stack([expected.coordinate, expected.change])) <= slack).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_scatter_of_sizes_between_networks(name):
    """The variance of 100 values has relative error (2 / 99)^(1/2) = 14 %, more of skewed ones.

    Five such errors are allowed, and a variance that is wrong by three is found; that of hidden layers of ReLU rests on
    an approximation.
    """
    coordinate = drawn(name, "all")[0]
    measured = coordinate.var(axis=-1, ddof=1) / coordinate.mean(axis=-1) ** 2
    ratio = expected_sizes(network_of(name, "all"), X, Y, RATE).scatter / measured
    assert ((ratio > 0.5) & (ratio < 2)).all()


def test_weights_that_depend_on_each_other_have_no_known_scatter():
    spec = gl.NetworkSpec.parse(f"{INPUTS},{WIDTH}x2,{CLASSES}", initializer="orthogonal")
    assert expected_sizes(scaled_network(spec, WIDTH, WIDTH, MUP), X, Y, RATE).scatter is None


def test_where_outputs_start_at_0_nothing_below_them_changes():
    spec = gl.NetworkSpec.parse(f"{INPUTS},{WIDTH}x2,{CLASSES}")
    sizes = expected_sizes(scaled_network(spec, WIDTH, WIDTH, MUP, zero_output=True), X, Y, RATE)
    assert sizes.zero.tolist() == [[False, False, True], [True, True, False]]
