"""Values and derivatives of a SymPy tree at a point, by Taylor series from the leaves up: no derivative is written out.

The third derivative of a tree of thirty nodes has ten thousand; its Taylor series to that order costs as much as four
evaluations.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import sympy
from mpmath import mp
from sympy import Expr

X = sympy.Symbol("x", real=True)

DIGITS = 30
"""Decimal digits of every value."""

LARGEST_ARGUMENT = 1e300
"""Largest argument of a function: beyond, mpmath works for minutes with as many digits as the argument has."""

Series = list[Any]
"""Coefficients c_0, c_1, ... of sum c_k (x - point)^k, as mpf; NaN where there is none."""

MPMATH = {
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
}
"""Names that ``lambdify`` needs beside mpmath's functions."""


def series(expr: Expr, point: sympy.Rational, order: int) -> Series:
    """Return the Taylor series of an expression up to an order; NaN where a coefficient is infinite or not real."""
    with mp.workdps(DIGITS):
        return [_real(coefficient) for coefficient in _series(expr, mp.mpf(point.p) / point.q, order)]


def _real(coefficient: Any) -> Any:
    return coefficient if isinstance(coefficient, mp.mpf) and mp.isfinite(coefficient) else mp.nan


def _series(expr: Expr, point: Any, order: int) -> Series:
    if expr == X:
        return [point, mp.mpf(1), *[mp.mpf(0)] * order][: order + 1]
    if expr.is_Rational:
        return [mp.mpf(expr.p) / expr.q, *[mp.mpf(0)] * order]
    if expr.is_Float:
        return [mp.mpf(expr), *[mp.mpf(0)] * order]
    arguments = [_series(argument, point, order) for argument in expr.args]
    if expr.is_Add:
        return [mp.fsum(coefficients) for coefficients in zip(*arguments, strict=True)]
    if expr.is_Mul:
        total = arguments[0]
        for factor in arguments[1:]:
            total = _product(total, factor)
        return total
    if expr.is_Pow and expr.exp.is_number and not expr.base.is_number:
        return _power(arguments[0], arguments[1][0])
    values = [argument[0] for argument in arguments]
    if len(arguments) != 1 or order == 0 or expr.is_number:
        return [_call(expr.func, 0, len(values))(*values), *[mp.mpf(0) if expr.is_number else mp.nan] * order]
    derivatives = [_call(expr.func, k)(*values) / math.factorial(k) for k in range(order + 1)]
    return _composed(derivatives, arguments[0])


def _product(one: Series, other: Series) -> Series:
    return [mp.fsum(one[i] * other[k - i] for i in range(k + 1)) for k in range(len(one))]


def _power(base: Series, exponent: Any) -> Series:
    """Return the series of base^exponent, by the recurrence that follows from base (base^a)' = a base' base^a."""
    if base[0] == 0:
        return _power_at_zero(base, exponent)
    total = [base[0] ** exponent]
    for k in range(1, len(base)):
        terms = (((exponent + 1) * i / k - 1) * base[i] * total[k - i] for i in range(1, k + 1))
        total.append(sum(terms) / base[0])
    return total


def _power_at_zero(base: Series, exponent: Any) -> Series:
    """Return the series where the base is 0: that of a product for a whole exponent, else as far as it exists."""
    if mp.isint(exponent) and exponent > 0:
        total = base
        for _ in range(int(exponent) - 1):
            total = _product(total, base)
        return total
    leading = next((k for k, coefficient in enumerate(base) if coefficient != 0), len(base))
    return [mp.mpf(0) if k < leading * exponent else mp.nan for k in range(len(base))]


def _composed(outer: Series, inner: Series) -> Series:
    """Return sum outer_k (inner - inner_0)^k."""
    shift, power = [mp.mpf(0), *inner[1:]], [mp.mpf(1), *[mp.mpf(0)] * (len(inner) - 1)]
    total = [mp.mpf(0)] * len(inner)
    for coefficient in outer:
        total = [t + coefficient * p for t, p in zip(total, power, strict=True)]
        power = _product(power, shift)
    return total


@lru_cache(maxsize=256)
def _call(function: Any, order: int, arity: int = 1) -> Any:
    """Return a derivative of a function of SymPy as one of mpmath; NaN where it has no value."""
    symbols = [sympy.Dummy(real=True) for _ in range(arity)]
    expr = function(*symbols, **({"evaluate": False} if arity > 1 else {}))
    compiled = sympy.lambdify(symbols, expr.diff(symbols[0], order) if order else expr, [MPMATH, "mpmath"])

    def call(*values: Any) -> Any:
        if any(abs(value) > LARGEST_ARGUMENT for value in values):
            return mp.nan
        try:
            return mp.mpmathify(compiled(*values)) + 0
        except (ArithmeticError, TypeError, ValueError):
            return mp.nan

    return call
