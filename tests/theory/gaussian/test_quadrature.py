"""Gaussian expectations and Hermite coefficients against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glorotlab.theory.gaussian import quadrature

QS = np.array([1e-8, 1e-3, 0.3, 1.0, 40.0, 1e6])


@pytest.mark.parametrize("power", [0, 2, 4, 8, 12])
def test_even_powers_have_double_factorial_moments(power):
    """Exact for every q of a call that spans 14 decades, so the shared nodes resolve each density."""
    (found,) = quadrature.expectations([lambda s: s**power], QS)
    np.testing.assert_allclose(found, math.prod(range(1, power, 2)) * QS ** (power / 2), rtol=1e-13)


@given(st.floats(-8, 6), st.floats(-8, 6))
def test_any_two_q_share_their_nodes(first, second):
    q = 10.0 ** np.array([first, second])
    squares, cosines = quadrature.expectations([np.square, lambda s: np.cos(s / np.sqrt(q[0]))], q)
    np.testing.assert_allclose(squares, q, rtol=1e-13)
    np.testing.assert_allclose(cosines[0], math.exp(-0.5), rtol=1e-13)


def test_a_kink_away_from_0_is_split():
    """E |s - 1| = 2 (phi(1) + Phi(1)) - 1 for q = 1; without the split the rule is 1e-5 off."""
    exact = 2 * math.exp(-0.5) / math.sqrt(2 * math.pi) + math.erf(1 / math.sqrt(2))
    q = np.ones(1)
    split, whole = (quadrature.expectations([lambda s: abs(s - 1)], q, kinks)[0, 0] for kinks in ((1.0,), ()))
    assert abs(split - exact) < 1e-14
    assert abs(whole - exact) > 1e-7


def test_no_q_no_numbers():
    assert quadrature.expectations([np.square, np.exp], np.empty(0)).shape == (2, 0)
