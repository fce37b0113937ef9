"""Gradients of a mean over examples: what any two examples contribute to them, and checks of it on small layers."""

import itertools
from collections.abc import Mapping
from functools import partial

import sympy as sp

from glorotlab.derivations.beyond.single_neuron_chain import BiasGradient
from glorotlab.derivations.engine.expectation import expectation
from glorotlab.derivations.engine.notation import ActivationDerivative, Gradient, Weight, WeightVariance, Width, i, k
from glorotlab.derivations.engine.quantity import LayerQuantity

EXAMPLES, FIRST, SECOND = (sp.Symbol(name, integer=True, positive=True) for name in ("N", "a", "a'"))
"""The number of examples, and two of them."""

_COUNTS = (1, 2, 3)
"""The numbers of examples and of units for which sums are written out."""


class SquaredSpeed(LayerQuantity):
    """V^i = E|dC/db^i|^2, the mean square over networks of what Nielsen calls the speed of learning of a layer."""

    letter = "V"
    place = 5
    is_positive = True


class GradientProduct(LayerQuantity):
    """P^i_{a,a'}, the mean scalar product of the gradients dC/ds^i of two examples' costs."""

    letter = "P"
    place = 4


class DerivativeProduct(LayerQuantity):
    """D^i_{a,a'} = E[f'(s^i_a) f'(s^i_a')], the mean over units for two examples; D^i where it is the same for all."""

    letter = "D"
    place = 3
    is_positive = True


def is_batch_mean(claim: sp.Eq, _: Mapping[str, sp.Eq]) -> bool:
    """Whether the claim is the derivative by a bias of the mean of costs C_a(s_a), where s_a holds the bias."""
    bias, s = sp.symbols("b s", real=True)
    for count in _COUNTS:
        costs = {a: sp.Function(f"C_{a}") for a in range(1, count + 1)}
        inputs = {a: bias + sp.Symbol(f"r_{a}", real=True) for a in costs}
        mean = sum(costs[a](inputs[a]) for a in costs) / count
        gradients = {Gradient(i, k, a): costs[a](s).diff(s).subs(s, inputs[a]).doit() for a in costs}
        right = written(claim.rhs, count).subs(gradients)
        if claim.lhs != BiasGradient(i, k) or sp.simplify(right - mean.diff(bias).doit()) != 0:
            return False
    return True


def is_square_of_mean(claimed: sp.Expr, mean: sp.Expr) -> bool:
    """Whether the claim is the sum over units of the square of a mean over examples."""
    for count, units in itertools.product(_COUNTS, _COUNTS):
        square = sum(written(mean, count).subs(k, unit) ** 2 for unit in range(1, units + 1))
        pairs = written(claimed, count).replace(GradientProduct, partial(_scalar_product, units))
        if sp.expand(pairs - square) != 0:
            return False
    return True


def is_mean_product(claimed: sp.Expr, chain_rule: sp.Expr) -> bool:
    """Whether the claim is the mean over weights of the scalar product of two examples' gradients."""
    sums = chain_rule / ActivationDerivative(i, k)  # what a unit's derivative multiplies
    moments = {Weight: WeightVariance(i + 1), Gradient: sp.Symbol("square")}  # no square of a gradient enters
    for below, above in itertools.product(_COUNTS, _COUNTS):
        weighted = sums.subs(Width(i + 2), above).doit()
        first, second = (weighted.replace(Gradient, partial(_of_example, example)) for example in (FIRST, SECOND))
        units = (sp.expand((first * second).subs(k, unit)) for unit in range(1, below + 1))
        mean = sum(expectation(polynomial, moments, {Weight}) for polynomial in units)
        product = expectation(_scalar_product(above, i + 1, FIRST, SECOND), moments, ())
        inserted = claimed.subs({Width(i + 1): below, GradientProduct(i + 1, FIRST, SECOND): product})
        if sp.expand(inserted - DerivativeProduct(i, FIRST, SECOND) * mean) != 0:
            return False
    return True


def _of_example(example: sp.Expr, *place: sp.Expr) -> sp.Expr:
    return Gradient(*place, example)


def _scalar_product(units: int, index: sp.Expr, a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """Return the scalar product of dC/ds of two examples in a layer of the given number of units."""
    return sum(Gradient(index, unit, a) * Gradient(index, unit, b) for unit in range(1, units + 1))


def mean_over_pairs(term: sp.Expr) -> sp.Expr:
    """Return the mean of a term in a and a' over all pairs of examples, those of an example with itself included."""
    return sp.Sum(term, (FIRST, 1, EXAMPLES), (SECOND, 1, EXAMPLES)) / EXAMPLES**2


def written(expression: sp.Expr, count: int) -> sp.Expr:
    """Return an expression with its sums over a number of examples written out."""
    return expression.subs(EXAMPLES, count).doit()
