"""Polynomials in x: dense, of bounded degree, with their real zeros. Nothing is expanded whose degree is not known."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr

from glorotlab.activations.expression.taylor import X, series

MAX_DEGREE = 32
MAX_EXPANDED_DEGREE = 8
"""Largest degree where coefficients are irrational: only SymPy's own expansion then cancels them exactly."""

LARGEST_NUMBER = 1e300
"""Largest coefficient of a polynomial whose zeros are computed."""

PRECISION = Fraction(1, 10**20)
"""Largest distance of a computed zero from the exact one."""


class NotFound(Exception):
    """The zeros of an expression cannot be found exactly."""


def degree(expr: Expr) -> int:
    """Return a bound on the degree of a polynomial in x, without expanding it."""
    if expr == X:
        return 1
    if expr.is_Add:
        return max(map(degree, expr.args))
    if expr.is_Mul:
        return sum(map(degree, expr.args))
    if expr.is_Pow and not expr.is_number:
        return int(expr.exp) * degree(expr.base)
    return 0


def polynomial(expr: Expr) -> sympy.Poly:
    """Return an expression that is a polynomial in x as such, with rational coefficients.

    Raises
    ------
    NotFound
        Where its degree exceeds MAX_DEGREE, or MAX_EXPANDED_DEGREE with irrational coefficients.
    """
    numbers = [node for node in sympy.preorder_traversal(expr) if node.is_number]
    is_rational = all(number.is_Rational for number in numbers)
    allowed = MAX_DEGREE if is_rational else MAX_EXPANDED_DEGREE
    if (bound := degree(expr)) > allowed:
        raise NotFound(f"the zeros of a polynomial of degree {bound} (at most {allowed})")
    if is_rational:
        return _dense(expr)
    for number in numbers:  # before SymPy looks at them, which takes for ever where they are too large
        _followed(number)
    return sympy.Poly([_followed(coefficient) for coefficient in sympy.Poly(expr, X).all_coeffs()], X)


def _followed(number: Expr) -> sympy.Rational:
    if number.is_Rational:
        return number
    value = series(number, sympy.Integer(0), 0)[0]
    if value != value:
        raise NotFound("the zeros of a polynomial whose coefficients are too large, or no real numbers,")
    return rational(value)


def _dense(expr: Expr) -> sympy.Poly:
    """Return a polynomial from the leaves up: products cost little where expansion costs seconds."""
    if expr.is_Add:
        return sum(map(_dense, expr.args), sympy.Poly(0, X, domain="QQ"))
    if expr.is_Mul:
        return math.prod(map(_dense, expr.args), start=sympy.Poly(1, X, domain="QQ"))
    if expr.is_Pow:
        return _dense(expr.base) ** int(expr.exp)
    return sympy.Poly(expr, X, domain="QQ")


def rational(number: Any) -> sympy.Rational:
    """Return the fraction nearest to a real number of SymPy or mpmath; OverflowError where it is too large."""
    value = sympy.Float(number, 25)
    if abs(value) > LARGEST_NUMBER:
        raise OverflowError
    return sympy.Rational(value).limit_denominator(10**22)


def real_zeros(polynomial: sympy.Poly) -> list[sympy.Rational]:
    """Return the real zeros, ascending, each once and within PRECISION."""
    if polynomial.degree() < 1:
        return []
    simple = polynomial.sqf_part()
    _, integral = simple.clear_denoms(convert=True)
    coefficients = [int(coefficient) for coefficient in integral.all_coeffs()]
    return [_bisected(coefficients, *map(_fraction, ends)) for ends in simple.intervals(fast=True, sqf=True)]


def _fraction(number: Any) -> Fraction:
    return Fraction(int(number.p), int(number.q))


def _bisected(coefficients: list[int], low: Fraction, high: Fraction) -> sympy.Rational:
    """Return the one zero between low and high; SymPy's continued fractions take seconds where it is near a fraction.

    An end may be a zero too, that of the interval beside this one.
    """
    degree = len(coefficients) - 1
    derivative = [coefficient * (degree - place) for place, coefficient in enumerate(coefficients[:-1])]
    after = _sign(coefficients, high) or -_sign(derivative, high)
    while high - low > PRECISION:
        middle = (low + high) / 2
        sign = _sign(coefficients, middle)
        if sign == 0:
            low = high = middle
        elif sign == after:
            high = middle
        else:
            low = middle
    middle = (low + high) / 2
    return sympy.Rational(middle.numerator, middle.denominator)


def _sign(coefficients: list[int], point: Fraction) -> int:
    """Return the sign of a polynomial at p / q, as that of its value times a power of q."""
    total, power = 0, 1
    for coefficient in coefficients:
        total = total * point.numerator + coefficient * power
        power *= point.denominator
    return (total > 0) - (total < 0)
