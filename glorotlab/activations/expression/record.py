"""The activation record of an expression in x that a user wrote.

The text is read by ``syntax`` and becomes a SymPy tree; zeros of what Abs, sign, Max and Min compare cut the line into
intervals, on each of which the expression is smooth. From these pieces come derivative, kinks, smoothness, growth and
symmetry, and the refusal of what has no Gaussian moments. NumPy evaluates the same pieces.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from mpmath import mp
from sympy import Expr

from glorotlab.activations import functions
from glorotlab.activations.expression import analysis, syntax, tree
from glorotlab.activations.expression.polynomials import NotFound
from glorotlab.activations.expression.supremum import supremum
from glorotlab.activations.expression.taylor import MPMATH, X, series
from glorotlab.activations.record import Activation
from glorotlab.arrays import FloatArray
from glorotlab.errors import reason

MAX_KINKS = 16
SMOOTHEST = 3
"""Derivatives of this order and above are not compared at a kink."""

SHIFTS = tuple(sign * shift for sign in (-1.0, 1.0) for shift in (0.125, 1.0, 5.0, 30.0))
"""Points at which an unbounded piece is sampled, relative to its finite end and to 0."""

X0 = sympy.Rational(1, 3)
"""Points at which an expression without kinks is sampled."""

_NUMPY = [{"sigmoid": functions.sigmoid, "softplus": functions.softplus}, "scipy", "numpy"]


@dataclass(frozen=True)
class _Piece:
    """A smooth piece of an expression between two ends."""

    expr: Expr
    low: float
    high: float

    @cached_property
    def derivative(self) -> Expr:
        """The derivative of the piece."""
        return tree.derivative(self.expr)


@lru_cache(maxsize=64)
def read(text: str) -> Activation:
    """Return the record of an expression.

    Raises
    ------
    InvalidValueError
        Where it is not one of the whitelist, or where it has no finite value, derivative or fourth moment.
    """
    parsed, name = syntax.parse(text), syntax.canonical(text)
    try:
        expr = tree.check(tree.stable(tree.tree(parsed)))
        if not expr.has(X):
            raise tree.Undefined("does not depend on x")
        pieces = _pieces(expr)
        ends = [piece.high for piece in pieces[:-1]]
        degree = max(map(_growth, pieces))
        orders = [_jump(left, right) for left, right in pairwise(pieces)]
        if -1 in orders:
            where = pieces[orders.index(-1)].high
            raise tree.Undefined(f"jumps at x = {where:.6g}, where E f'^2 does not exist")
        bound = _bound(pieces) if degree == 0 else None
    except NotFound as error:
        raise syntax.refusal(text, f"cannot find {error} exactly") from None
    except OverflowError:
        raise syntax.refusal(text, "its numbers are too large") from None
    except tree.Undefined as error:
        raise syntax.refusal(text, str(error)) from None
    except Exception as error:  # SymPy has no list of what it raises; nothing of ours is to fail on a text of a user
        raise syntax.refusal(text, f"cannot be analyzed: {type(error).__name__}: {reason(error)}") from None
    function, derivative = (
        _numpy([getattr(piece, which) for piece in pieces], ends) for which in ("expr", "derivative")
    )
    _scan(text, degree, function, derivative)
    return Activation(
        name,
        str(expr),
        function,
        derivative,
        bound=None if bound is None else bound if _reaches(function, bound) else supremum(function, derivative, ends),
        kinks=tuple(ends),
        odd=_odd(expr, ends),
        smoothness=min(orders, default=math.inf),
        growth=degree,
    )


def _pieces(expr: Expr) -> list[_Piece]:
    points = tree.switching_points(expr)
    if len(points) > MAX_KINKS:
        raise tree.Undefined(f"{len(points)} kinks: allowed are at most {MAX_KINKS}")
    middles = [*((a + b) / 2 for a, b in pairwise([points[0] - 2, *points, points[-1] + 2]))] if points else [X0]
    ends = [-math.inf, *map(float, points), math.inf]
    smooth_pieces: list[_Piece] = []
    for middle, (low, high) in zip(middles, pairwise(ends), strict=True):
        for argument in tree.switch_arguments(expr):  # undefined even where the switch takes another branch
            analysis.value_range(tree.piece(argument, middle), low, high)
        smooth = tree.piece(expr, middle)
        _check_piece(expr, smooth, low, high)
        if smooth_pieces and smooth_pieces[-1].expr == smooth:
            low = smooth_pieces.pop().low
        smooth_pieces.append(_Piece(smooth, low, high))
    return smooth_pieces


def _check_piece(expr: Expr, smooth: Expr, low: float, high: float) -> None:
    """Undefined where a piece is not the expression all over its interval.

    SymPy may write the root of a square as Abs, whose argument then changes sign where nothing was compared before.
    """
    if math.isfinite(low) and math.isfinite(high):
        places = [low + (high - low) * share / 7 for share in range(1, 7)]
    else:
        places = [end + shift for end in (low, high, 0.0) if math.isfinite(end) for shift in SHIFTS]
    for place in (sympy.Rational(place) for place in places if low < place < high):
        whole, part = tree.value(expr, place), tree.value(smooth, place)
        if not mp.isnan(whole) and not abs(whole - part) <= 1e-12 * (1 + abs(whole)):
            raise tree.Undefined(f"its branch at x = {float(place):.6g} cannot be determined")


def _jump(left: _Piece, right: _Piece) -> float:
    """Return how many derivatives are continuous where two pieces meet; SMOOTHEST where none is seen to jump."""
    point = sympy.Rational(left.high)
    for order, pair in enumerate(zip(*(series(piece.expr, point, SMOOTHEST) for piece in (left, right)), strict=True)):
        if any(map(mp.isnan, pair)) or abs(pair[0] - pair[1]) > 1e-12 * (1 + abs(pair[0])):
            return order - 1
    return SMOOTHEST


def _growth(piece: _Piece) -> float:
    """Return the power with which f grows; Undefined where f or f' does not exist, or E f^4 or E f'^4 does not."""
    for expr in (piece.expr, piece.derivative):
        analysis.value_range(expr, piece.low, piece.high)
    analysis.growth(piece.derivative, piece.low, piece.high)
    order, degree = analysis.growth(piece.expr, piece.low, piece.high)
    return math.inf if order else max(degree, 0.0)


def _bound(pieces: list[_Piece]) -> float:
    return max(abs(end) for piece in pieces for end in analysis.value_range(piece.expr, piece.low, piece.high))


def _grid() -> FloatArray:
    values = np.concatenate([np.linspace(0, 30, 601)[1:], np.geomspace(1e-8, 1e6, 281)])
    return np.concatenate([-values[::-1], [0.0], values])


def _reaches(function: Callable[[FloatArray], FloatArray], bound: float) -> bool:
    """Whether the bound is approached, so that it is the supremum."""
    return math.isfinite(bound) and bool(np.abs(function(_grid())).max() >= bound * (1 - 1e-5))


def _scan(
    text: str,
    degree: float,
    function: Callable[[FloatArray], FloatArray],
    derivative: Callable[[FloatArray], FloatArray],
) -> None:
    """Refuse a function that is not finite where it should be, whatever the analysis says."""
    s = _grid()
    s = s[np.abs(s) <= (1e4 if degree < math.inf else 30)]
    for what, values in (("f", function(s)), ("f'", derivative(s))):
        if not np.isfinite(values).all():
            where = s[~np.isfinite(values)][0]
            raise syntax.refusal(text, f"{what} is computed as {values[s == where][0]} at x = {where:.6g}")


def _odd(expr: Expr, kinks: list[float]) -> bool:
    """Whether f(-x) = -f(x): identity to 50 digits at 20 points near 0, far away and beyond every kink."""
    total = expr + expr.xreplace({X: -X})
    f = sympy.lambdify(X, (expr, total), [MPMATH, "mpmath"])
    with mp.workdps(50):
        beyond = [abs(kink) * 9 / 8 for kink in kinks]
        places = [
            *(mp.mpf(k * k) / 37 for k in range(1, 21)),
            *(mp.mpf(place) for place in (100, 1e4, *beyond) if place),
        ]
        values = [f(place) for place in places]
        return all(abs(both) <= mp.mpf(10) ** -40 * (1 + abs(one)) for one, both in values)


def _numpy(smooth: list[Expr], ends: list[float]) -> Callable[[FloatArray], FloatArray]:
    """Return a NumPy function of f or f', dtype kept, of its pieces; at a kink it is that of the piece to the left."""
    parts = [sympy.lambdify(X, tree.for_numpy(expr), _NUMPY, cse=True) for expr in smooth]

    def plain(s: FloatArray) -> FloatArray:
        value = np.broadcast_to(np.asarray(parts[-1](s), s.dtype), s.shape)
        for part, end in zip(parts[-2::-1], ends[::-1], strict=True):
            value = np.where(s <= end, np.asarray(part(s), s.dtype), value)
        return value

    with np.errstate(all="ignore"):
        reach = {dtype: _reach(plain, np.dtype(dtype)) for dtype in (np.float32, np.float64)}

    def function(s: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            value = plain(s)
            lost = np.isnan(value) & ~np.isnan(s)
            if lost.any():  # infinities canceled: f is taken where it still has a value
                end = reach[s.dtype.type]
                value = np.where(lost, plain(np.clip(s, -end, end)), value)
        return np.where(np.isnan(s), s, value)

    return function


def _reach(function: Callable[[FloatArray], FloatArray], dtype: np.dtype[Any]) -> float:
    """Return the largest power of 2 up to which the function is a number."""
    powers = np.ldexp(np.ones(1, dtype), np.arange(np.finfo(dtype).maxexp)).astype(dtype)
    lost = np.isnan(function(powers)) | np.isnan(function(-powers))
    return float(powers[int(np.argmax(lost)) - 1] if lost.any() else powers[-1])
