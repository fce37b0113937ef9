"""Gaussian moments against mpmath, pair moments against a two-dimensional rule of their own."""

import gaussian_reference as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glorotlab import activations
from glorotlab.errors import InvalidValueError, UnknownNameError
from glorotlab.theory.moments import Moments, correlation, moments, pair_moments

NAMES = tuple(reference.FUNCTIONS)
WIDE_Q = st.floats(-8, 6).map(lambda exponent: 10.0**exponent)


def columns(found: Moments) -> np.ndarray:
    return np.stack([found.mean, found.second_moment, found.derivative_second_moment, found.fourth_moment])


@pytest.mark.parametrize("q", [1e-8, 1e-3, 0.1, 1.0, 30.0, 1e6])
@pytest.mark.parametrize("name", NAMES)
def test_moments_agree_with_mpmath_within_their_stated_error(name, q):
    exact = reference.mp_moments(name, q)
    found = moments(name, q)
    scale = [exact[1] ** 0.5, *exact[1:]]
    for got, value, unit in zip(columns(found), exact, scale, strict=True):
        assert abs(float((float(got) - value) / unit)) <= found.error < 1e-11


def test_every_activation_has_a_reference():
    assert set(reference.MP_FUNCTIONS) == set(reference.FUNCTIONS) <= set(activations.RECORDS)


@given(WIDE_Q)
def test_sigmoid_identity(q):
    """E sigma^2 = E sigma - E sigma' and E sigma = 1/2."""
    from glorotlab.theory.quadrature import expectations

    (slope,) = expectations([activations.get("sigmoid").derivative], np.array([q]))
    found = moments("sigmoid", q)
    assert abs(found.mean - 0.5) < 1e-14
    assert abs(found.second_moment - (0.5 - slope[0])) < 1e-13


@given(WIDE_Q, st.sampled_from(NAMES))
def test_stein(q, name):
    """E[s f] = q E f', relative to sqrt(q E f^2)."""
    from glorotlab.theory.quadrature import expectations

    record = activations.get(name)
    product, slope = expectations([lambda s: s * record.function(s), record.derivative], np.array([q]), record.kinks)
    assert abs(product[0] - q * slope[0]) <= 1e-13 * np.sqrt(q * moments(name, q).second_moment)


@given(st.lists(WIDE_Q, min_size=1, max_size=6), st.sampled_from(NAMES))
def test_an_array_of_q_is_as_good_as_each_alone(qs, name):
    together = columns(moments(name, np.array(qs).reshape(1, -1)))
    assert together.shape == (4, 1, len(qs))
    alone = np.stack([columns(moments(name, q)) for q in qs], axis=-1)[:, np.newaxis]
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=0)


@pytest.mark.parametrize("q", [0.0, -1.0, np.nan, np.inf, [1.0, 0.0]])
def test_bad_q_is_refused(q):
    with pytest.raises(InvalidValueError, match=r"second moment q = .*positive numbers"):
        moments("tanh", q)


def test_unknown_activation_is_refused_and_no_q_gives_no_moments():
    with pytest.raises(UnknownNameError, match="swish9"):
        moments("swish9", 1.0)
    for name in NAMES:
        assert moments(name, []).second_moment.shape == (0,)


def test_odd_activations_have_mean_exactly_0():
    for name in ("tanh", "softsign", "linear"):
        assert (moments(name, [0.1, 3.0]).mean == 0).all()


def kernel(q_a: float, q_b: float, rho: float) -> np.ndarray:
    c = rho * np.sqrt(q_a * q_b)
    return np.array([[q_a, c], [c, q_b]])


@pytest.mark.parametrize("rho", [-0.99, -0.5, 0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("q", [(0.05, 0.05), (0.1, 2.0), (20.0, 5.0)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_pair_moments_against_two_dimensional_integrals(name, q, rho):
    """The stated error, a bound, holds: 1e-11 is what the reference itself may be off."""
    found = pair_moments(activations.get(name), kernel(*q, rho))
    single = moments(name, q)
    for values, function, squares in (
        (found.second_moment, reference.FUNCTIONS[name][0], single.second_moment),
        (found.derivative, reference.FUNCTIONS[name][1], single.derivative_second_moment),
    ):
        exact = reference.pair((function, function), q, rho)
        assert values[0, 1] == values[1, 0]
        assert abs(values[0, 1] - exact) <= (found.error + 1e-11) * np.sqrt(squares[0] * squares[1])
        np.testing.assert_array_equal(np.diagonal(values), squares)


@pytest.mark.parametrize(("name", "largest"), [("tanh", 1e-9), ("sigmoid", 1e-12), ("softsign", 2e-5), ("relu", 1e-14)])
def test_pair_error_is_small_where_networks_live(name, largest):
    assert pair_moments(activations.get(name), kernel(0.5, 1.0, 0.9)).error <= largest


@pytest.mark.parametrize("name", NAMES)
def test_price(name):
    """dE[f1 f2]/dc = E[f1' f2'], by a fourth-order central difference in the covariance c."""
    record, c, h = activations.get(name), 0.4, 2e-3

    def value(shift: float) -> float:
        return pair_moments(record, np.array([[1.0, c + shift], [c + shift, 2.0]])).second_moment[0, 1]

    slope = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    exact = pair_moments(record, np.array([[1.0, c], [c, 2.0]])).derivative[0, 1]
    assert abs(slope - exact) < 1e-9


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(NAMES), st.floats(-3, 3))
def test_kernels_are_positive_semidefinite(seed, name, exponent):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(7, 4)) + generator.normal()
    found = pair_moments(activations.get(name), 10.0**exponent * x @ x.T)
    for matrix in (found.second_moment, found.derivative):
        values = np.linalg.eigvalsh(matrix)
        assert values[0] >= -1e-12 * values[-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_repeated_example_has_the_diagonal_pair_moment(name):
    found = pair_moments(activations.get(name), np.full((2, 2), 1.5))
    for matrix in (found.second_moment, found.derivative):
        assert abs(matrix[0, 1] / matrix[0, 0] - 1) <= found.error * (1 + 1e-6)


def test_one_example_needs_no_pairs():
    found = pair_moments(activations.get("tanh"), np.array([[0.7]]))
    assert found.second_moment[0, 0] == moments("tanh", 0.7).second_moment
    assert found.error == moments("tanh", 0.7).error


def test_correlation_is_clipped():
    rho = correlation(np.array([[1.0, 1.0 + 1e-12], [1.0 + 1e-12, 1.0]]))
    assert rho.max() == 1.0


@pytest.mark.parametrize("rho", [0.97, 1.0, -0.97])
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_pairs_of_alike_examples_with_large_weights(name, rho):
    q = 100.0
    found = pair_moments(activations.get(name), q * np.array([[1, rho], [rho, 1]]))
    assert found.error <= 1e-4
    for which, got in enumerate((found.second_moment, found.derivative)):
        g = reference.FUNCTIONS[name][which]
        square = reference.single(lambda s, g=g: g(s) ** 2, q)
        exact = square if rho == 1 else reference.pair((g, g), (q, q), rho)
        assert abs(got[0, 1] - exact) <= 1e-4 * square


@pytest.mark.parametrize("q", ["a", [1.0, "b"], [[1.0], [1.0, 2.0]], None, 1e-101, 1e31])
def test_what_is_no_second_moment_is_refused_in_one_line(q):
    with pytest.raises(InvalidValueError, match="second moment q = ") as caught:
        moments("tanh", q)
    assert "\n" not in str(caught.value)
