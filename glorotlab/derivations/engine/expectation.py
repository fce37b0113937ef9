"""Expectations of polynomials of random variables, from second moments, independence and zero means alone."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sympy as sp

from glorotlab.derivations.engine.algebra import equal

_EXPECTATION = sp.Function("E")

Variable = Any
"""A SymPy symbol, or a class of functions whose every value is a random variable."""


def expectation(
    polynomial: sp.Expr, second_moments: Mapping[Variable, sp.Expr], independent: Collection[Variable]
) -> sp.Expr:
    """Return the expectation of a polynomial of random variables.

    Parameters
    ----------
    polynomial : sympy.Expr
        A polynomial of degree at most 2 in each independent variable.
    second_moments : mapping
        E[v^2] of every random variable v, by symbol or by function class; everything else is a constant.
    independent : collection
        The variables that have mean zero and are independent of each other and of all others. Nothing is
        assumed of the others: their means and mixed moments stay as unknowns E(...).

    Raises
    ------
    ValueError
        Where an independent variable has a power above 2, which second moments do not determine.
    """
    atoms = polynomial.atoms(sp.Function, sp.Symbol)
    kinds = {atom: atom if atom in second_moments else atom.func for atom in atoms}
    variables = [atom for atom in atoms if kinds[atom] in second_moments]
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(polynomial, *variables).terms():
        factor, rest = coefficient, []
        for variable, power in zip(variables, powers, strict=True):
            if kinds[variable] in independent:
                factor *= _independent_moment(variable, power, second_moments[kinds[variable]])
            elif power:
                rest.append((variable, power))
        total += factor * _joint_moment(rest, [second_moments[kinds[variable]] for variable, _ in rest])
    return total


def _independent_moment(variable: sp.Expr, power: int, second_moment: sp.Expr) -> sp.Expr:
    """Return E[v^power] of a variable of mean 0."""
    if power > 2:
        raise ValueError(f"second moments do not determine E[{variable}^{power}]")
    return (sp.S.One, sp.S.Zero, second_moment)[power]


def _joint_moment(factors: Sequence[tuple[sp.Expr, int]], second_moments: Sequence[sp.Expr]) -> sp.Expr:
    """Return the expectation of a product of powers; it stays an unknown E(...) but where it is a second moment."""
    if not factors:
        return sp.S.One
    if len(factors) == 1 and factors[0][1] == 2:
        return second_moments[0]
    return _EXPECTATION(sp.Mul(*(variable**power for variable, power in factors)))


def is_variance(
    claimed: sp.Expr,
    variable: sp.Expr,
    second_moments: Mapping[Variable, sp.Expr],
    independent: Collection[Variable],
) -> bool:
    """Whether ``variable`` has mean zero and variance ``claimed``."""
    mean = expectation(variable, second_moments, independent)
    square = expectation(sp.expand(variable**2), second_moments, independent)
    return bool(mean == 0) and equal(claimed, square)


def is_variance_of_sum(
    claimed: sp.Expr,
    total: sp.Sum,
    second_moments: Mapping[Variable, sp.Expr],
    independent: Collection[Variable],
) -> bool:
    """Whether a sum of a symbolic number of terms has mean zero and variance ``claimed``.

    Proved for one, two and three terms by expansion, and for any number by induction: with S the sum of the
    first m terms and ``claimed`` its second moment, E[(S + term)^2] is ``claimed`` for m + 1 terms.
    """
    term, (bound, _, count) = total.function, total.limits[0]
    small = all(
        is_variance(claimed.subs(count, m), total.subs(count, m).doit(), second_moments, independent) for m in (1, 2, 3)
    )
    m, partial = sp.Symbol("m", integer=True, positive=True), sp.Symbol("S")
    with_partial = {**second_moments, partial: claimed.subs(count, m)}
    following = term.subs(bound, m + 1)
    square = expectation(sp.expand((partial + following) ** 2), with_partial, independent)
    return small and equal(square, claimed.subs(count, m + 1))
