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


@pytest.mark.parametrize("q", [0.01, 1.0, 5.0])
def test_hermite_coefficients_of_an_exponential(q):
    """Generating function: e^(t s) has a_k = e^(t^2 q / 2) (t sqrt q)^k / sqrt(k!)."""
    t, terms = 0.3, 24
    (found,) = quadrature.hermite_coefficients([lambda s: np.exp(t * s)], np.array([q, 2 * q]), terms)
    for column, each in enumerate((q, 2 * q)):
        scale = t * math.sqrt(each)
        exact = [math.exp(scale**2 / 2) * scale**k / math.sqrt(math.factorial(k)) for k in range(terms)]
        np.testing.assert_allclose(found[:, column], exact, rtol=1e-12, atol=1e-13 * exact[0])


def test_high_hermite_coefficients_keep_parsevals_identity():
    """Sum a_k^2 = E g^2 for a function whose coefficients reach order 90: cos of eight standard deviations."""
    q = np.array([1.0])
    (found,) = quadrature.hermite_coefficients([lambda s: np.cos(8 * s)], q, 128)
    assert abs((found**2).sum() - (1 + math.exp(-128)) / 2) < 1e-12
    assert np.abs(found[60:96]).max() > 1e-3
