"""How pair moments answer to the kernel, against closed forms."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glorotlab import activations
from glorotlab.theory.gaussian.pair_derivatives import pair_derivatives

moment, correlation = st.floats(0.05, 2), st.floats(-0.9, 0.9)


@given(moment, moment, correlation)
def test_slopes_of_sine_and_cosine(q1, q2, rho):
    """E sin sin = exp(-(q1 + q2) / 2) sinh Q, E cos cos the same with cosh."""
    pair = rho * math.sqrt(q1 * q2)
    sine, cosine = pair_derivatives(activations.get("sin"), np.array([[q1, pair], [pair, q2]]))
    scale = math.exp(-(q1 + q2) / 2)
    sinh, cosh = scale * math.sinh(pair), scale * math.cosh(pair)
    for found, value, slope in ((sine, sinh, cosh), (cosine, cosh, sinh)):
        np.testing.assert_allclose([found.own[0, 1], found.own[1, 0]], -value / 2, atol=1e-12)
        np.testing.assert_allclose([found.pair[0, 1], found.pair[1, 0]], slope, atol=1e-12)


@given(moment, moment, correlation)
def test_slopes_of_relu_and_its_step(q1, q2, rho):
    """Cho & Saul (2009): E relu relu = (sin t + (pi - t) cos t) sqrt(q1 q2) / (2 pi) with cos t = rho, E step step =
    (pi - t) / (2 pi)."""
    pair, angle = rho * math.sqrt(q1 * q2), math.acos(rho)
    kernel = np.array([[q1, pair], [pair, q2]])
    relu, step = pair_derivatives(activations.get("relu"), kernel)
    step_pair = 1 / (2 * math.pi * math.sqrt(q1 * q2) * math.sin(angle))
    np.testing.assert_allclose(relu.pair[0, 1], (math.pi - angle) / (2 * math.pi), rtol=1e-4)
    np.testing.assert_allclose(relu.own[0, 1], math.sqrt(q2 / q1) * math.sin(angle) / (4 * math.pi), rtol=1e-3)
    np.testing.assert_allclose(step.pair[0, 1], step_pair, rtol=1e-3)
    np.testing.assert_allclose(step.own[0, 1], -rho * math.sqrt(q2 / q1) * step_pair / 2, rtol=1e-3, atol=1e-4)
