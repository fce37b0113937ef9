"""First-order corrections for finite width against closed forms and recursions written out."""

from dataclasses import replace

import numpy as np
import pytest

from glorotlab import activations
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.finite_width import recursions
from glorotlab.theory.mean_field.inputs import Batch
from glorotlab.theory.mean_field.propagate import propagate


def test_unit_moments_of_sin_are_exact():
    """E sin^2 = (1 - e^-2q)/2, E cos^2 = (1 + e^-2q)/2, E sin^4 = 3/8 - e^-2q/2 + e^-8q/8."""
    q = np.array([0.03, 0.5, 2.0])
    units, e2, e8 = recursions.unit_moments(activations.get("sin"), q), np.exp(-2 * q), np.exp(-8 * q)
    np.testing.assert_allclose(units.square, [(1 - e2) / 2, e2, -2 * e2], rtol=1e-11)
    np.testing.assert_allclose(units.derivative_square, [(1 + e2) / 2, -e2, 2 * e2], rtol=1e-11)
    fourth = 3 / 8 - e2 / 2 + e8 / 8
    np.testing.assert_allclose(units.square_variance, fourth - (1 - e2) ** 2 / 4, rtol=1e-9)
    np.testing.assert_allclose(units.covariance, (1 - e8) / 8 - (1 - e2) * (1 + e2) / 4, rtol=1e-9)


def chain(activation, layers, initializer, q=0.7, kurtosis=3.0):
    spec = NetworkSpec.parse(layers, activation=activation, initializer=initializer)
    batch = replace(Batch.one(q), fourth_moment=np.array([kurtosis * q**2]))
    return recursions.forward(propagate(spec, batch).signal), spec


@pytest.mark.parametrize(("activation", "each"), [("linear", 2.0), ("relu", 5.0)])
def test_scale_free_units_add_a_constant_and_shift_nothing(activation, each):
    """Relative variance 2/n and 5/n a layer (Hanin & Rolnick 2018); E q and E (dC/ds)^2 are exact at any width."""
    forward, _ = chain(activation, "9,50,80,40,3", "he_normal")
    relative = [float(v[0] / q[0] ** 2) for v, q in zip(forward.variance, forward.q, strict=True)]
    np.testing.assert_allclose(relative, each * np.cumsum([0, 1 / 50, 1 / 80, 1 / 40]), rtol=1e-10)
    assert np.abs(forward.shift).max() < 1e-12
    backward = recursions.backward(forward, np.zeros(1), np.zeros(1))
    assert max(float(abs(backward.shift(index))[0]) for index in range(4)) < 1e-12


def test_a_gradient_that_grows_with_the_signal_is_a_derivative_of_the_expectation():
    """Linear units, gradient A / q at the top: E D(q) = D(1 + (A' + A^2) Var q / 2) for the D it stands for."""
    forward, _ = chain("linear", "9,50,80,3", "lecun_normal")
    backward = recursions.backward(forward, 2 / forward.q[-1], -2 / forward.q[-1] ** 2)  # D = q^2
    relative = 2 / 50 + 2 / 80
    for index in range(3):
        np.testing.assert_allclose(backward.shift(index), relative, rtol=1e-10)


def test_uniform_weights_shift_what_is_curved():
    """X = kappa v^2 sum z^4 / 3 stands for a variance of q in E g: -6/5 here, and twice what the mean of it gains."""
    normal, spec = chain("sin", "9,50,80,3", "variance_scaling(scale=1, mode=fan_in, distribution=normal)")
    uniform, _ = chain("sin", "9,50,80,3", "variance_scaling(scale=1, mode=fan_in, distribution=uniform)")
    np.testing.assert_array_equal(normal.excess, 0)
    q, e2, e8 = normal.q[0], np.exp(-2 * normal.q[0]), np.exp(-8 * normal.q[0])
    first, second = -1.2 * 3 * q**2 / 9 / 3, -1.2 * (3 / 8 - e2 / 2 + e8 / 8) / 50 / 3
    np.testing.assert_allclose(uniform.excess[:2], [first, second], rtol=1e-9)
    np.testing.assert_allclose(uniform.shift[1] - normal.shift[1], -2 * e2 * first / 2, rtol=1e-9)
    np.testing.assert_array_equal(normal.variance, uniform.variance)
    assert spec.fans[0] == (9, 50)


def test_a_gradient_shift_written_out_for_sin():
    """Two layers, output gradients that do not depend on the logits; u = n v = 2.

    The upper layer's gradient is along its signal by e = 2 q mu'/mu, the outputs' not at all.
    """
    forward, _ = chain("sin", "9,50,80,3", "variance_scaling(scale=2, mode=fan_in, distribution=normal)", 0.4)
    lower, upper = 2 * 0.4, 1 - np.exp(-4 * 0.4)  # q
    mu, slope, bend = ((1 + np.exp(-2 * upper)) / 2, -np.exp(-2 * upper), 2 * np.exp(-2 * upper))
    a = slope / mu
    curvature = bend / mu - a**2
    e2, e8 = np.exp(-2 * lower), np.exp(-8 * lower)
    square, gain, product = (1 - e2) / 2, (1 + e2) / 2, (1 - e8) / 8
    noise = 3 / 8 - e2 / 2 + e8 / 8 - square**2
    along = 2 * product / (gain * upper) * 2 * upper * slope / mu
    together = 2 * (product - gain * square) / gain * a + 4 * noise * (curvature + a**2) / 2
    backward = recursions.backward(forward, np.zeros(1), np.zeros(1))
    np.testing.assert_allclose(forward.q[:2], [[lower], [upper]], rtol=1e-9)
    np.testing.assert_allclose(backward.fixed[0], (along + together) / 50, rtol=1e-9)
    np.testing.assert_allclose(backward.fixed[1], 0, atol=1e-15)
    assert abs(along) > 0.3 * abs(together)


def test_units_of_few_inputs_with_uniform_weights():
    """E sin^2(s) for s a sum of 9 uniform numbers is known from its characteristic function: 1 - E cos(2 s) over 2."""
    forward, spec = chain("sin", "9,50,3", "variance_scaling(scale=1, mode=fan_in, distribution=uniform)", 0.2, 1.0)
    bound = np.sqrt(3 / spec.fan_in * 0.2)  # of w x with |x| = sqrt(.2)
    exact = (1 - np.sinc(2 * bound / np.pi) ** 9) / 2
    gaussian = (1 - np.exp(-2 * 0.2)) / 2
    predicted = gaussian * (1 + forward.activation(0)[0])
    assert abs(predicted - exact) < 0.1 * abs(gaussian - exact)
