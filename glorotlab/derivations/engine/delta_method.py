"""Means and variances to first order in 1 / width, and sums over the units of a layer.

A mean over n units scatters by 1 / sqrt(n): random parts are written t x with t of that size, and terms up to t^2 are
kept (the delta method).
"""

from collections.abc import Callable, Mapping

import sympy as sp

from glorotlab.derivations.engine.algebra import equal
from glorotlab.derivations.engine.fluctuation_notation import (
    MeanFourth,
    MeanProductSquare,
    MeanSlopeFourth,
    MeanSlopeSquare,
    MeanSquare,
)

SMALL = sp.Symbol("t", positive=True)
"""1 / sqrt(n)."""

SIGNED, _S = sp.Symbol("s", real=True), sp.Symbol("s", positive=True)
_Q = sp.Symbol("q", positive=True)

Covariances = Mapping[sp.Expr, sp.Expr]
"""Products of two random parts, of mean 0, and what they are on average; those left out are 0."""


Statistic = Callable[[sp.Expr, Covariances], sp.Expr]
"""``mean`` or ``variance``."""


def variance(expression: sp.Expr, covariances: Covariances) -> sp.Expr:
    """Return the variance of an expression in ``SMALL`` times random parts, to first order in 1 / n."""
    linear = sp.diff(expression, SMALL).subs(SMALL, 0)
    return _averaged(linear**2, covariances)


def mean(expression: sp.Expr, covariances: Covariances) -> sp.Expr:
    """Return the mean of an expression in ``SMALL`` times random parts, to first order in 1 / n."""
    second = sp.diff(expression, SMALL, 2).subs(SMALL, 0) / 2
    return expression.subs(SMALL, 0) + _averaged(second, covariances)


def _averaged(expression: sp.Expr, covariances: Covariances) -> sp.Expr:
    parts = sorted(set().union(*(pair.free_symbols for pair in covariances)), key=str)
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(expression, *parts).terms():
        product = sp.Mul(*(part**power for part, power in zip(parts, powers, strict=True)))
        total += coefficient * (covariances.get(product, sp.S.Zero) if any(powers) else sp.S.One)
    return total


UNITS = 4
"""Up to how many units sums are written out."""

SQUARES, SLOPES = sp.symbols(f"u_1:{UNITS + 1}"), sp.symbols(f"a_1:{UNITS + 1}")
"""f(s)^2 of each unit, and f'(s)^2 t^2 with an independent t of mean 0 and variance 1."""


_THREE = sp.Integer(3)


def over_units(polynomial: sp.Expr, q: sp.Expr, fourth: sp.Expr = _THREE) -> sp.Expr:
    """Return the mean of a polynomial in ``SQUARES`` and ``SLOPES`` over independent s; ``fourth`` is E t^4."""
    of_unit = {
        (0, 0): sp.S.One,
        (1, 0): MeanSquare(q),
        (2, 0): MeanFourth(q),
        (0, 1): MeanSlopeSquare(q),
        (0, 2): fourth * MeanSlopeFourth(q),
        (1, 1): MeanProductSquare(q),
    }
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(polynomial, *SQUARES, *SLOPES).terms():
        pairs = zip(powers[:UNITS], powers[UNITS:], strict=True)
        total += coefficient * sp.Mul(*(of_unit[pair] for pair in pairs))
    return total


def for_every_count(claimed: sp.Expr, count: sp.Expr, found: Callable[[int], sp.Expr]) -> bool:
    """Whether ``claimed`` is what ``found`` is for sums over 1 to ``UNITS`` units.

    Means of squares of such sums are polynomials in the count of degree 2.
    """
    return all(equal(claimed.subs(count, n), found(n)) for n in range(1, UNITS + 1))


def of_homogeneous(expression: sp.Expr, unit: sp.Expr) -> sp.Expr:
    """Insert the Gaussian means of a unit f(s) of ``SIGNED``."""
    slope = sp.diff(unit, SIGNED)
    powers = {
        MeanSquare: unit**2,
        MeanFourth: unit**4,
        MeanSlopeSquare: slope**2,
        MeanSlopeFourth: slope**4,
        MeanProductSquare: unit**2 * slope**2,
    }
    for function, power in powers.items():
        value = _gaussian(power)

        def derived(argument: sp.Expr, order: sp.Expr = sp.S.Zero, value: sp.Expr = value) -> sp.Expr:
            return sp.diff(value, _Q, int(order)).subs(_Q, argument) if order else value.subs(_Q, argument)

        expression = expression.replace(function, derived)
    return expression


def _gaussian(power: sp.Expr) -> sp.Expr:
    """Return the mean over s ~ N(0, q), s and -s together."""
    density = sp.exp(-(_S**2) / (2 * _Q)) / sp.sqrt(2 * sp.pi * _Q)
    both = power.subs(SIGNED, _S) + power.subs(SIGNED, -_S)
    return sp.integrate(sp.simplify(both) * density, (_S, 0, sp.oo))
