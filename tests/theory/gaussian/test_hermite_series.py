"""Hermite coefficients against closed forms."""

import math

import numpy as np
import pytest

from glorotlab import activations
from glorotlab.theory.gaussian.hermite_series import coefficients
from glorotlab.theory.gaussian.moments import Row


@pytest.mark.parametrize("q", [0.01, 1.0, 5.0])
def test_hermite_coefficients_of_an_exponential(q):
    """Generating function: e^(t s) has a_k = e^(t^2 q / 2) (t sqrt q)^k / sqrt(k!)."""
    t, terms = 0.3, 24
    (series,) = coefficients(activations.get(f"exp({t}*x)"), (Row.F,), np.array([q, 2 * q]), terms)
    for column, own in enumerate((q, 2 * q)):
        scale = t * math.sqrt(own)
        exact = [math.exp(scale**2 / 2) * scale**k / math.sqrt(math.factorial(k)) for k in range(terms)]
        np.testing.assert_allclose(series[:, column], exact, rtol=1e-12, atol=1e-13 * exact[0])


def test_high_hermite_coefficients_keep_parsevals_identity():
    """Sum a_k^2 = E g^2 for a function whose coefficients reach order 90: cos of eight standard deviations."""
    q = np.array([1.0])
    (series,) = coefficients(activations.get("cos(8*x)"), (Row.F,), q, 128)
    assert abs((series**2).sum() - (1 + math.exp(-128)) / 2) < 1e-12
    assert np.abs(series[60:96]).max() > 1e-3


@pytest.mark.parametrize("row", [Row.F, Row.DERIVATIVE, Row.PRODUCT])
def test_coefficients_of_an_odd_function_take_every_other_term(row):
    """Of sin, cos and sin cos = sin(2 s) / 2, all from the half line: e^(i t s) has i^k e^(-t^2 q / 2) (t sqrt q)^k."""
    q, terms = np.array([0.7]), 12
    (series,) = coefficients(activations.get("sin"), (row,), q, terms)
    t, share = (2.0, 0.5) if row is Row.PRODUCT else (1.0, 1.0)
    part = np.real if row is Row.DERIVATIVE else np.imag
    k = np.arange(terms)
    factorials = np.array([math.factorial(n) for n in k], dtype=float)
    exact = share * part(1j**k) * np.exp(-(t**2) * q / 2) * (t * np.sqrt(q)) ** k / np.sqrt(factorials)
    np.testing.assert_allclose(series[:, 0], exact, rtol=0, atol=1e-14)
