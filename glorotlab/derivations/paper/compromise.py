"""Equation 12: the compromise between the forward and the backward condition, and its alternatives."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import sympy as sp

from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import at, equal, equation, insert, solution
from glorotlab.derivations.engine.assumptions import BOTH
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.linear_networks import LINEAR, trials
from glorotlab.derivations.engine.notation import WeightVariance, Width, i
from glorotlab.derivations.engine.step import Conclusion, Lemma, Step
from glorotlab.derivations.engine.trial import Trial
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.conditions import backward_condition, forward_condition
from glorotlab.derivations.paper.forward import forward_variance

_BELOW, _ABOVE, _VARIANCE = Width(i), Width(i + 1), WeightVariance(i)
_GEOMETRIC, _LEAST_SQUARES = sp.symbols("v_geometric v_squares", positive=True)


@cache
def compromise() -> Derivation:
    """Derive Var[W^i] = 2 / (n_i + n_{i+1}), and its cost and that of two alternatives, forward and backward."""
    forward, backward = forward_condition().lemma(), backward_condition().lemma()
    result = equation(_VARIANCE, 2 / (_BELOW + _ABOVE))
    total, squares = _BELOW + _ABOVE, _BELOW**2 + _ABOVE**2
    steps = (
        *_conflict(forward, backward),
        Step(
            "compromise",
            "That fixes the variance.",
            result,
            lambda claim, earlier: claim.lhs == _VARIANCE and {claim.rhs} == solution(earlier["average"], _VARIANCE),
            follows=("average",),
            rule="solved for Var[W^i]",
        ),
        _minimax(forward.equation.lhs, backward.equation.lhs, result),
        *_costs("compromise", "the compromise of eq. 12", _VARIANCE, 2 * _BELOW / total, 2 * _ABOVE / total),
        _minimiser(
            "geometric",
            "Minimizing the sum of the squared logarithms of the two factors gives the geometric compromise.",
            equation(_GEOMETRIC, 1 / sp.sqrt(_BELOW * _ABOVE)),
            lambda variance: sp.log(_BELOW * variance) ** 2 + sp.log(_ABOVE * variance) ** 2,
        ),
        *_costs(
            "geometric",
            "the geometric compromise",
            _GEOMETRIC,
            sp.sqrt(_BELOW / _ABOVE),
            sp.sqrt(_ABOVE / _BELOW),
        ),
        _minimiser(
            "least_squares",
            "Minimizing the sum of the squared deviations of the two factors from 1 gives least squares.",
            equation(_LEAST_SQUARES, total / squares),
            lambda variance: (_BELOW * variance - 1) ** 2 + (_ABOVE * variance - 1) ** 2,
        ),
        *_costs("least_squares", "least squares", _LEAST_SQUARES, _BELOW * total / squares, _ABOVE * total / squares),
    )
    return Derivation(
        *heading("compromise"),
        BOTH,
        steps,
        (Conclusion(12, result, printed=equation(_VARIANCE, 2 / (_BELOW + _ABOVE))),),
        experiment=lambda random: _experiment(result, random),
    )


def _conflict(forward: Lemma, backward: Lemma) -> tuple[Step, Step]:
    """Return the steps that show that both conditions exclude each other, and the weaker requirement."""
    mean = (forward.equation.lhs + backward.equation.lhs) / 2
    return (
        Step(
            "equal_widths_alone",
            "Both conditions hold only where neighboring layers have equal widths.",
            equation(_ABOVE, _BELOW),
            lambda claim, _: (
                solution(claim, _ABOVE) == _common_width(forward.equation, backward.equation) and claim.lhs == _ABOVE
            ),
            lemmas=(forward, backward),
            rule="eqs. 10 and 11 solved together",
        ),
        Step(
            "average",
            "Elsewhere let them hold on average: the mean of the two factors is 1.",
            equation(mean, sp.S.One),
            lambda claim, _: equal(claim.lhs, mean) and claim.rhs == 1,
            lemmas=(forward, backward),
            rule="the choice that makes eq. 12",
        ),
    )


def _common_width(forward: sp.Eq, backward: sp.Eq) -> set[sp.Expr]:
    (variance,) = solution(forward, _VARIANCE)
    return solution(backward.subs(_VARIANCE, variance), _ABOVE)


def _minimax(forward: sp.Expr, backward: sp.Expr, compromise: sp.Eq) -> Step:
    """Return the step that the compromise minimizes the larger deviation of both factors from 1."""

    def check(claim: sp.Eq, earlier: Mapping[str, sp.Eq]) -> bool:
        return (
            equal(claim.lhs, insert(forward - 1, earlier["compromise"]))
            and equal(claim.rhs, insert(1 - backward, earlier["compromise"]))
            and equal(claim.lhs, claim.rhs)
            and all((factor / _VARIANCE).is_positive for factor in (forward, backward))
        )

    return Step(
        "minimax",
        "One factor then exceeds 1 by as much as the other falls short of it, and any other variance "
        "enlarges one of the two: eq. 12 minimizes the larger deviation.",
        equation(insert(forward - 1, compromise), insert(1 - backward, compromise)),
        check,
        follows=("compromise",),
        rule="the factors increase with Var[W^i]",
    )


def _minimiser(name: str, statement: str, claimed: sp.Eq, objective: Callable[[sp.Expr], sp.Expr]) -> Step:
    """Return the step that ``claimed`` is the only minimum of a function of the weight variance."""

    def check(claim: sp.Eq, _: Mapping[str, sp.Eq]) -> bool:
        variance = sp.Symbol("v", positive=True)
        derivative = objective(variance).diff(variance)
        widths = {_BELOW: sp.Symbol("a", positive=True), _ABOVE: sp.Symbol("b", positive=True)}
        stationary = sp.solve(derivative.subs(widths), variance)
        return (
            claim.lhs == claimed.lhs
            and len(stationary) == 1
            and equal(claim.rhs.subs(widths), stationary[0])
            and bool(derivative.diff(variance).subs(variance, claim.rhs).simplify() > 0)
        )

    return Step(
        name,
        statement,
        claimed,
        check,
        rule="the derivative by the variance vanishes there alone, the second is positive",
    )


def _costs(choice: str, words: str, variance: sp.Expr, forward: sp.Expr, backward: sp.Expr) -> tuple[Step, Step]:
    """Return the forward and the backward factor under the choice of the step ``choice``."""

    def step(direction: str, quantity: str, number: int, width: sp.Expr, factor: sp.Expr) -> Step:
        return Step(
            f"{choice}_{direction}",
            f"Under {words} one layer multiplies the variance of {quantity} by this factor.",
            equation(width * variance, factor),
            lambda claim, earlier: (
                claim.lhs == width * variance and equal(claim.rhs, claim.lhs.subs(*earlier[choice].args))
            ),
            follows=(choice,),
            rule=f"inserted into the factor of eq. {number}",
        )

    return (
        step("forward", "activations", 10, _BELOW, forward),
        step("backward", "gradients", 11, _ABOVE, backward),
    )


def _experiment(result: sp.Eq, random: np.random.Generator) -> tuple[Trial, ...]:
    """Draw networks whose weights have the compromise's variances."""
    variances = tuple(LINEAR.value(result.rhs, layer) for layer in range(LINEAR.top + 1))
    formulas = forward_variance().result, backward_variance().result
    claims = [equation(formula.lhs, insert(at(formula, i), result)) for formula in formulas]
    return trials(claims, replace(LINEAR, weight_variances=variances), random)
