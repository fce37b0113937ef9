"""Equation 12: the compromise between the forward and the backward condition, and its alternatives."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import sympy as sp

from glorotlab.derivations.engine.algebra import at, equal, equation, insert, solution
from glorotlab.derivations.engine.assumptions import BOTH
from glorotlab.derivations.engine.derivation import Conclusion, Derivation, Step
from glorotlab.derivations.engine.linear_networks import LINEAR, trials
from glorotlab.derivations.engine.notation import WeightVariance, Width, i
from glorotlab.derivations.engine.trial import Trial
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.conditions import backward_condition, forward_condition
from glorotlab.derivations.paper.forward import forward_variance

_BELOW, _ABOVE, _VARIANCE = Width(i), Width(i + 1), WeightVariance(i)
_GEOMETRIC, _LEAST_SQUARES = sp.symbols("v_geometric v_squares", positive=True)


@cache
def compromise() -> Derivation:
    """Derive Var[W^i] = 2 / (n_i + n_{i+1}) and what it and two alternatives cost forward and backward."""
    forward, backward = forward_condition().result, backward_condition().result
    result = equation(_VARIANCE, 2 / (_BELOW + _ABOVE))
    residual, other = insert(forward.lhs - 1, result), insert(1 - backward.lhs, result)
    steps = (
        Step(
            "Both conditions hold only where neighbouring layers have equal widths.",
            equation(_ABOVE, _BELOW),
            "eqs. 10 and 11 solved together, the results of forward_condition and backward_condition",
            lambda claim, _: solution(claim, _ABOVE) == _common_width(forward, backward) and claim.lhs == _ABOVE,
        ),
        Step(
            "Elsewhere let them hold on average: the mean of the two factors is 1.",
            equation((forward.lhs + backward.lhs) / 2, sp.S.One),
            "the choice that makes eq. 12",
            lambda claim, _: equal(claim.lhs, (forward.lhs + backward.lhs) / 2) and claim.rhs == 1,
        ),
        Step(
            "That fixes the variance.",
            result,
            "step 2 solved for Var[W^i]",
            lambda claim, earlier: claim.lhs == _VARIANCE and {claim.rhs} == solution(earlier[1], _VARIANCE),
        ),
        Step(
            "One factor then exceeds 1 by as much as the other falls short of it, and any other variance "
            "enlarges one of the two: eq. 12 minimises the larger deviation.",
            equation(residual, other),
            "step 3 inserted; the factors increase with Var[W^i]",
            lambda claim, earlier: (
                equal(claim.lhs, insert(forward.lhs - 1, earlier[2]))
                and equal(claim.rhs, insert(1 - backward.lhs, earlier[2]))
                and equal(claim.lhs, claim.rhs)
                and all((condition.lhs / _VARIANCE).is_positive for condition in (forward, backward))
            ),
        ),
        *_costs(
            "the compromise of eq. 12",
            _VARIANCE,
            2,
            2 * _BELOW / (_BELOW + _ABOVE),
            2 * _ABOVE / (_BELOW + _ABOVE),
        ),
        _minimiser(
            "Minimising the sum of the squared logarithms of the two factors gives the geometric compromise.",
            equation(_GEOMETRIC, 1 / sp.sqrt(_BELOW * _ABOVE)),
            lambda variance: sp.log(_BELOW * variance) ** 2 + sp.log(_ABOVE * variance) ** 2,
        ),
        *_costs("the geometric compromise", _GEOMETRIC, 6, sp.sqrt(_BELOW / _ABOVE), sp.sqrt(_ABOVE / _BELOW)),
        _minimiser(
            "Minimising the sum of the squared deviations of the two factors from 1 gives least squares.",
            equation(_LEAST_SQUARES, (_BELOW + _ABOVE) / (_BELOW**2 + _ABOVE**2)),
            lambda variance: (_BELOW * variance - 1) ** 2 + (_ABOVE * variance - 1) ** 2,
        ),
        *_costs(
            "least squares",
            _LEAST_SQUARES,
            9,
            _BELOW * (_BELOW + _ABOVE) / (_BELOW**2 + _ABOVE**2),
            _ABOVE * (_BELOW + _ABOVE) / (_BELOW**2 + _ABOVE**2),
        ),
    )
    return Derivation(
        "compromise",
        "Compromise between the two conditions",
        "Glorot & Bengio 2010, eq. 12",
        BOTH,
        steps,
        (Conclusion(12, result, printed=equation(_VARIANCE, 2 / (_BELOW + _ABOVE))),),
        experiment=lambda random: _experiment(result, random),
    )


def _experiment(result: sp.Eq, random: np.random.Generator) -> tuple[Trial, ...]:
    """Draw networks whose weights have the compromise's variances."""
    variances = tuple(LINEAR.value(result.rhs, layer) for layer in range(LINEAR.top + 1))
    travelling = forward_variance().result, backward_variance().result
    claims = [equation(each.lhs, insert(at(each, i), result)) for each in travelling]
    return trials(claims, replace(LINEAR, weight_variances=variances), random)


def _common_width(forward: sp.Eq, backward: sp.Eq) -> set[sp.Expr]:
    (variance,) = solution(forward, _VARIANCE)
    return solution(backward.subs(_VARIANCE, variance), _ABOVE)


def _minimiser(statement: str, claimed: sp.Eq, objective: Callable[[sp.Expr], sp.Expr]) -> Step:
    """Return the step that ``claimed`` is the only minimum of a function of the weight variance."""

    def check(claim: sp.Eq, _: tuple[sp.Eq, ...]) -> bool:
        variance = sp.Symbol("v", positive=True)
        slope = objective(variance).diff(variance)
        widths = {_BELOW: sp.Symbol("a", positive=True), _ABOVE: sp.Symbol("b", positive=True)}
        stationary = sp.solve(slope.subs(widths), variance)
        return (
            claim.lhs == claimed.lhs
            and len(stationary) == 1
            and equal(claim.rhs.subs(widths), stationary[0])
            and bool(slope.diff(variance).subs(variance, claim.rhs).simplify() > 0)
        )

    return Step(
        statement,
        claimed,
        "the derivative by the variance vanishes there alone, the second is positive",
        check,
    )


def _costs(rule: str, variance: sp.Expr, source: int, forward: sp.Expr, backward: sp.Expr) -> tuple[Step, Step]:
    """Return what the rule of step ``source`` (counted from 0) makes of the forward and backward factors."""

    def step(quantity: str, number: int, width: sp.Expr, factor: sp.Expr) -> Step:
        return Step(
            f"Under {rule} one layer multiplies the variance of {quantity} by this factor.",
            equation(width * variance, factor),
            f"step {source + 1} inserted into the factor of eq. {number}",
            lambda claim, earlier: (
                claim.lhs == width * variance and equal(claim.rhs, claim.lhs.subs(*earlier[source].args))
            ),
        )

    return step("activations", 10, _BELOW, forward), step("gradients", 11, _ABOVE, backward)
