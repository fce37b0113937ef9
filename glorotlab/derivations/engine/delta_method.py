"""Means and variances to first order in 1 / width, and sums over the units of a layer.

A mean over n units scatters by 1 / sqrt(n): random parts are written t x with t of that size, and terms up to t^2 are
kept (the delta method).
"""

from collections.abc import Callable, Mapping
from functools import cache

import sympy as sp

from glorotlab.derivations.engine.algebra import equal
from glorotlab.derivations.engine.fluctuation_notation import (
    MeanDerivativeFourth,
    MeanDerivativeSquare,
    MeanFourth,
    MeanProductSquare,
    MeanSquare,
)

SMALL = sp.Symbol("t", positive=True)
"""The size 1 / sqrt(n) of random parts."""

SIGNED = sp.Symbol("s", real=True)
"""A pre-activation, which units are functions of."""

RELU, LINEAR = sp.Piecewise((SIGNED, SIGNED > 0), (0, True)), SIGNED

UNITS = 4
"""The number of units up to which sums are written out."""

SQUARES, DERIVATIVES = sp.symbols(f"u_1:{UNITS + 1}"), sp.symbols(f"a_1:{UNITS + 1}")
"""f(s)^2 of each unit, and f'(s)^2 t^2 with an independent t of mean 0 and variance 1."""

Covariances = Mapping[sp.Expr, sp.Expr]
"""Products of two random parts of mean 0 with their means; missing ones are 0."""

_POSITIVE, _Q = sp.symbols("s q", positive=True)


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


def over_units(polynomial: sp.Expr, q: sp.Expr, fourth: sp.Expr | None = None) -> sp.Expr:
    """Return the mean of a polynomial in ``SQUARES`` and ``DERIVATIVES`` over independent s ~ N(0, q).

    Parameters
    ----------
    polynomial : sympy.Expr
        At most of degree 2 in the symbols of one unit.
    q : sympy.Expr
        The variance of s.
    fourth : sympy.Expr, optional
        E t^4; 3, that of a Gaussian t, where it is left out.
    """
    of_unit = {
        (0, 0): sp.S.One,
        (1, 0): MeanSquare(q),
        (2, 0): MeanFourth(q),
        (0, 1): MeanDerivativeSquare(q),
        (0, 2): (3 if fourth is None else fourth) * MeanDerivativeFourth(q),
        (1, 1): MeanProductSquare(q),
    }
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(polynomial, *SQUARES, *DERIVATIVES).terms():
        pairs = zip(powers[:UNITS], powers[UNITS:], strict=True)
        total += coefficient * sp.Mul(*(of_unit[pair] for pair in pairs))
    return total


def for_every_count(claimed: sp.Expr, count: sp.Expr, computed: Callable[[int], sp.Expr]) -> bool:
    """Return whether ``claimed`` equals ``computed`` for sums over 1 to ``UNITS`` units.

    Means of squares of such sums are polynomials in the count of degree 2.
    """
    return all(equal(claimed.subs(count, n), computed(n)) for n in range(1, UNITS + 1))


def of_homogeneous(expression: sp.Expr, unit: sp.Expr) -> sp.Expr:
    """Insert the Gaussian means of a unit f(s) of ``SIGNED``."""
    derivative = sp.diff(unit, SIGNED)
    powers = {
        MeanSquare: unit**2,
        MeanFourth: unit**4,
        MeanDerivativeSquare: derivative**2,
        MeanDerivativeFourth: derivative**4,
        MeanProductSquare: unit**2 * derivative**2,
    }
    for function, power in powers.items():
        value = _gaussian_mean(power)

        def derived(argument: sp.Expr, order: sp.Expr = sp.S.Zero, value: sp.Expr = value) -> sp.Expr:
            return sp.diff(value, _Q, int(order)).subs(_Q, argument) if order else value.subs(_Q, argument)

        expression = expression.replace(function, derived)
    return expression


@cache
def _gaussian_mean(power: sp.Expr) -> sp.Expr:
    """Return the mean over s ~ N(0, q), s and -s together."""
    density = sp.exp(-(_POSITIVE**2) / (2 * _Q)) / sp.sqrt(2 * sp.pi * _Q)
    both = power.subs(SIGNED, _POSITIVE) + power.subs(SIGNED, -_POSITIVE)
    return sp.integrate(sp.simplify(both) * density, (_POSITIVE, 0, sp.oo))
