"""Kernels of a network against the recursion written out with two-dimensional integrals."""

import copy

import gaussian_reference as reference
import numpy as np
import pytest

from glorotlab import activations, initializers
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.gaussian.moments import moments, response
from glorotlab.theory.mean_field import backward, forward, gradient_independence
from glorotlab.theory.mean_field.output_gradient import OutputGradient


def pair_matrix(function, q):
    """E[f(s_a) f(s_b)] entry by entry."""
    scale = np.sqrt(np.diagonal(q))
    found = np.empty_like(q)
    for a in range(len(q)):
        for b in range(len(q)):
            if a == b:
                found[a, b] = reference.single(lambda s: function(s) ** 2, q[a, a])
            else:
                found[a, b] = reference.pair((function, function), (q[a, a], q[b, b]), q[a, b] / scale[a] / scale[b])
    return found


INPUTS = np.array([[1.3, 0.2, -0.4], [0.2, 0.6, 0.3], [-0.4, 0.3, 2.0]])
MEANS = np.array([0.1, -0.2, 0.4])


CASES = [
    *((name, "glorot_uniform") for name in reference.FUNCTIONS),
    *((name, initializer) for name in ("tanh", "relu", "silu") for initializer in ("nielsen_default", "sparse(k=15)")),
]


@pytest.mark.parametrize(("name", "initializer"), CASES)
def test_forward_and_backward_are_the_recursion(name, initializer):
    spec = NetworkSpec.parse("30,50,20,7,4", activation=name, initializer=initializer)
    function, derivative = reference.FUNCTIONS[name]
    variance = [initializers.get(initializer).variance(*fans) for fans in spec.fans]
    bias = 1.0 if initializer == "nielsen_default" else 0.0
    layers, error = forward.forward(spec, INPUTS, MEANS)
    below, means = INPUTS, MEANS
    slopes, products, growths = [], [], []
    for (fan_in, _), v, layer in zip(spec.fans, variance, layers, strict=True):
        q = fan_in * v * below + bias
        np.testing.assert_allclose(layer.preactivation, q, rtol=1e-8, atol=1e-10 + error)
        np.testing.assert_array_equal(layer.below_mean, means)
        assert layer.variance == v
        if layer is layers[-1]:
            break
        below = pair_matrix(function, q)
        slopes.append(pair_matrix(derivative, q))
        means = layer.activation_mean
        diagonal = np.diagonal(q)
        np.testing.assert_allclose(means, [reference.single(function, each) for each in diagonal], atol=1e-12)
        products.append([reference.single(lambda s: function(s) * derivative(s), each) for each in diagonal])
        h = 1e-4 * diagonal
        growths.append((moments(name, diagonal + h).second_moment - moments(name, diagonal - h).second_moment) / 2 / h)
        np.testing.assert_allclose(layer.activation, below, rtol=1e-8, atol=1e-10 + error)
        np.testing.assert_allclose(layer.derivative, slopes[-1], rtol=1e-8, atol=1e-10 + error)
    assert np.isnan(layers[-1].activation).all()

    curvature = np.array([0.5, 0.2, 0.1])
    d, h = INPUTS[::-1, ::-1] + 1, curvature
    independent, dependent = copy.deepcopy(layers), layers
    for each, part in ((independent, 0.0), (dependent, 1.0)):
        backward.backward(spec, each, OutputGradient(d, MEANS, np.zeros((3, 3)), part * curvature, 0.0))
        np.testing.assert_array_equal(each[3].backprop, d)
        np.testing.assert_array_equal(each[3].backprop_mean, MEANS)
    met = d
    for index, fan_out_above in ((2, 4), (1, 7), (0, 20)):
        gain = fan_out_above * variance[index + 1]
        own = pair_matrix(lambda s: function(s) * derivative(s), layers[index].preactivation)
        d, met = gain * d * slopes[index], gain * met * slopes[index] + gain**2 * np.outer(h, h) * own
        np.testing.assert_allclose(independent[index].backprop, d, rtol=1e-8, atol=(1e-10 + 3 * error) * d.max())
        np.testing.assert_allclose(
            dependent[index].backprop, met, atol=4 * gradient_independence.NEGLIGIBLE * met.max()
        )
        np.testing.assert_allclose(dependent[index].backprop_mean, gain * h * products[index], atol=1e-9)
        h = gain * h * growths[index]


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_an_elementwise_output_has_activations(output):
    spec = NetworkSpec.parse("3,5,2", output=output)
    layers, _ = forward.forward(spec, INPUTS, MEANS)
    q = layers[-1].preactivation
    np.testing.assert_allclose(layers[-1].activation, pair_matrix(reference.FUNCTIONS[output][0], q), atol=1e-10)


@pytest.mark.parametrize("name", reference.FUNCTIONS)
def test_response_is_the_slope_of_the_second_moment(name):
    """And E[f f'] by integration, exactly 0 where f is odd."""
    q, (f, slope) = np.array([0.2, 3.0]), reference.FUNCTIONS[name]
    product, growth = response(activations.get(name), q)
    h = 1e-4 * q
    change = moments(name, q + h).second_moment - moments(name, q - h).second_moment
    np.testing.assert_allclose(growth, change / (2 * h), rtol=1e-7)
    np.testing.assert_allclose(product, [reference.single(lambda s: f(s) * slope(s), each) for each in q], atol=1e-12)
    assert not (activations.get(name).odd and product.any())
