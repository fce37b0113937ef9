"""Kernels of a network against the recursion written out with two-dimensional integrals."""

import gaussian_reference as reference
import numpy as np
import pytest

from glorotlab import activations, initializers
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.gaussian.moments import moments, product_moments
from glorotlab.theory.mean_field import gradient_independence
from glorotlab.theory.mean_field.backward import backward
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import Batch
from glorotlab.theory.mean_field.output_gradient import OutputGradient


def pair_matrix(function, q):
    """E[f(s_a) f(s_b)] entry by entry."""
    scale = np.sqrt(np.diagonal(q))
    found = np.empty_like(q)
    for a in range(len(q)):
        found[a, a] = reference.single(lambda s: function(s) ** 2, q[a, a])
        for b in range(a):
            pair = reference.pair((function, function), (q[a, a], q[b, b]), q[a, b] / scale[a] / scale[b])
            found[a, b] = found[b, a] = pair
    return found


INPUTS = np.array([[1.3, 0.2, -0.4], [0.2, 0.6, 0.3], [-0.4, 0.3, 2.0]])
MEANS = np.array([0.1, -0.2, 0.4])


BATCH = Batch(np.ones(3), MEANS, np.ones(3), None, correlation=INPUTS)
"""A batch whose kernel is ``INPUTS``."""


CASES = [
    *((name, "glorot_uniform") for name in ("linear", "tanh", "relu", "sigmoid", "gelu")),
    *((name, initializer) for name in ("tanh", "relu") for initializer in ("nielsen_default", "sparse(k=15)")),
]
"""Odd or not, smooth or not, bounded or not; with and without biases; variances that know both fans, or one."""


@pytest.mark.parametrize(("name", "initializer"), CASES)
def test_forward_and_backward_are_the_recursion(name, initializer):
    spec = NetworkSpec.parse("30,50,20,7,4", activation=name, initializer=initializer)
    function, derivative = reference.FUNCTIONS[name]
    variance = [initializers.get(initializer).variance(*fans) for fans in spec.fans]
    bias = 1.0 if initializer == "nielsen_default" else 0.0
    signal = forward(spec, BATCH)
    below, means, error = INPUTS, MEANS, signal.error
    slopes, products, growths = [], [], []
    for index, ((fan_in, _), v) in enumerate(zip(spec.fans, variance, strict=True)):
        q = fan_in * v * below + bias
        np.testing.assert_allclose(signal.preactivation[index], q, rtol=1e-8, atol=1e-10 + error)
        np.testing.assert_array_equal(signal.z_mean[index], means)
        assert signal.weight_variance[index] == v
        if index == signal.layers - 1:
            break
        below = pair_matrix(function, q)
        slopes.append(pair_matrix(derivative, q))
        means = signal.z_mean[index + 1]
        diagonal = np.diagonal(q)
        np.testing.assert_allclose(means, [reference.single(function, each) for each in diagonal], atol=1e-12)
        products.append([reference.single(lambda s: function(s) * derivative(s), each) for each in diagonal])
        h = 1e-4 * diagonal
        growths.append((moments(name, diagonal + h).second_moment - moments(name, diagonal - h).second_moment) / 2 / h)
        np.testing.assert_allclose(signal.activation[index], below, rtol=1e-8, atol=1e-10 + error)
        np.testing.assert_allclose(signal.derivative[index], slopes[-1], rtol=1e-8, atol=1e-10 + error)
    assert np.isnan(signal.activation[-1]).all()

    curvature = np.array([0.5, 0.2, 0.1])
    d, h, nothing = INPUTS[::-1, ::-1] + 1, curvature, np.zeros((3, 3))
    independent, dependent = (
        backward(signal, OutputGradient(d, MEANS, nothing, part * curvature, nothing, 0.0)) for part in (0.0, 1.0)
    )
    for gradient in (independent, dependent):
        np.testing.assert_array_equal(gradient.backprop[3], d)
        np.testing.assert_array_equal(gradient.backprop_mean[3], MEANS)
    met = d
    for index, fan_out_above in ((2, 4), (1, 7), (0, 20)):
        gain = fan_out_above * variance[index + 1]
        own = pair_matrix(lambda s: function(s) * derivative(s), signal.preactivation[index])
        d, met = gain * d * slopes[index], gain * met * slopes[index] + gain**2 * np.outer(h, h) * own
        np.testing.assert_allclose(independent.backprop[index], d, rtol=1e-8, atol=(1e-10 + 3 * error) * d.max())
        np.testing.assert_allclose(
            dependent.backprop[index], met, atol=4 * gradient_independence.NEGLIGIBLE * met.max()
        )
        np.testing.assert_allclose(dependent.backprop_mean[index], gain * h * products[index], atol=1e-9)
        h = gain * h * growths[index]


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_an_elementwise_output_has_activations(output):
    spec = NetworkSpec.parse("3,5,2", output=output)
    signal = forward(spec, BATCH)
    q = signal.preactivation[-1]
    np.testing.assert_allclose(signal.activation[-1], pair_matrix(reference.FUNCTIONS[output][0], q), atol=1e-10)


@pytest.mark.parametrize("name", reference.FUNCTIONS)
def test_susceptibility_is_the_derivative_of_the_second_moment(name):
    """And E[f f'] by integration, exactly 0 where f is odd."""
    q, (f, slope) = np.array([0.2, 3.0]), reference.FUNCTIONS[name]
    product, susceptibility = product_moments(activations.get(name), q)
    h = 1e-4 * q
    change = moments(name, q + h).second_moment - moments(name, q - h).second_moment
    np.testing.assert_allclose(susceptibility, change / (2 * h), rtol=1e-7)
    np.testing.assert_allclose(product, [reference.single(lambda s: f(s) * slope(s), each) for each in q], atol=1e-12)
    assert not (activations.get(name).odd and product.any())
