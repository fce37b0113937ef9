"""Squared distances of examples that are alike, against the mean square of the difference itself."""

import math

import numpy as np
import pytest

from glorotlab import activations
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.gaussian.kernel_moments import kernel_moments

ODD = ("linear", "tanh", "softsign", "erf", "sin", "hard_tanh")


def difference(name: str, q: tuple[float, float], unlike: float) -> float:
    """E (f(s_a) - f(s_b))^2 by two trapezoid rules: over t of s_a = sqrt(q_a) t, and what s_b adds to it.

    Nothing is subtracted: the difference of f at two points so close is that of s times f' at their middle.
    """
    record = activations.get(name)
    deviation = math.sqrt(unlike * (2 - unlike))
    t = np.linspace(-8.5, 8.5, 1701)
    e = np.linspace(-8.5, 8.5, 61)[:, np.newaxis]
    a = math.sqrt(q[0]) * t
    step = (q[1] - q[0]) / (math.sqrt(q[0]) + math.sqrt(q[1])) * t + math.sqrt(q[1]) * (deviation * e - unlike * t)
    change = step * record.derivative(a + step / 2)
    weights = np.exp(-(t**2) / 2) * np.exp(-(e**2) / 2)
    return float((weights * change**2).sum() / weights.sum())


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", [*ODD, "relu", "leaky_relu", "sigmoid", "gelu", "elu"])
@pytest.mark.parametrize("size", [1e-10, 1e-22])
def test_distances_of_alike_examples_keep_their_digits(name, sign, size):
    """Of examples that differ in size alone, in direction alone and in both; mirrored ones of odd functions."""
    if sign < 0 and name not in ODD:
        return
    for stretch, unlike in ((size**0.5, 0.0), (0.0, size), (size**0.5, size)):
        q = 1.5, 1.5 * (1 + stretch)
        root = (q[1] - q[0]) / (math.sqrt(q[0]) + math.sqrt(q[1]))
        scale = math.sqrt(q[0] * q[1])
        gap = root**2 + 2 * scale * unlike
        pair = sign * scale * (1 - unlike)
        s = Covariance(np.array([[q[0], pair], [pair, q[1]]]), np.array([[0.0, gap], [gap, 0.0]]))
        found = kernel_moments(activations.get(name), s)
        exact = difference(name, q, unlike)
        assert found.gap[0, 1] == pytest.approx(exact, rel=2e-4), (stretch, unlike)
        assert found.gap_error < 1e-3 * exact
        squares = np.diagonal(found.second_moment)
        assert found.second_moment[0, 1] == pytest.approx(sign * squares.mean(), rel=1e-8)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "sin", "linear"])
def test_closed_distances_of_examples_that_are_not_alike(name):
    """They are the difference of pair moments, here without cancellation."""
    x = np.random.default_rng(0).normal(size=(6, 4)) + 0.5
    s = Covariance.of(x @ x.T / 4)
    found = kernel_moments(activations.get(name), s)
    m, squares = found.second_moment, np.diagonal(found.second_moment)
    np.testing.assert_allclose(found.gap, squares[:, np.newaxis] + squares - 2 * np.abs(m), rtol=1e-12, atol=1e-14)


def test_a_gap_is_passed_on_through_biases():
    """Where a bias turns a pair of opposite examples into one of the same sign, the distance is that to the other."""
    x = np.random.default_rng(0).normal(size=(8, 3))
    inputs = Covariance.of_inputs(x)
    for bias in (0.0, 0.05, 5.0):
        above = inputs.passed_on(2.0, bias)
        q = np.diagonal(above.kernel)
        np.testing.assert_allclose(above.kernel, 2 * x @ x.T / 3 + bias, rtol=1e-12)
        np.testing.assert_allclose(above.gap, q[:, np.newaxis] + q - 2 * np.abs(above.kernel), atol=1e-12)
        np.testing.assert_allclose(above.distance(), 2 * ((x[:, np.newaxis] - x) ** 2).mean(axis=2), atol=1e-12)
        np.testing.assert_allclose(above.rho, above.kernel / np.sqrt(np.outer(q, q)), atol=1e-14)


def test_inputs_that_are_alike_keep_their_distance():
    """Differences of 1e-9 square to 1e-18, which no scalar product of order 1 holds; copies and mirrored have none."""
    random = np.random.default_rng(0)
    x, change = random.normal(size=50), 1e-9 * random.normal(size=50)
    found = Covariance.of_inputs(np.stack([x, x + change, x, -x, -x - change, 3 * x]))
    exact = ((((x + change) - x) ** 2).mean()).item()
    for a, b in ((0, 1), (1, 2), (1, 3), (0, 4)):
        assert found.gap[a, b] == found.gap[b, a] == pytest.approx(exact, rel=1e-12)
    assert found.gap[0, 2] == found.gap[0, 3] == found.gap[1, 4] == 0
    np.testing.assert_array_equal(found.unlike[[0, 2, 3], 5], 0)
    assert found.kernel[0, 2] == -found.kernel[0, 3] == found.kernel[0, 0]
