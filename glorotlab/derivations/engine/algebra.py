"""When two equations say the same: a normal form for products and sums over layers, and induction on it.

A product over layers is compared through its multiplicative primitive T: the product of t(a) ... t(b) is
T(b) / T(a - 1), the empty product included (Karr 1981). Whole-number shifts are unrolled,
T(b + 1) = T(b) t(b + 1); then products are equal where ordinary expressions are. Sums have an additive primitive.
"""

import sympy as sp

_INDEX = sp.Symbol("_index", integer=True)
_PRIMITIVE = sp.Function("_primitive", positive=True)
_SUM_PRIMITIVE = sp.Function("_sum_primitive", real=True)


def equation(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    """Return ``left = right`` unevaluated, so that a wrong equation stays an equation and not ``False``."""
    return sp.Eq(left, right, evaluate=False)


def equal(left: sp.Expr, right: sp.Expr) -> bool:
    """Whether SymPy proves two expressions equal, products over layers included."""
    left, right = _normal_form(left), _normal_form(right)
    if left == right:
        return True
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


def solves(formula: sp.Eq, recurrence: sp.Eq, start: sp.Expr, value: sp.Expr) -> bool:
    """Prove by induction that ``formula`` is the solution of ``recurrence`` that is ``value`` at ``start``.

    Parameters
    ----------
    formula : sympy.Eq
        ``Q(i) = ...``.
    recurrence : sympy.Eq
        Relates Q at neighboring layers, for every i.
    start, value : sympy.Expr
        The base case ``Q(start) = value``.
    """
    induction = equal(insert(recurrence.lhs, formula), insert(recurrence.rhs, formula))
    return induction and equal(at(formula, start), value)


def solution(relation: sp.Eq, unknown: sp.Expr) -> set[sp.Expr]:
    """Return the positive solutions of ``relation`` for ``unknown``, which may be a function of the layer."""
    symbol = sp.Dummy("unknown", positive=True)
    roots = sp.solve((relation.lhs - relation.rhs).subs(unknown, symbol), symbol)
    return {sp.simplify(root) for root in roots}


def _normal_form(expression: sp.Expr) -> sp.Expr:
    return sp.sympify(expression).replace(sp.Product, _by_primitive).replace(sp.Sum, _by_sum_primitive)


def _by_sum_primitive(term: sp.Expr, *limits: sp.Tuple) -> sp.Expr:
    """Return a sum, the first of whose limits is the innermost; each has an index of its own."""
    (bound, lower, upper), *outer = limits
    term = term.subs(bound, own := sp.Symbol(f"_index_{len(outer)}", integer=True))
    constant, varying = sp.factor_terms(term).as_independent(own, as_Add=False)
    value = constant * (_sum_primitive(varying, own, upper) - _sum_primitive(varying, own, lower - 1))
    return _by_sum_primitive(value, *outer) if outer else value


def _sum_primitive(term: sp.Expr, bound: sp.Symbol, index: sp.Expr) -> sp.Expr:
    shift, origin = sp.expand(index).as_coeff_Add()
    steps = range(1, int(shift) + 1) if shift > 0 else range(int(shift) + 1, 1)
    unrolled = sp.Add(*(term.subs(bound, origin + step) for step in steps))
    return _SUM_PRIMITIVE(term, origin) + unrolled * sp.sign(shift)


def _by_primitive(term: sp.Expr, limits: sp.Tuple) -> sp.Expr:
    bound, lower, upper = limits
    value = sp.S.One
    for factor in sp.Mul.make_args(sp.expand_power_base(term)):
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
