"""Equations 10 and 11: what keeps the variance of activations, and of gradients, equal in all layers."""

from dataclasses import replace
from functools import cache

import sympy as sp

from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import at, equal, equation, insert, solution
from glorotlab.derivations.engine.assumptions import BACKWARD, FORWARD
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.linear_networks import LINEAR, Setting, trials
from glorotlab.derivations.engine.notation import (
    ActivationVariance,
    GradientVariance,
    WeightVariance,
    Width,
    d,
    i,
    input_variance,
)
from glorotlab.derivations.engine.step import Assumption, Conclusion, Lemma, Step
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.forward import forward_variance


@cache
def forward_condition() -> Derivation:
    """Derive n_i Var[W^i] = 1 from the wish that every Var[z^i] is equal (eq. 8)."""
    return _condition(
        "forward_condition",
        FORWARD,
        forward_variance().lemma(),
        Conclusion(10, *_twice(equation(Width(i) * WeightVariance(i), sp.S.One))),
        ratio=ActivationVariance(i + 1) / ActivationVariance(i),
        kept=equation(ActivationVariance(i), input_variance),
        domain="This binds W^0 to W^(d-1); W^d leads to the output alone.",
    )


@cache
def backward_condition() -> Derivation:
    """Derive n_{i+1} Var[W^i] = 1 from the wish that every Var[dC/ds^i] is equal (eq. 9)."""
    return _condition(
        "backward_condition",
        BACKWARD,
        backward_variance().lemma(),
        Conclusion(11, *_twice(equation(Width(i + 1) * WeightVariance(i), sp.S.One))),
        ratio=GradientVariance(i - 1) / GradientVariance(i),
        kept=equation(GradientVariance(i), GradientVariance(d)),
        domain="This binds W^1 to W^d; no gradient passes through W^0.",
    )


def _twice(relation: sp.Eq) -> tuple[sp.Eq, sp.Eq]:
    """Return result and printed equation where they are one."""
    return relation, relation


def _condition(
    name: str,
    assumptions: tuple[Assumption, ...],
    variance: Lemma,
    conclusion: Conclusion,
    *,
    ratio: sp.Expr,
    kept: sp.Eq,
    domain: str,
) -> Derivation:
    """Derive the condition under which one factor, by which a layer multiplies ``variance``, is 1."""
    condition = conclusion.result
    steps = (
        Step(
            "factor",
            "Passing W^i multiplies the variance by one factor.",
            equation(ratio, condition.lhs),
            lambda claim, _: equal(claim.lhs, ratio) and equal(insert(claim.lhs, variance.equation), claim.rhs),
            lemmas=(variance,),
            rule="at neighboring layers",
        ),
        Step(
            "condition",
            f"Equal variances make that factor 1. {domain}",
            condition,
            lambda claim, earlier: (
                equal(claim.lhs, earlier["factor"].rhs)
                and solution(claim, WeightVariance(i))
                == solution(equation(earlier["factor"].rhs, sp.S.One), WeightVariance(i))
            ),
            follows=("factor",),
            rule="the factor set to 1",
        ),
        Step(
            "kept",
            "Conversely the condition keeps the variance at its starting value in every layer.",
            kept,
            lambda claim, earlier: (
                claim.lhs == variance.equation.lhs and equal(claim.rhs, _under(earlier["condition"], variance.equation))
            ),
            follows=("condition",),
            lemmas=(variance,),
        ),
    )
    return Derivation(
        *heading(name),
        assumptions,
        steps,
        (conclusion,),
        experiment=lambda random: trials([kept], _setting(condition), random),
    )


def _setting(condition: sp.Eq) -> Setting:
    """Return networks whose every layer meets the condition."""
    (variance,) = solution(condition, WeightVariance(i))
    return replace(LINEAR, weight_variances=tuple(LINEAR.value(variance, layer) for layer in range(LINEAR.top + 1)))


def _under(condition: sp.Eq, variance: sp.Eq) -> sp.Expr:
    """Return the variance in layer i where every layer meets the condition."""
    (weight_variance,) = solution(condition, WeightVariance(i))
    return insert(at(variance, i), equation(WeightVariance(i), weight_variance)).doit()
