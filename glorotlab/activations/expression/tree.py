"""SymPy trees of checked expressions: building them, splitting them at switches, and where they are 0.

A switch is Abs, sign, Max or Min. Between the zeros of what they compare, each takes one of its branches, and the
expression is a smooth piece.
"""

import ast
import operator
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import sympy
from mpmath import mp
from sympy import Expr

from glorotlab.activations.expression import syntax
from glorotlab.activations.expression.polynomials import NotFound, polynomial, rational, real_zeros
from glorotlab.activations.expression.taylor import MPMATH, X, series

MAX_VARIANTS = 64
MAX_SEARCHES = 500
"""Largest number of expressions whose zeros are searched."""


class Undefined(Exception):
    """An expression, or its moment, does not exist; the message says why."""


UNREAL = (sympy.I, sympy.zoo, sympy.nan, sympy.oo, -sympy.oo)
"""SymPy's values of a constant part that is not a real number."""


def value(expr: Expr, point: sympy.Rational) -> Any:
    """Return the value at a point as an mpf of 30 digits; NaN where it is infinite or not real."""
    return mp.nan if expr.has(*UNREAL) else series(expr, point, 0)[0]


def check(expr: Expr) -> Expr:
    """Return the expression; Undefined if it is infinite or complex somewhere, or has a number out of range.

    SymPy takes minutes to compare cos(exp(1e6)) with 0.
    """
    if expr.has(*UNREAL):
        raise Undefined("not a real number everywhere")
    for part in expr.atoms(sympy.Function):
        if part.is_number and mp.isnan(value(part, sympy.Integer(0))):
            raise Undefined(f"{part} cannot be computed")
    return expr


def _folded(function: Any, argument: Expr) -> Expr | None:
    if not argument.is_number:
        return None
    with mp.workdps(30):
        return rational(function(real_number(check(argument))))


def real_number(number: Expr) -> Any:
    """Return a real number of SymPy as an mpf of 30 digits."""
    result = value(number, sympy.Integer(0))
    if mp.isnan(result):
        raise Undefined("not a real number everywhere")
    return result


class sigmoid(sympy.Function):  # type: ignore[misc]  # its name is what SymPy prints
    """1 / (1 + exp(-x)), kept whole: its own NumPy function neither overflows nor cancels."""

    is_real = True

    @classmethod
    def eval(cls, argument: Expr) -> Expr | None:
        """Fold a constant."""
        return _folded(MPMATH["sigmoid"], argument)

    def fdiff(self, argindex: int = 1) -> Expr:
        """Return f(x) f(-x)."""
        return sigmoid(self.args[0]) * sigmoid(-self.args[0])


class softplus(sympy.Function):  # type: ignore[misc]
    """log(1 + exp(x)), kept whole."""

    is_real = True

    @classmethod
    def eval(cls, argument: Expr) -> Expr | None:
        """Fold a constant."""
        return _folded(MPMATH["softplus"], argument)

    def fdiff(self, argindex: int = 1) -> Expr:
        """Return sigmoid(x)."""
        return sigmoid(self.args[0])


_FUNCTIONS: dict[str, Any] = (
    {
        "abs": sympy.Abs,
        "max": lambda *arguments: sympy.Max(*arguments, evaluate=False),
        "min": lambda *arguments: sympy.Min(*arguments, evaluate=False),
        "relu": lambda argument: sympy.Max(0, argument, evaluate=False),
        "sigmoid": sigmoid,
        "softplus": softplus,
    }
    | {name: getattr(sympy, name) for name in ("asinh", "atan", "cos", "cosh", "erf", "exp", "log", "sign", "sin")}
    | {name: getattr(sympy, name) for name in ("sinh", "sqrt", "tanh")}
)

_OPERATORS: dict[type[ast.operator], Callable[[Expr, Expr], Expr]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}

SWITCHES = (sympy.Abs, sympy.sign, sympy.Max, sympy.Min)

INVERSES: dict[Any, tuple[Any, float, float]] = {
    sympy.exp: (mp.log, 0, mp.inf),
    sympy.log: (mp.exp, -mp.inf, mp.inf),
    sympy.tanh: (mp.atanh, -1, 1),
    sympy.atan: (mp.tan, -mp.pi / 2, mp.pi / 2),
    sympy.erf: (mp.erfinv, -1, 1),
    sympy.sinh: (mp.asinh, -mp.inf, mp.inf),
    sympy.asinh: (mp.sinh, -mp.inf, mp.inf),
    sigmoid: (lambda y: mp.log(y / (1 - y)), 0, 1),
    softplus: (lambda y: mp.log(mp.expm1(y)), 0, mp.inf),
}
"""Inverse, infimum and supremum of increasing functions."""


def tree(node: ast.expr) -> Expr:
    """Return the SymPy expression of a tree of ``syntax.parse``; Undefined where a part of it is no real number."""
    number = syntax.constant(node)
    if number is not None:
        return sympy.Rational(number.numerator, number.denominator)
    match node:
        case ast.Name():
            return X
        case ast.UnaryOp(operand=operand):
            return -tree(operand)
        case ast.BinOp(left=left, op=op, right=right):
            return check(_OPERATORS[type(op)](tree(left), tree(right)))
        case ast.Call(func=ast.Name(id=name), args=args):
            return check(_FUNCTIONS[name](*map(tree, args)))
    raise AssertionError(ast.dump(node))


def stable(expr: Expr) -> Expr:
    """Write log(1 + exp(u)) as softplus(u) and 1 / (1 + exp(u)) as sigmoid(-u), which do not overflow."""

    def exponent(total: Expr) -> Expr | None:
        rest = total - 1
        return rest.args[0] if isinstance(rest, sympy.exp) else None

    def logarithm(argument: Expr) -> Expr:
        u = exponent(argument)
        return sympy.log(argument) if u is None else softplus(u)

    def power(base: Expr, order: Expr) -> Expr:
        u = exponent(base) if order.is_Integer and order < 0 else None
        return base**order if u is None else sigmoid(-u) ** -order

    return expr.replace(sympy.log, logarithm).replace(sympy.Pow, power)


def derivative(expr: Expr) -> Expr:
    """Return the derivative; that of u^a as a u^(a - 1) u', where SymPy may write u^a / x and so a pole."""
    powers = [power for power in expr.atoms(sympy.Pow) if not power.exp.is_Integer]
    powers = [power for power in powers if power.base.has(X)]
    symbols = {power: sympy.Dummy(positive=True) for power in powers}
    replaced = expr.xreplace({power: symbol**power.exp for power, symbol in symbols.items()})
    total = replaced.diff(X)
    for power, symbol in symbols.items():
        if replaced.has(symbol):
            total += replaced.diff(symbol) * derivative(power.base)
    return total.xreplace({symbol: power.base for power, symbol in symbols.items()})


def for_numpy(expr: Expr) -> Expr:
    """Return the expression with its irrational and long constants as floating-point numbers."""
    constants = [part for part in expr.atoms(sympy.Pow, sympy.Function) if part.is_number]
    long = [part for part in expr.atoms(sympy.Rational) if max(abs(part.p), part.q) >= 2**53]
    return expr.xreplace({part: part.evalf(20) for part in [*constants, *long]})


def variants(expr: Expr) -> list[Expr]:
    """Return the expression with every choice of branches of its switches."""
    if not expr.has(*SWITCHES):
        return [expr]
    switched: dict[Expr, None] = {}
    for args in product(*map(variants, expr.args)):
        switched.update(dict.fromkeys(_branches(expr, args)))
        if len(switched) > MAX_VARIANTS:
            raise NotFound(f"more than {MAX_VARIANTS} combinations of Abs, sign, Max and Min")
    return list(switched)


def _branches(expr: Expr, args: tuple[Expr, ...]) -> list[Expr]:
    if isinstance(expr, sympy.Abs):
        return [args[0], -args[0]]
    if isinstance(expr, sympy.sign):
        return [sympy.Integer(1), sympy.Integer(-1)]
    if isinstance(expr, sympy.Max | sympy.Min):
        return list(args)
    return [expr.func(*args)]


def piece(expr: Expr, point: sympy.Rational) -> Expr:
    """Return the branch that the expression takes around a point that is no zero of a switch."""
    if not expr.has(*SWITCHES):
        return expr
    args = [piece(arg, point) for arg in expr.args]
    if not isinstance(expr, SWITCHES):
        rebuilt = check(expr.func(*args))
        return piece(rebuilt, point) if isinstance(rebuilt, SWITCHES) else rebuilt
    values = [value(arg, point) for arg in args]
    if any(map(mp.isnan, values)):
        raise Undefined(f"not a real number at x = {float(point):.6g}")
    if isinstance(expr, sympy.Max | sympy.Min):
        pick = max if isinstance(expr, sympy.Max) else min
        return args[values.index(pick(values))]
    sign = sympy.Integer(int(mp.sign(values[0])))
    return sign if isinstance(expr, sympy.sign) else sign * args[0]


def switch_arguments(expr: Expr) -> set[Expr]:
    """Return every argument of a switch."""
    return {arg for node in sympy.preorder_traversal(expr) if isinstance(node, SWITCHES) for arg in node.args}


def switching_points(expr: Expr) -> list[sympy.Rational]:
    """Return the points at which a switch changes, ascending; NotFound if one cannot be found."""
    switches = (node for node in sympy.preorder_traversal(expr) if isinstance(node, SWITCHES))
    searched = dict.fromkeys(
        variant for switch in switches for compared in _compared(switch) for variant in variants(compared)
    )
    if len(searched) > MAX_SEARCHES:
        raise NotFound(f"the zeros of {len(searched)} combinations of what is compared (at most {MAX_SEARCHES})")
    return sorted({zero for variant in searched for zero in zeros(variant)})


def _compared(switch: Expr) -> Iterator[Expr]:
    if isinstance(switch, sympy.Abs | sympy.sign):
        yield switch.args[0]
        return
    for index, one in enumerate(switch.args):
        yield from (one - other for other in switch.args[index + 1 :])


def zeros(expr: Expr) -> list[sympy.Rational]:
    """Return the real zeros of an expression without switches, to 1e-20; NotFound where they cannot be found."""
    if not check(expr).has(X):
        return []
    if expr.is_polynomial(X):
        return real_zeros(polynomial(expr))
    if isinstance(expr, sympy.Mul):
        return sorted({zero for factor in expr.args for zero in zeros(factor)})
    if isinstance(expr, sympy.Pow):
        return zeros(expr.base) if expr.exp.is_positive else []
    rest, constant = _separate(expr)
    scale, inner = rest.as_independent(X, as_Add=False)
    target = -constant / scale
    target = target if target.is_Rational else rational(real_number(target))
    if type(inner) in INVERSES:
        inverse, low, high = INVERSES[type(inner)]
        reached = real_number(target)
        return zeros(inner.args[0] - rational(inverse(reached))) if low < reached < high else []
    if isinstance(inner, sympy.cosh) and target < 1:
        return []
    if isinstance(inner, sympy.sin | sympy.cos) and abs(target) > 1:
        return []
    if isinstance(inner, sympy.Pow) and inner.exp.is_Integer and inner.exp % 2 == 1 and inner.exp > 0:
        root = sympy.sign(target) * sympy.Abs(target) ** (1 / inner.exp)
        return zeros(inner.base - rational(real_number(root)))
    raise NotFound(f"the zeros of {expr}")


def _separate(expr: Expr) -> tuple[Expr, sympy.Rational]:
    """Split an expression into a part that depends on x and a number."""
    constant, rest = expr.as_independent(X, as_Add=True)
    return rest, constant if constant.is_Rational else rational(real_number(constant))
