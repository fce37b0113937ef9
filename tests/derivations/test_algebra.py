"""The tools of the proofs: products over layers, expectations, induction."""

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from glorotlab.derivations.engine import notation as q
from glorotlab.derivations.engine.algebra import equal, equation, insert, solves
from glorotlab.derivations.engine.expectation import expectation, is_variance_of_sum


def test_products_are_compared_with_their_limits():
    factor = q.Width(q.layer) * q.WeightVariance(q.layer)
    whole = sp.Product(factor, (q.layer, 0, q.i))
    split = sp.Product(q.Width(q.layer), (q.layer, 0, q.i - 1)) * q.Width(q.i)
    split *= sp.Product(q.WeightVariance(q.layer), (q.layer, 0, q.i - 2))
    split *= q.WeightVariance(q.i - 1) * q.WeightVariance(q.i)
    assert equal(whole, split)
    assert not equal(whole, split * q.Width(q.i))
    assert not equal(whole, sp.Product(factor, (q.layer, 1, q.i)))
    assert not equal(whole, sp.Product(factor, (q.layer, 0, q.i - 1)))
    assert not equal(whole, sp.Product(factor.subs(q.layer, q.layer + 1), (q.layer, 0, q.i)))
    assert equal(sp.Product(factor, (q.layer, q.i + 1, q.i)), sp.S.One)
    assert equal(sp.Product(sp.Integer(3), (q.layer, 0, q.i - 1)), 3**q.i)


def test_sums_over_two_indices_are_compared_with_both():
    """The mean over pairs of f(a, b) is not that of f(a, a): each index has a place of its own."""
    f, n, a, b = sp.Function("f"), *sp.symbols("n a b", integer=True, positive=True)
    whole = sp.Sum(f(a, b), (a, 1, n), (b, 1, n))
    assert equal(sp.Sum(3 * n * f(a, b), (a, 1, n), (b, 1, n)), 3 * n * whole)
    assert equal(sp.Sum(f(b, a), (b, 1, n), (a, 1, n)), whole)
    assert not equal(sp.Sum(f(a, a), (a, 1, n), (b, 1, n)), whole)
    assert not equal(sp.Sum(f(b, a), (a, 1, n), (b, 1, n)), whole)
    assert not equal(sp.Sum(f(a, b), (a, 1, n + 1), (b, 1, n)), whole)
    assert not equal(2 * whole, whole)


@settings(max_examples=30)
@given(lower=st.integers(0, 3), length=st.integers(0, 5), cut=st.integers(0, 5), power=st.integers(1, 3))
def test_product_normal_form_agrees_with_sympy_on_concrete_limits(lower, length, cut, power):
    term = 2 * q.Width(q.layer) ** power / q.WeightVariance(q.layer + 1)
    whole = sp.Product(term, (q.layer, lower, lower + length - 1))
    cut = min(cut, length)
    below = sp.Product(term, (q.layer, lower, lower + cut - 1))
    above = sp.Product(term, (q.layer, lower + cut, lower + length - 1))
    assert equal(whole, below * above)
    assert equal(whole, whole.doit())
    assert not equal(whole, 2 * whole.doit())


def test_insert_replaces_at_every_index():
    formula = equation(q.ActivationVariance(q.i), q.Width(q.i) ** 2)
    inserted = insert(q.ActivationVariance(q.i + 1) / q.ActivationVariance(0), formula)
    assert inserted == q.Width(q.i + 1) ** 2 / q.Width(0) ** 2


def test_expectation_uses_independence_and_zero_means_alone():
    w1, w2, z1, z2, v, m = sp.symbols("w1 w2 z1 z2 v m")
    moments = {w1: v, w2: v, z1: m, z2: m}
    square = sp.expand((w1 * z1 + w2 * z2) ** 2)
    assert expectation(square, moments, independent={w1, w2}) == 2 * v * m
    # Without the independence of the weights the mixed moments stay unknown.
    assert expectation(square, moments, independent={w1}).has(sp.Function("E"))
    assert expectation(3 + z1 * z2, moments, independent={w1}) == 3 + sp.Function("E")(z1 * z2)
    with pytest.raises(ValueError, match="do not determine"):
        expectation(w1**4, moments, independent={w1})


def test_the_variance_of_a_sum_needs_independent_weights():
    total = sp.Sum(q.Activation(q.i, q.unit) * q.Weight(q.i, q.unit, q.k), (q.unit, 1, q.Width(q.i)))
    moments = {q.Weight: q.WeightVariance(q.i), q.Activation: q.ActivationVariance(q.i)}
    claimed = q.Width(q.i) * q.WeightVariance(q.i) * q.ActivationVariance(q.i)
    assert is_variance_of_sum(claimed, total, moments, independent={q.Weight})
    assert not is_variance_of_sum(claimed, total, moments, independent=set())
    assert not is_variance_of_sum(claimed * q.Width(q.i), total, moments, independent={q.Weight})
    n = q.Width(q.i)
    right_for_three_terms = claimed * (1 + (n - 1) * (n - 2) * (n - 3))
    assert not is_variance_of_sum(right_for_three_terms, total, moments, independent={q.Weight})


def test_a_recurrence_is_solved_by_induction_and_base_case_together():
    z, v, n = q.ActivationVariance, q.WeightVariance, q.Width
    recurrence = equation(z(q.i + 1), n(q.i) * v(q.i) * z(q.i))
    product = sp.Product(n(q.layer) * v(q.layer), (q.layer, 0, q.i - 1))
    without_variance = sp.Product(n(q.layer), (q.layer, 0, q.i - 1))  # right in layer 0 alone
    for right_side, expected in ((product, True), (2 * product, False), (without_variance, False)):
        formula = equation(z(q.i), q.input_variance * right_side)
        assert solves(formula, recurrence, start=sp.S.Zero, value=q.input_variance) == expected
