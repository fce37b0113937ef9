"""The initializer that keeps linear signals by fan_in: LeCun et al. (1998)."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import sympy as sp

from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import equal, equation, insert, solution, solves
from glorotlab.derivations.engine.assumptions import BOTH, replaced, symmetric_uniform, wide_layers
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.linear_networks import LINEAR, NONLINEAR, Setting, trials
from glorotlab.derivations.engine.notation import (
    DerivativeSecondMoment,
    GradientVariance,
    PreactivationVariance,
    WeightVariance,
    Width,
    d,
    gaussian_square,
    i,
    input_variance,
    layer,
)
from glorotlab.derivations.engine.step import Conclusion, Lemma, Step
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.forward import all_dropped, forward_square, forward_variance

_BOUND = sp.Symbol("a", positive=True)


@cache
def lecun_initialization(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[W^i] = 1 / n_i; ``without`` linear_regime it keeps what reaches f, and f does the rest."""
    linear = "linear_regime" not in without
    square = forward_square(without)
    forward, backward = forward_variance(without), backward_variance(without)
    kept = _kept(square, forward.lemma("one_layer"), linear=linear)
    gradient = _gradient(backward.lemma("one_layer"), linear=linear)
    steps = (_factor(square, forward.lemma("variance")), *_choice(square), kept, gradient)
    return Derivation(
        *heading("lecun_initialization"),
        replaced((*BOTH, symmetric_uniform), all_dropped(without), {"linear_regime": wide_layers}),
        steps,
        (
            Conclusion(None, steps[1].equation, difference="It keeps pre-activations, whatever fan_out is."),
            Conclusion(None, gradient.equation, difference="Gradients shrink or grow with the widths of the layers."),
        ),
        experiment=lambda random: trials([kept.equation, gradient.equation], _networks(linear=linear), random),
        carries=frozenset({"linear_regime"}) - without,
        without=without,
    )


def _factor(square: type[sp.Function], variance: Lemma) -> Step:
    return Step(
        "factor",
        "Before f is applied a layer multiplies by n_i Var[W^i].",
        equation(PreactivationVariance(i), Width(i) * WeightVariance(i) * square(i)),
        lambda claim, _: claim.lhs == PreactivationVariance(i) and equal(claim.rhs, variance.equation.rhs),
        lemmas=(variance,),
    )


def _choice(square: type[sp.Function]) -> tuple[Step, Step]:
    """Return the steps that fix the variance of the weights, and the bound of uniform ones."""
    return (
        Step(
            "choice",
            "Pre-activations are to vary as much as what comes in.",
            equation(WeightVariance(i), 1 / Width(i)),
            lambda claim, earlier: (
                claim.lhs == WeightVariance(i)
                and {claim.rhs} == solution(equation(earlier["factor"].rhs, square(i)), WeightVariance(i))
            ),
            follows=("factor",),
            rule="set equal to its last factor",
        ),
        Step(
            "bound",
            "A uniform weight then has three times the variance of eq. 1.",
            equation(_BOUND, sp.sqrt(3) / sp.sqrt(Width(i))),
            lambda claim, earlier: (
                claim.lhs == _BOUND
                and equal(claim.rhs, *solution(equation(_BOUND**2 / 3, earlier["choice"].rhs), _BOUND))
            ),
            uses=(symmetric_uniform,),
            follows=("choice",),
            rule="with variance a^2 / 3, solved for a > 0",
        ),
    )


def _kept(square: type[sp.Function], one_layer: Lemma, *, linear: bool) -> Step:
    def check(claim: sp.Eq, earlier: Mapping[str, sp.Eq]) -> bool:
        recurrence = insert(one_layer.equation, earlier["choice"])
        if linear:
            return solves(equation(claim.lhs, claim.rhs), recurrence, start=sp.S.Zero, value=input_variance)
        return bool(claim.lhs == recurrence.lhs) and equal(claim.rhs, recurrence.rhs)

    return Step(
        "kept",
        "The variance of activations stays that of the inputs."
        if linear
        else "What is left is f itself: with F(q) = E[f(s)^2] over s ~ N(0, q),",
        equation(square(i), input_variance) if linear else equation(square(i + 1), gaussian_square(square(i))),
        check,
        follows=("choice",),
        lemmas=(one_layer,),
    )


def _gradient(one_layer: Lemma, *, linear: bool) -> Step:
    derivatives = sp.S.One if linear else sp.Product(DerivativeSecondMoment(layer), (layer, i, d - 1))
    return Step(
        "gradient",
        "Gradients meet fan_out, so the widths at both ends remain.",
        equation(GradientVariance(i), GradientVariance(d) * derivatives * Width(d + 1) / Width(i + 1)),
        lambda claim, earlier: (
            claim.lhs == GradientVariance(i)
            and solves(claim, insert(one_layer.equation, earlier["choice"]), start=d, value=GradientVariance(d))
        ),
        follows=("choice",),
        lemmas=(one_layer,),
        rule="the widths between cancel",
    )


def _networks(*, linear: bool) -> Setting:
    setting = LINEAR if linear else NONLINEAR
    return replace(setting, weight_variances=tuple(1 / n for n in setting.widths[:-1]), uniform=linear)
