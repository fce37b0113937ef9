"""muP as the table has it is the training that Yang & Hu (2021) write with multipliers, from the spec's network."""

import numpy as np
import pytest

import glorotlab as gl
from glorotlab.scaling.parametrization import MUP, STANDARD
from glorotlab.scaling.scaled_network import ZERO, scaled_network, spec_at

SPEC = gl.NetworkSpec.parse("6,8x2,3", output="linear", initializer="lecun_normal", bias="normal(std=0.3)")
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(7, 6)), RANDOM.normal(size=(7, 3))


def multiplied(network, width, rate, steps):
    """Yang & Hu's form in NumPy: W = n^-a w, all w at one rate, a = -1/2, 0, 1/2 and of biases -1/2, -1/2, 0.

    With n in units of the base width, at which both forms are the same.
    """
    n = width / 8
    powers = [(-0.5, -0.5), (0.0, -0.5), (0.5, 0.0)]
    w = [weight / n**-a for weight, (a, _) in zip(network.weights, powers, strict=True)]
    b = [bias / n**-a for bias, (_, a) in zip(network.biases, powers, strict=True)]
    for _ in range(steps):
        z, s = [X], []
        for weight, bias, (a, c) in zip(w, b, powers, strict=True):
            s.append(z[-1] @ weight * n**-a + bias * n**-c)
            z.append(np.tanh(s[-1]))
        d = (s[-1] - Y) / len(X)
        gradients = []
        for layer in (2, 1, 0):
            a, c = powers[layer]
            gradients.insert(0, (z[layer].T @ d * n**-a, d.sum(axis=0) * n**-c))
            d = d @ w[layer].T * n**-a * (1 - z[layer] ** 2)
        w = [weight - rate * g for weight, (g, _) in zip(w, gradients, strict=True)]
        b = [bias - rate * g for bias, (_, g) in zip(b, gradients, strict=True)]
    return [weight * n**-a for weight, (a, _) in zip(w, powers, strict=True)]


@pytest.mark.parametrize("width", [8, 24])
def test_mup_is_the_training_with_multipliers(width):
    network = scaled_network(SPEC, width, 8, MUP).draw(3, "float64")
    expected = multiplied(network, width, 0.1, steps=4)
    for _ in range(4):
        network.train_step(X, Y, 0.1)
    for own, other in zip(network.weights, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("record", [STANDARD, MUP])
def test_at_the_base_width_it_is_the_network_of_the_spec(record):
    own, other = scaled_network(SPEC, 8, 8, record).draw(5, "float32"), gl.Network(SPEC, 5)
    assert all((a == b).all() for a, b in zip(own.weights, other.weights, strict=True))
    assert "weight_rate_1" not in own.state()


def test_variances_go_with_the_powers():
    spec = gl.NetworkSpec.parse("6,8x2,3", initializer="glorot_uniform")  # whose own law is another
    narrow, wide = (scaled_network(spec, width, 8, MUP) for width in (8, 32))
    np.testing.assert_allclose(wide.weight_variance / narrow.weight_variance, [1, 1 / 4, 1 / 16])
    np.testing.assert_allclose(wide.weight_rate, [4, 1, 1 / 4])
    np.testing.assert_allclose(wide.bias_rate, [4, 4, 1])
    own = [spec.weight_initializer.variance(*fans) for fans in spec_at(spec, 32).fans]
    np.testing.assert_allclose(scaled_network(spec, 32, 8, STANDARD).weight_variance, own)


def test_the_drawn_variance_is_the_stated_one():
    """Of 64 x 64 normal weights the mean square has relative error 2.2 %: 6 of these are passed once in 5e8."""
    network = scaled_network(SPEC, 64, 8, MUP)
    weight = network.draw(0, "float64").weights[1]
    assert (weight**2).mean() == pytest.approx(network.weight_variance[1], rel=0.133)


def test_an_output_layer_can_start_at_0():
    network = scaled_network(SPEC, 24, 8, MUP, zero_output=True)
    assert network.weight_variance[-1] == ZERO
    assert not network.draw(0, "float32").weights[-1].any()
    assert network.draw(0, "float32").weights[0].any()


def test_hidden_layers_keep_their_proportions():
    spec = gl.NetworkSpec.parse("6,8,16,4,3")
    assert spec_at(spec, 20).layer_sizes == (6, 20, 40, 10, 3)
