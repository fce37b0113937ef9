"""Expressions in x by NumPy alone: value and derivative at points, node by node, and the sizes of what is added up.

A node is four arrays: value v, derivative d, and their sizes V and D, the sums of the absolute values of what was added
up to them: rounding changes v by about eps V. Where a switch (abs, sign, max, min) compares what rounding cannot tell
apart, value and derivative are NaN: unknown.
"""

import ast
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

Node = tuple[Any, Any, Any, Any]

UNSURE = 1e-9
"""Part of a size below which the sign of a difference is not known."""

GAUSS = 2 / np.sqrt(np.pi)

SMOOTH: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "asinh": (np.arcsinh, lambda u: (1 + u * u) ** -0.5, lambda u: -u * (1 + u * u) ** -1.5),
    "atan": (np.arctan, lambda u: 1 / (1 + u * u), lambda u: -2 * u / (1 + u * u) ** 2),
    "cos": (np.cos, lambda u: -np.sin(u), lambda u: -np.cos(u)),
    "cosh": (np.cosh, np.sinh, np.cosh),
    "erf": (special.erf, lambda u: GAUSS * np.exp(-u * u), lambda u: -2 * u * GAUSS * np.exp(-u * u)),
    "exp": (np.exp, np.exp, np.exp),
    "log": (np.log, lambda u: 1 / u, lambda u: -1 / u**2),
    "sigmoid": (special.expit, lambda u: special.expit(u) * special.expit(-u), lambda u: special.expit(u)),
    "sin": (np.sin, np.cos, lambda u: -np.sin(u)),
    "sinh": (np.sinh, np.cosh, np.sinh),
    "softplus": (lambda u: np.logaddexp(0, u), special.expit, lambda u: special.expit(u) * special.expit(-u)),
    "sqrt": (np.sqrt, lambda u: 0.5 * u**-0.5, lambda u: -0.25 * u**-1.5),
    "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2, lambda u: -2 * np.tanh(u) / np.cosh(u) ** 2),
}
"""Each function with its first derivative and (or, of ``sigmoid``, a bound on) its second."""

ALIASES = {"Abs": "abs", "Max": "max", "Min": "min", "arctan": "atan", "arcsinh": "asinh", "ln": "log"}
NUMBERS = {"pi": np.pi, "e": np.e, "E": np.e}


def evaluate(text: str, x: Any) -> Node:
    """Return f, f' and their sizes at points; the text is one that the parser of expressions has accepted."""
    return _node(ast.parse(text.strip(), mode="eval").body, np.asarray(x, dtype=float))


def _constant(value: float, x: Any) -> Node:
    full, zero = np.full_like(x, value), np.zeros_like(x)
    return full, zero, np.abs(full), zero


def _node(node: ast.expr, x: Any) -> Node:
    match node:
        case ast.Constant(value=int() | float() as value):
            return _constant(float(value), x)
        case ast.Name(id="x"):
            return x, np.ones_like(x), np.abs(x), np.ones_like(x)
        case ast.Name(id=name):
            return _constant(NUMBERS[name], x)
        case ast.UnaryOp(op=op, operand=operand):
            inner = _node(operand, x)
            return inner if isinstance(op, ast.UAdd) else (-inner[0], -inner[1], inner[2], inner[3])
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _sum(_node(left, x), _node(right, x), 1)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _sum(_node(left, x), _node(right, x), -1)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _product(_node(left, x), _node(right, x))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _product(_node(left, x), _power(_node(right, x), -1.0))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _general_power(_node(left, x), _node(right, x))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(ALIASES.get(name, name), [_node(argument, x) for argument in arguments], x)
    raise ValueError(ast.dump(node))


def _sum(a: Node, b: Node, sign: int) -> Node:
    return a[0] + sign * b[0], a[1] + sign * b[1], a[2] + b[2], a[3] + b[3]


def _product(a: Node, b: Node) -> Node:
    return a[0] * b[0], a[1] * b[0] + a[0] * b[1], a[2] * b[2], a[3] * b[2] + a[2] * b[3]


def _of(inner: Node, value: Any, first: Any, second: Any) -> Node:
    """Return a function of a node, given its value and derivatives there."""
    _, d, size, slope = inner
    return value, first * d, np.abs(value) + np.abs(first) * size, (np.abs(first) + np.abs(second) * size) * slope


def _power(base: Node, exponent: float) -> Node:
    u = base[0]
    if exponent == 0:
        return _constant(1.0, u)
    first = exponent * u ** (exponent - 1) if exponent != 1 else np.ones_like(u)
    second = exponent * (exponent - 1) * u ** (exponent - 2) if exponent not in (1, 2) else np.full_like(u, 2.0)
    return _of(base, u**exponent, first, second)


def _general_power(base: Node, exponent: Node) -> Node:
    if (exponent[0] == exponent[0].flat[0]).all():  # the exponents of an accepted power are numbers, or its base is one
        return _power(base, float(exponent[0].flat[0]))
    logarithm = _constant(float(np.log(base[0].flat[0])), base[0])
    return _call("exp", [_product(logarithm, exponent)], base[0])


def _call(name: str, arguments: list[Node], x: Any) -> Node:
    if name in SMOOTH:
        (inner,) = arguments
        return _of(inner, *(function(inner[0]) for function in SMOOTH[name]))
    match name:
        case "relu":
            return _larger(arguments[0], _constant(0.0, x), 1)
        case "abs":
            (inner,) = arguments
            return _larger(inner, (-inner[0], -inner[1], inner[2], inner[3]), 1)
        case "sign":
            (inner,) = arguments
            zero, one = np.zeros_like(x), np.ones_like(x)
            return np.where(_unsure(inner[0], inner[2]), np.nan, np.sign(inner[0])), zero, one, zero
        case "max" | "min":
            node = arguments[0]
            for other in arguments[1:]:
                node = _larger(node, other, 1 if name == "max" else -1)
            return node
    raise ValueError(name)


def _larger(a: Node, b: Node, sign: int) -> Node:
    """Return the larger of two nodes, or with sign -1 the smaller."""
    first = sign * (a[0] - b[0]) >= 0
    value, d = (np.where(first, one, other) for one, other in zip(a[:2], b[:2], strict=True))
    unsure = _unsure(a[0] - b[0], a[2] + b[2]) & (a[1] != b[1])
    unsure |= np.isnan(a[0]) | np.isnan(b[0])  # of what is unknown nothing is the larger
    return np.where(unsure, np.nan, value), np.where(unsure, np.nan, d), a[2] + b[2], a[3] + b[3]


def _unsure(difference: Any, size: Any) -> Any:
    return np.abs(difference) <= UNSURE * size
