"""Initialisers that keep signals by fan_in: LeCun et al. (1998) for linear units, He et al. (2015) for ReLU."""

from dataclasses import replace
from functools import cache

import sympy as sp

from glorotlab.derivations.engine.algebra import equal, equation, insert, solution, solves
from glorotlab.derivations.engine.assumptions import (
    BOTH,
    equal_output_gradient,
    gradient_independence,
    independent_weights,
    replaced,
    symmetric_uniform,
    wide_layers,
    zero_bias,
    zero_mean_weights,
)
from glorotlab.derivations.engine.derivation import Assumption, Conclusion, Derivation, Step
from glorotlab.derivations.engine.expectation import is_variance_of_sum
from glorotlab.derivations.engine.linear_networks import LINEAR, NONLINEAR, Setting, trials
from glorotlab.derivations.engine.notation import (
    Activation,
    ActivationSecondMoment,
    Gradient,
    GradientVariance,
    PreactivationVariance,
    SlopeSecondMoment,
    Weight,
    WeightVariance,
    Width,
    d,
    gaussian_square,
    i,
    input_second_moment,
    input_variance,
    k,
    layer,
    unit,
)
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.forward import forward_square, forward_variance

relu_units = Assumption(
    "relu_units",
    "Units are rectified: f(s) = max(0, s).",
    "Another f lets another share of the second moment by; only of positively homogeneous f is it the same at every "
    "variance.",
)
leaky_units = Assumption(
    "leaky_units",
    "Units are leaky: f(s) = s above 0 and a s below.",
    "Another f lets another share of the second moment by.",
)
symmetric_weights = Assumption(
    "symmetric_weights",
    "W^i and its negative have one law, and no pre-activation is exactly 0.",
    "Pre-activations then need not be as often positive as negative, and the positive half need not hold half of "
    "the second moment. They are 0 where every unit below is off, as all of n ReLUs are with probability 1/2 to the n.",
)
equal_input_squares = Assumption(
    "equal_input_squares",
    "Every input has the same second moment E[x^2].",
    "Only the sum over inputs reaches the first layer: their mean square takes the place of E[x^2] from layer 1 on.",
)

_BOUND = sp.Symbol("a", positive=True)
_LEAK = sp.Symbol("a", nonnegative=True)
_S = sp.Symbol("s", positive=True)
_TRIED = sp.Rational(1, 2)
"""The slope below 0 of the networks that are drawn."""


@cache
def lecun_initialization(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[W^i] = 1 / n_i; ``without`` linear_regime it keeps what reaches f, and f does the rest."""
    linear = "linear_regime" not in without
    square = forward_square(without | (frozenset() if linear else {"zero_mean_inputs"}))
    forward, backward = forward_variance(without), backward_variance(without)
    result = equation(WeightVariance(i), 1 / Width(i))
    slopes = sp.S.One if linear else sp.Product(SlopeSecondMoment(layer), (layer, i, d - 1))
    kept = equation(square(i), input_variance) if linear else equation(square(i + 1), gaussian_square(square(i)))
    gradient = equation(GradientVariance(i), GradientVariance(d) * slopes * Width(d + 1) / Width(i + 1))
    steps = (
        Step(
            "Before f is applied a layer multiplies by n_i Var[W^i].",
            equation(PreactivationVariance(i), Width(i) * WeightVariance(i) * square(i)),
            "the second step of forward_variance" + ("" if linear else " without linear_regime; wide_layers"),
            lambda claim, _: claim.lhs == PreactivationVariance(i) and equal(claim.rhs, forward.steps[1].equation.rhs),
        ),
        Step(
            "Pre-activations are to vary as much as what comes in.",
            result,
            "step 1 set equal to its last factor",
            lambda claim, earlier: (
                claim.lhs == WeightVariance(i)
                and {claim.rhs} == solution(equation(earlier[0].rhs, square(i)), WeightVariance(i))
            ),
        ),
        Step(
            "A uniform weight then has three times the variance of eq. 1.",
            equation(_BOUND, sp.sqrt(3) / sp.sqrt(Width(i))),
            "symmetric_uniform, with variance a^2 / 3; step 2 solved for a > 0",
            lambda claim, earlier: (
                claim.lhs == _BOUND and equal(claim.rhs, *solution(equation(_BOUND**2 / 3, earlier[1].rhs), _BOUND))
            ),
        ),
        Step(
            "The variance of activations stays that of the inputs."
            if linear
            else "What is left is f itself: with F(q) = E[f(s)^2] over s ~ N(0, q),",
            kept,
            "step 2 inserted into the layers of forward_variance" + ("" if linear else " without linear_regime"),
            lambda claim, earlier: _kept(claim, insert(forward.steps[3].equation, earlier[1]), linear),
        ),
        Step(
            "Gradients meet fan_out, so the widths at both ends remain.",
            gradient,
            "step 2 inserted into the layers of backward_variance, where the widths between cancel",
            lambda claim, earlier: (
                claim.lhs == GradientVariance(i)
                and solves(claim, insert(backward.steps[2].equation, earlier[1]), start=d, value=GradientVariance(d))
            ),
        ),
    )
    return Derivation(
        "lecun_initialization",
        "Initialisation by fan_in",
        "LeCun, Bottou, Orr & Mueller 1998, section 4.6",
        replaced((*BOTH, symmetric_uniform), without, {"linear_regime": wide_layers}),
        steps,
        (
            Conclusion(None, result, difference="It keeps pre-activations, whatever fan_out is."),
            Conclusion(None, gradient, difference="Gradients shrink or grow with the widths of the layers."),
        ),
        experiment=lambda random: trials([kept, gradient], _lecun_networks(linear), random),
        carries=frozenset({"linear_regime"}) - without,
    )


def _kept(claim: sp.Eq, one_layer: sp.Eq, linear: bool) -> bool:
    """Whether the layers' recurrence, with Var[W^i] inserted, is the claim, or keeps the claimed value."""
    if not linear:
        return bool(claim.lhs == one_layer.lhs) and equal(claim.rhs, one_layer.rhs)
    formula = equation(claim.lhs, claim.rhs)
    return solves(formula, one_layer, start=sp.S.Zero, value=input_variance)


def _lecun_networks(linear: bool) -> Setting:
    setting = LINEAR if linear else NONLINEAR
    return replace(setting, weight_variances=tuple(1 / n for n in setting.widths[:-1]), uniform=linear)


@cache
def he_initialization(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[W^i] = 2 / n_i; ``without`` relu_units 2 / ((1 + a^2) n_i) of leaky ones."""
    units, leak = (leaky_units, _LEAK) if "relu_units" in without else (relu_units, sp.S.Zero)
    share = (1 + leak**2) / 2
    square, variance = ActivationSecondMoment, WeightVariance(i)
    one_layer = equation(square(i + 1), share * Width(i) * variance * square(i))
    result = equation(variance, 1 / (share * Width(i)))
    gradient = equation(GradientVariance(i), GradientVariance(d) * Width(d + 1) / Width(i + 1))
    steps = (
        Step(
            "Products of independent terms of mean 0 add their second moments.",
            equation(PreactivationVariance(i), Width(i) * variance * square(i)),
            "definition s^i = z^i W^i; zero_bias; independent_weights, zero_mean_weights; equal in every unit by "
            "equal_input_squares; induction on n_i",
            lambda claim, _: claim.lhs == PreactivationVariance(i) and _adds(claim.rhs, Activation, square(i), i),
        ),
        Step(
            "Of a symmetric law the positive half holds half of the second moment.",
            equation(square(i + 1), share * PreactivationVariance(i)),
            f"{units.name}; symmetric_weights: s and -s are equally likely, and the squares of f(s) and f(-s) add to a "
            "multiple of that of s",
            lambda claim, _: (
                claim.lhs == square(i + 1)
                and equal(claim.rhs, _mean_over_signs(_unit(leak) ** 2 / _S**2) * PreactivationVariance(i))
            ),
        ),
        Step(
            "So one layer multiplies second moments by one factor.",
            one_layer,
            "steps 1 and 2",
            lambda claim, earlier: claim.lhs == square(i + 1) and equal(claim.rhs, insert(earlier[1].rhs, earlier[0])),
        ),
        Step(
            "That factor is to be 1.",
            result,
            "step 3 with equal second moments, solved for Var[W^i]",
            lambda claim, earlier: (
                claim.lhs == variance
                and len(solution(equation(earlier[2].rhs, square(i)), variance)) == 1
                and equal(claim.rhs, *solution(equation(earlier[2].rhs, square(i)), variance))
            ),
        ),
        Step(
            "Slopes have that share too.",
            equation(SlopeSecondMoment(i), share),
            f"{units.name}; symmetric_weights",
            lambda claim, _: (
                claim.lhs == SlopeSecondMoment(i) and equal(claim.rhs, _mean_over_signs(_unit(leak).diff(_SIGNED) ** 2))
            ),
        ),
        Step(
            "Passing W^(i+1) and f'(s^i) multiplies the variance of gradients by n_(i+2) Var[W^(i+1)] and that.",
            equation(GradientVariance(i), share * Width(i + 2) * WeightVariance(i + 1) * GradientVariance(i + 1)),
            "step 5; eq. 2; independent_weights, zero_mean_weights, gradient_independence, equal_output_gradient; "
            "induction on n_(i+2)",
            lambda claim, earlier: (
                claim.lhs == GradientVariance(i)
                and _adds(claim.rhs / earlier[4].rhs, Gradient, GradientVariance(i + 1), i + 1)
            ),
        ),
        Step(
            "For gradients alone the same wish needs fan_out.",
            equation(WeightVariance(i + 1), 1 / (share * Width(i + 2))),
            "step 6 with equal variances, solved for Var[W^(i+1)]",
            lambda claim, earlier: (
                claim.lhs == WeightVariance(i + 1)
                and equal(claim.rhs, *solution(equation(earlier[5].rhs, GradientVariance(i + 1)), claim.lhs))
            ),
        ),
        Step(
            "Under the choice of step 4 gradients keep all but the ratio of the widths at both ends.",
            gradient,
            "step 4 inserted into step 6, by induction downwards from the output; the widths between cancel",
            lambda claim, earlier: (
                claim.lhs == GradientVariance(i)
                and solves(claim, insert(earlier[5], earlier[3]), start=d, value=GradientVariance(d))
            ),
        ),
    )
    assumptions = (
        units,
        symmetric_weights,
        zero_bias,
        zero_mean_weights,
        independent_weights,
        equal_input_squares,
        gradient_independence,
        equal_output_gradient,
    )
    kept = equation(square(i), input_second_moment)
    return Derivation(
        "he_initialization",
        "Initialisation of rectified units",
        "He, Zhang, Ren & Sun 2015, section 2.2",
        assumptions,
        steps,
        (
            Conclusion(
                None, result, difference="It is 1 / n_i divided by the share of a second moment that f lets by."
            ),
            Conclusion(None, gradient, difference="One choice serves both directions up to the widths at both ends."),
        ),
        experiment=lambda random: trials([kept, gradient], _he_networks(leaky=bool(leak)), random, networks=20_000),
        carries=frozenset({"relu_units"}) - without,
    )


_SIGNED = sp.Symbol("s", real=True)


def _unit(leak: sp.Expr) -> sp.Expr:
    return sp.Piecewise((_SIGNED, _SIGNED > 0), (leak * _SIGNED, True))


def _mean_over_signs(expression: sp.Expr) -> sp.Expr:
    """Return the mean of an expression over s and -s."""
    both = expression.subs(_SIGNED, _S) + expression.subs(_SIGNED, -_S)
    return sp.simplify(both / 2)


def _adds(claimed: sp.Expr, factor: type[sp.Function], square: sp.Expr, index: sp.Expr) -> bool:
    """Whether a sum over units of weights times ``factor`` has variance ``claimed``."""
    if factor is Activation:
        total = sp.Sum(Activation(index, unit) * Weight(index, unit, k), (unit, 1, Width(index)))
    else:
        total = sp.Sum(Weight(index, k, unit) * Gradient(index, unit), (unit, 1, Width(index + 1)))
    return is_variance_of_sum(claimed, total, {Weight: WeightVariance(index), factor: square}, independent={Weight})


def _he_networks(*, leaky: bool) -> Setting:
    """Return networks with the weights derived, so wide that layers without any unit on do not count."""
    leak = _TRIED if leaky else sp.S.Zero
    share = float((1 + leak**2) / 2)
    widths = (5, 14, 12, 13, 3)
    variances = tuple(1 / (share * n) for n in widths[:-1])
    name = f"leaky_relu(slope={float(leak)})" if leaky else "relu"
    return replace(LINEAR, widths=widths, weight_variances=variances, activation=name, input_mean=1.0)
