"""When two equations say the same: a normal form for products over layers, and induction on it.

A product over layers is compared through its multiplicative primitive T: prod_{k=a}^{b} t(k) = T(b) / T(a - 1),
the empty product (b = a - 1) included (Karr 1981). Whole-number shifts are unrolled, T(b + 1) = T(b) t(b + 1);
then products are equal where ordinary expressions are.
"""

from collections.abc import Iterable

import sympy as sp

_INDEX = sp.Symbol("_index", integer=True)
_PRIMITIVE = sp.Function("_primitive", positive=True)


def equation(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    """Return ``left = right`` unevaluated, so that a wrong equation stays an equation and not ``False``."""
    return sp.Eq(left, right, evaluate=False)


def equal(left: sp.Expr, right: sp.Expr) -> bool:
    """Whether SymPy proves two expressions equal, products over layers included."""
    left, right = _normal_form(left), _normal_form(right)
    if right.is_zero:
        return bool(sp.simplify(left) == 0)
    return bool(sp.simplify(left / right) == 1)


def same(first: sp.Eq, second: sp.Eq) -> bool:
    """Whether two equations have equal left sides and equal right sides."""
    return equal(first.lhs, second.lhs) and equal(first.rhs, second.rhs)


def at(formula: sp.Eq, index: sp.Expr) -> sp.Expr:
    """Return the right side of ``Q(i) = ...`` at another layer."""
    return formula.rhs.subs(formula.lhs.args[0], index)


def insert(expression: sp.Basic, *formulas: sp.Eq) -> sp.Basic:
    """Replace every ``Q(index)`` by the right side of the formula ``Q(i) = ...`` at that index."""
    for formula in formulas:
        expression = expression.replace(formula.lhs.func, lambda index, formula=formula: at(formula, index))
    return expression


def solves(formula: sp.Eq, recurrence: sp.Eq, start: sp.Expr, value: sp.Expr, depth: int = 4) -> bool:
    """Prove by induction that ``formula`` is the solution of ``recurrence`` that is ``value`` at ``start``.

    Parameters
    ----------
    formula : sympy.Eq
        ``Q(i) = ...``.
    recurrence : sympy.Eq
        Relates Q at neighbouring layers, for every i.
    start, value : sympy.Expr
        The base case ``Q(start) = value``.
    depth : int
        The formula is also compared with the recurrence unrolled over this many layers, by SymPy's own
        products and not by the normal form.
    """
    induction = equal(insert(recurrence.lhs, formula), insert(recurrence.rhs, formula))
    base = equal(at(formula, start), value)
    return induction and base and _unrolled_agrees(formula, recurrence, start, value, depth)


def _unrolled_agrees(formula: sp.Eq, recurrence: sp.Eq, start: sp.Expr, value: sp.Expr, depth: int) -> bool:
    quantity, index = recurrence.lhs.func, formula.lhs.args[0]
    (source,) = recurrence.rhs.atoms(quantity)
    step = recurrence.lhs.args[0] - source.args[0]
    origin = sp.S.Zero if step > 0 else sp.Integer(depth)  # a concrete depth: d becomes the number ``depth``
    concrete = {start: origin} if start.is_Symbol else {}
    current, factor = value.subs(concrete), recurrence.rhs / source
    for distance in range(1, depth + 1):
        target = origin + step * distance
        current = current * factor.subs(index, target - recurrence.lhs.args[0] + index)
        claimed = formula.rhs.subs(index, target).subs(concrete).doit()
        if sp.simplify(claimed / current) != 1:
            return False
    return True


def solution(relation: sp.Eq, unknown: sp.Expr) -> set[sp.Expr]:
    """Return the positive solutions of ``relation`` for ``unknown``, which may be a function of the layer."""
    symbol = sp.Dummy("unknown", positive=True)
    roots: Iterable[sp.Expr] = sp.solve((relation.lhs - relation.rhs).subs(unknown, symbol), symbol)
    return {sp.simplify(root) for root in roots}


def _normal_form(expression: sp.Expr) -> sp.Expr:
    return sp.sympify(expression).replace(sp.Product, _by_primitive)


def _by_primitive(term: sp.Expr, limits: sp.Tuple) -> sp.Expr:
    bound, lower, upper = limits
    value = sp.S.One
    for factor in sp.Mul.make_args(sp.powsimp(term)):
        base, power = factor.as_base_exp()
        if factor.has(bound) and not power.has(bound):
            value *= (_primitive(base, bound, upper) / _primitive(base, bound, lower - 1)) ** power
        elif factor.has(bound):
            value *= _primitive(factor, bound, upper) / _primitive(factor, bound, lower - 1)
        else:
            value *= factor ** (upper - lower + 1)
    return value


def _primitive(term: sp.Expr, bound: sp.Symbol, index: sp.Expr) -> sp.Expr:
    shift, origin = sp.expand(index).as_coeff_Add()
    steps = range(1, int(shift) + 1) if shift > 0 else range(int(shift) + 1, 1)
    unrolled = sp.Mul(*(term.subs(bound, origin + step) for step in steps))
    return _PRIMITIVE(term.subs(bound, _INDEX), origin) * unrolled ** sp.sign(shift)
