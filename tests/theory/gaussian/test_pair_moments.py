"""Pair moments against mpmath and two-dimensional rules, and the kernels of a batch against single pairs."""

import ast
import math

import gaussian_reference as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glorotlab import activations
from glorotlab.activations import Activation
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.theory.gaussian import closed_forms, pair_quadrature
from glorotlab.theory.gaussian.covariance import correlation
from glorotlab.theory.gaussian.kernel_moments import kernel_moments
from glorotlab.theory.gaussian.moments import moments
from glorotlab.theory.gaussian.pair_moments import PairMoments, pair_moments

NAMES = tuple(activations.RECORDS)
CLOSED = ("linear", "relu", "leaky_relu", "erf", "sin", "gelu", "hard_tanh")


def scales(name, q1, q2) -> list[np.ndarray]:
    """What the errors of the pair moments of f and f' are relative to."""
    first, second = moments(name, q1), moments(name, q2)
    return [
        np.sqrt(first.second_moment * second.second_moment),
        np.sqrt(first.derivative_second_moment * second.derivative_second_moment),
    ]


def both(found: PairMoments) -> tuple[np.ndarray, np.ndarray]:
    return found.second_moment, found.derivative_second_moment


@pytest.mark.parametrize("name", NAMES)
def test_pairs_agree_with_the_table_within_their_stated_error(name):
    """To 1e-12 from q = 1e-3 to 1e3 and 1e-9 beyond is asked."""
    for key, exact in reference.TABLE["pairs"][name].items():
        q1, q2, rho = ast.literal_eval(key)
        found = pair_moments(name, q1, q2, rho)
        for value, text, scale in zip(both(found), exact, scales(name, q1, q2), strict=True):
            assert abs(value - float(text)) <= found.error * scale, key
        assert found.error <= (1e-12 if 1e-3 <= min(q1, q2) <= max(q1, q2) <= 1e3 else 1e-9)


@pytest.mark.parametrize("rho", [-0.95, 0.0, 0.3])
@pytest.mark.parametrize("name", NAMES)
def test_pairs_against_two_dimensional_integrals(name, rho):
    for q in ((0.05, 0.05), (2.0, 0.1), (5.0, 20.0)):
        found = pair_moments(name, *q, rho)
        for value, function, scale in zip(both(found), reference.FUNCTIONS[name], scales(name, *q), strict=True):
            assert abs(value - reference.pair((function, function), q, rho)) <= 1e-8 * scale


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_agree_with_quadrature_up_to_the_ends(name):
    record = activations.get(name)
    for q in ((0.013, 0.2), (0.012, 2.0), (1e-3, 30.0), (1e-8, 1e-8), (1e3, 1e3)):
        if name == "sin" and max(q) > 100:
            continue
        scale = scales(name, *q)
        for unlike in (0.4, 1e-3, 2.0**-30, 2.0**-50, 0.0):
            for rho in (1 - unlike, unlike - 1):
                exact = pair_quadrature.matrices(record, np.array(q), math.copysign(1, rho), unlike)
                *found, errors = closed_forms.pairs(record, *(np.array([each]) for each in (*q, rho)))
                for value, matrix, unit in zip(found, exact, scale, strict=True):
                    assert abs(value[0] - matrix[0, 1]) <= errors[0] * unit, (q, rho)


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_of_copies_has_the_moments_of_one(name):
    q = np.array([1e-8, 1e-3, 1.0, 50.0])
    found, single = pair_moments(name, q, q, 1.0), moments(name, q)
    np.testing.assert_allclose(found.second_moment, single.second_moment, rtol=1e-13)
    np.testing.assert_allclose(found.derivative_second_moment, single.derivative_second_moment, rtol=1e-13)


@pytest.mark.parametrize("name", [name for name in NAMES if activations.RECORDS[name].odd])
def test_odd_functions_change_sign_with_the_correlation(name):
    rho = np.array([0.0, 0.3, 0.999, 1.0])
    right, left = pair_moments(name, 2.0, 0.5, rho), pair_moments(name, 2.0, 0.5, -rho)
    np.testing.assert_allclose(left.second_moment, -right.second_moment, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(left.derivative_second_moment, right.derivative_second_moment, rtol=1e-13)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rho", [-0.7, 0.95])
def test_price(name, rho):
    """dE[f1 f2]/drho = sqrt(q1 q2) E[f1' f2'], by a fourth-order central difference."""
    h = 2e-3
    value = pair_moments(name, 1.5, 0.5, rho + h * np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    slope = value.second_moment @ np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / (12 * h)
    assert slope == pytest.approx(math.sqrt(0.75) * value.derivative_second_moment[2], rel=2e-7)


def test_pairs_broadcast_and_say_their_method():
    found = pair_moments("tanh", [[0.1], [2.0]], [1.0, 2.0, 3.0], 0.5)
    assert found.second_moment.shape == found.errors.shape == (2, 3)
    assert found.method == "quadrature"
    assert found.second_moment[1, 2] == pair_moments("tanh", 2.0, 3.0, 0.5).second_moment
    assert pair_moments("relu", 1.0, [], 0.5).second_moment.shape == (0,)
    assert pair_moments("silu", 1.0, [], 0.5).second_moment.shape == (0,)
    assert pair_moments("relu", 1.0, 2.0, 0.5).method == "closed form"


@pytest.mark.parametrize("rho", [1.0 + 1e-9, -2.0, np.nan, "a", None])
def test_what_is_no_correlation_is_refused(rho):
    with pytest.raises(InvalidValueError, match=r"correlation = .*allowed are numbers from -1 to 1"):
        pair_moments("tanh", 1.0, 1.0, rho)


def test_other_bad_arguments_are_refused():
    with pytest.raises(InvalidValueError, match="second moment q2 = -1"):
        pair_moments("tanh", 1.0, -1.0, 0.0)
    with pytest.raises(InvalidValueError, match=r"shapes \(2,\), \(3,\), \(\) .*broadcast"):
        pair_moments("tanh", [1.0, 2.0], [1.0, 2.0, 3.0], 0.0)


def test_features_away_from_0_are_found():
    """E sin(a s1) sin(a s2) = exp(-a^2 (q1 + q2) / 2) sinh(a^2 c), and a kink at 3."""
    a, q, rho = 30.0, 1.1, 1 - 2.0**-12
    waves = Activation("sin(30*x)", "", lambda s: np.sin(a * s), lambda s: a * np.cos(a * s), growth=0)
    found = pair_moments(waves, q, q, rho)
    exact = math.exp(-(a**2) * q * 2.0**-12) / 2
    assert abs(found.second_moment - exact) <= found.error * exact * 4
    assert found.error < 1e-9
    kink = Activation("Abs(x - 3)", "", lambda s: abs(s - 3), lambda s: np.sign(s - 3), kinks=(3.0,))
    near = pair_moments(kink, 4.0, 4.0, 1 - 2.0**-30)
    # f' f' is 1 but between the two signs: P = arccos(rho) / pi exp(-3^2 / (2 q)) for rho -> 1
    lost = 2 * math.sqrt(2 * 2.0**-30) / math.pi * math.exp(-9 / 8)
    assert 1 - near.derivative_second_moment == pytest.approx(lost, rel=1e-6)


def test_what_varies_too_fast_is_refused():
    waves = Activation("sin(1e5*x)", "", lambda s: np.sin(1e5 * s), lambda s: 1e5 * np.cos(1e5 * s), growth=0)
    with pytest.raises(AssumptionError, match="more than 4096 panels"):
        pair_moments(waves, 1.0, 1.0, 0.5)


def step(at: float, kinks: tuple[float, ...]) -> Activation:
    """A step from 0 to 1: f' is 0, so that its pair moments have no size that an error could be relative to."""
    return Activation("step", "", lambda s: np.where(s > at, 1.0, 0.0), lambda s: 0 * s, growth=0, kinks=kinks)


def test_errors_of_a_function_without_slope_are_finite():
    found = pair_moments(step(0.0, (0.0,)), 1.0, 1.0, [-0.9, 0.5, 0.999])
    quadrant = 1 / 4 + np.arcsin([-0.9, 0.5, 0.999]) / (2 * math.pi)  # Sheppard's formula
    np.testing.assert_allclose(found.second_moment, quadrant, atol=1e-13)
    assert not found.derivative_second_moment.any()
    assert (found.errors < 1e-13).all()


def test_a_jump_that_no_kink_announces_is_refused_where_the_two_rules_differ():
    with pytest.raises(AssumptionError, match=r"pair moments of step: relative error .*allowed is 1e-06"):
        pair_moments(step(0.0, ()), 1.0, 1.0, 0.999)


def batch(smallest: float, largest: float, common: float, examples: int = 60, seed: int = 0) -> np.ndarray:
    """Covariance of ``examples`` with second moments between two numbers, more alike the larger ``common`` is."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(examples, 40)) + common * generator.normal(size=40)
    q = np.exp(generator.uniform(np.log(smallest), np.log(largest), size=examples))
    q[:2] = smallest, largest
    x *= np.sqrt(q / (x**2).mean(axis=1))[:, np.newaxis]
    return x @ x.T / 40


@pytest.mark.parametrize(
    ("name", "case"),
    [
        *((name, (0.1, 1.0, 1.0)) for name in NAMES),
        *((name, (1.0, 30.0, 2.0)) for name in ("linear", "relu", "sin", "sigmoid", "elu")),
        *((name, (0.01, 5.0, -20.0)) for name in ("gelu", "tanh", "softsign", "selu", "silu")),
    ],
    ids=str,
)
def test_kernels_agree_with_single_pairs(name, case):
    """Twelve pairs, the most alike and unlike among them, within the stated error, itself below 2e-8.

    Closed forms and the series, the series over a wide range of q, and interpolation between alike examples.
    """
    kernel = batch(*case)
    found, rho = kernel_moments(activations.get(name), kernel), correlation(kernel)
    order = np.argsort(rho[np.triu_indices(len(rho), 1)])
    chosen = order[np.linspace(0, len(order) - 1, 12).astype(int)]
    a, b = (each[chosen] for each in np.triu_indices(len(rho), 1))
    q = np.diagonal(kernel)
    exact = pair_moments(name, q[a], q[b], rho[a, b])
    for values, value, scale in zip(both(found), both(exact), scales(name, q[a], q[b]), strict=True):
        np.testing.assert_array_equal(values, values.T)
        assert (np.abs(values[a, b] - value) <= (found.errors[a, b] + 1e-13) * scale).all()
    assert found.error <= 2e-8
    for values, square in zip(both(found), ("second_moment", "derivative_second_moment"), strict=True):
        np.testing.assert_array_equal(np.diagonal(values), getattr(moments(name, q), square))


def test_a_kernel_says_how_it_was_found():
    tanh, softsign = activations.get("tanh"), activations.get("softsign")
    assert kernel_moments(activations.get("relu"), batch(0.1, 1.0, 1.0)).method == "closed form"
    assert kernel_moments(tanh, batch(0.1, 1.0, 1.0)).method == "series"
    assert kernel_moments(softsign, batch(0.3, 1.5, 9.0)).method == "series and interpolation"


def test_alike_and_opposite_examples_with_large_weights():
    """The series fails on both; one by one (few) or by interpolation (many) they are found."""
    x = np.random.default_rng(1).normal(size=40)
    x = np.stack([x, -x, 1.1 * x, *(x + 0.02 * np.random.default_rng(2).normal(size=(9, 40)))])
    for kernel in (200 * x[:4] @ x[:4].T / 40, 200 * x @ x.T / 40):
        found, q, rho = kernel_moments(activations.get("tanh"), kernel), np.diagonal(kernel), correlation(kernel)
        exact = pair_moments("tanh", q[:, np.newaxis], q, rho)
        for values, value, scale in zip(both(found), both(exact), scales("tanh", q[:, np.newaxis], q), strict=True):
            assert (np.abs(values - value) <= (found.errors + 1e-13) * scale).all()
        assert found.error <= 2e-8


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(NAMES), st.floats(-3, 1.5))
def test_kernels_are_positive_semidefinite(seed, name, exponent):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(7, 4)) + generator.normal()
    for matrix in both(kernel_moments(activations.get(name), 10.0**exponent * x @ x.T)):
        values = np.linalg.eigvalsh(matrix)
        assert values[0] >= -2e-8 * values[-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_repeated_example_has_the_diagonal_pair_moment(name):
    found, single = kernel_moments(activations.get(name), np.full((2, 2), 1.5)), moments(name, 1.5)
    np.testing.assert_allclose(found.second_moment, single.second_moment, rtol=1e-14)
    np.testing.assert_allclose(found.derivative_second_moment, single.derivative_second_moment, rtol=1e-14)


def test_one_example_needs_no_pairs():
    found = kernel_moments(activations.get("tanh"), np.array([[0.7]]))
    assert found.second_moment[0, 0] == moments("tanh", 0.7).second_moment
    assert found.error == moments("tanh", 0.7).error


def test_correlation_is_clipped():
    rho = correlation(np.array([[1.0, 1.0 + 1e-12], [1.0 + 1e-12, 1.0]]))
    assert rho.max() == 1.0
