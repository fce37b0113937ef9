"""What values a smooth piece of an expression takes, whether it is defined at all, and how fast it grows."""

import math
from collections.abc import Callable
from typing import Any

import sympy
from sympy import Expr

from glorotlab.activations.expression.polynomials import NotFound, polynomial, real_zeros
from glorotlab.activations.expression.taylor import X
from glorotlab.activations.expression.tree import (
    Undefined,
    check,
    real_number,
    sigmoid,
    softplus,
    zeros,
)

Range = tuple[float, float]
Growth = tuple[float, float]
"""(order, degree): |f| = O(exp(c |x|^order) |x|^degree); degree -inf where f falls faster than any power."""

CONSTANT: Growth = (0.0, 0.0)
LARGEST_ORDER = 2.0
"""Order of exp(c |x|^order) below which E f^4 exists for every q."""


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _cosh(value: float) -> float:
    return math.cosh(value) if value < 700 else math.inf


def _increasing(name: str) -> Callable[[float], float]:
    function = {"exp": _exp, "sinh": lambda v: math.copysign(math.inf, v) if abs(v) > 700 else math.sinh(v)}
    if name == "sigmoid":
        return lambda v: 1 / (1 + _exp(-v))
    if name == "softplus":
        return lambda v: max(v, 0) + math.log1p(_exp(-abs(v)))
    if name == "log":
        return lambda v: math.log(v) if v > 0 else -math.inf
    return function.get(name) or getattr(math, name)


INCREASING: dict[Any, Callable[[float], float]] = {
    function: _increasing(function.__name__)
    for function in (
        sympy.exp,
        sympy.log,
        sympy.tanh,
        sympy.atan,
        sympy.erf,
        sympy.sinh,
        sympy.asinh,
        sigmoid,
        softplus,
    )
}
BOUNDED = (sympy.tanh, sympy.atan, sympy.erf, sympy.sin, sympy.cos, sigmoid)


def _times(a: float, b: float) -> float:
    return 0.0 if 0 in (a, b) else a * b


def value_range(expr: Expr, low: float, high: float) -> Range:
    """Bound an expression without switches for x between low and high, which may be infinite.

    Raises
    ------
    Undefined
        Where it has a pole or leaves the real numbers there, or this cannot be excluded.
    """
    bounds = _value_range(check(expr), low, high)
    if not bounds[0] <= bounds[1]:  # a NaN included
        raise Undefined(f"the values of {expr} cannot be bounded")
    return bounds


def _value_range(expr: Expr, low: float, high: float) -> Range:
    if expr.is_number:
        number = float(real_number(expr))
        return number, number
    if expr == X:
        return low, high
    if expr.is_polynomial(X):
        return _polynomial_range(expr, low, high)
    ranges = [value_range(arg, low, high) for arg in expr.args]
    if isinstance(expr, sympy.Add):
        return sum(low for low, _ in ranges), sum(high for _, high in ranges)
    if isinstance(expr, sympy.Mul):
        total = (1.0, 1.0)
        for factor in ranges:
            ends = [_times(a, b) for a in total for b in factor]
            total = min(ends), max(ends)
        return total
    if isinstance(expr, sympy.Pow):
        return _power_range(expr, ranges[0], low, high)
    if len(ranges) != 1:
        raise Undefined(f"the values of {expr} cannot be bounded")
    (inner,) = ranges
    if isinstance(expr, sympy.log) and inner[0] <= 0:
        _check_never_zero(expr.args[0], low, high, f"log({expr.args[0]})")
        if inner[0] < 0:
            raise Undefined(f"log({expr.args[0]}): its argument is not positive everywhere")
    if type(expr) in INCREASING:
        function = INCREASING[type(expr)]
        return function(inner[0]), function(inner[1])
    if isinstance(expr, sympy.cosh):
        smallest = 0.0 if inner[0] <= 0 <= inner[1] else min(map(abs, inner))
        return _cosh(smallest), _cosh(max(map(abs, inner)))
    if isinstance(expr, sympy.sin | sympy.cos):
        return -1.0, 1.0
    raise Undefined(f"the values of {expr} cannot be bounded")


def _polynomial_range(expr: Expr, low: float, high: float) -> Range:
    dense = polynomial(expr)
    inside = [zero for zero in real_zeros(dense.diff(X)) if low < zero < high]
    values = [float(dense.eval(zero)) for zero in inside]
    for end in (low, high):
        infinite = math.copysign(math.inf, _sign_at(dense, end))
        values.append(infinite if math.isinf(end) else float(dense.eval(sympy.Rational(end))))
    return min(values), max(values)


def _power_range(expr: Expr, base: Range, low: float, high: float) -> Range:
    exponent = float(expr.exp)
    if expr.exp.is_Integer and expr.exp > 0:
        ends = [_power(end, exponent) for end in base]
        return (0.0 if expr.exp % 2 == 0 and base[0] < 0 < base[1] else min(ends)), max(ends)
    if not expr.exp.is_Integer and base[0] < 0:
        raise Undefined(f"({expr.base})**{expr.exp}: its base is negative somewhere")
    if exponent > 0:
        return _power(base[0], exponent), _power(base[1], exponent)
    if base[0] <= 0 <= base[1]:
        _check_never_zero(expr.base, low, high, f"1/({expr.base})")
        if base[0] < 0 < base[1]:
            raise Undefined(f"1/({expr.base}): cannot show that {expr.base} is never 0")
    ends = [_power(end, -exponent) for end in base]
    signed = [
        math.copysign(math.inf, 1 if base[1] > 0 or expr.exp % 2 == 0 else -1) if end == 0 else 1 / end for end in ends
    ]
    return min(signed), max(signed)


def _power(value: float, exponent: float) -> float:
    try:
        return float(value**exponent)
    except OverflowError:
        return math.copysign(math.inf, value if exponent % 2 == 1 else 1)


def _check_never_zero(expr: Expr, low: float, high: float, what: str) -> None:
    """Undefined where the expression is 0 between low and high, ends included, or this cannot be excluded."""
    try:
        inside = [zero for zero in zeros(expr) if low <= zero <= high]
    except NotFound:
        raise Undefined(f"{what}: cannot show that {expr} is never 0") from None
    if inside:
        raise Undefined(f"{what} is infinite at x = {float(inside[0]):.6g}")


def growth(expr: Expr, low: float, high: float) -> Growth:
    """Bound how fast an expression grows towards the infinite ends of [low, high].

    Raises
    ------
    Undefined
        Where E f^4 does not exist for every q.
    """
    growths = [_growth(expr, end, low, high) for end in (low, high) if math.isinf(end)]
    return max(growths, default=CONSTANT)


def _growth(expr: Expr, end: float, low: float, high: float) -> Growth:
    if expr.is_number:
        return CONSTANT
    if expr.is_polynomial(X):
        return 0.0, float(polynomial(expr).degree())
    if isinstance(expr, sympy.Add):
        return max(_growth(arg, end, low, high) for arg in expr.args)
    if isinstance(expr, sympy.Mul):
        parts = [_growth(arg, end, low, high) for arg in expr.args]
        order = max(part[0] for part in parts)
        return order, sum(part[1] for part in parts) if order == 0 else 0.0
    if isinstance(expr, sympy.Pow):
        return _power_growth(expr, end, low, high)
    if isinstance(expr, BOUNDED):
        return CONSTANT
    return _function_growth(expr, end, low, high)


def _function_growth(expr: Expr, end: float, low: float, high: float) -> Growth:
    argument = expr.args[0]
    inner = _growth(argument, end, low, high)
    if isinstance(expr, sympy.log | sympy.asinh):
        return 0.0, max(inner[0], min(1.0, max(inner[1], 0.0)))
    if isinstance(expr, softplus):
        return inner
    if isinstance(expr, sympy.exp):
        if argument.is_polynomial(X) and _sign_at(polynomial(argument), end) < 0:
            return 0.0, -math.inf
        if value_range(argument, low, high)[1] < math.inf:
            return CONSTANT
    if inner[0] > 0 or inner[1] >= LARGEST_ORDER:
        raise Undefined(f"{expr} grows so fast that E f^4 does not exist for every q")
    return max(inner[1], 0.0), 0.0


def _sign_at(dense: sympy.Poly, end: float) -> float:
    return float(sympy.sign(dense.LC())) * (1 if end > 0 or dense.degree() % 2 == 0 else -1)


def _power_growth(expr: Expr, end: float, low: float, high: float) -> Growth:
    order, degree = _growth(expr.base, end, low, high)
    exponent = float(expr.exp)
    if exponent > 0:
        return order, degree * exponent
    if expr.base.is_polynomial(X):
        return 0.0, degree * exponent
    if 0 not in value_range(expr.base, low, high):
        return CONSTANT
    raise Undefined(f"1/({expr.base}): its growth cannot be bounded")
