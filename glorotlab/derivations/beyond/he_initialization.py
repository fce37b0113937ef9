"""The initializer that keeps the signals of rectified units by fan_in: He et al. (2015)."""

from dataclasses import replace
from functools import cache

import sympy as sp

from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import equal, equation, insert, solution, solves
from glorotlab.derivations.engine.assumptions import (
    equal_output_gradient,
    gradient_independence,
    independent_weights,
    zero_bias,
    zero_mean_weights,
)
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.expectation import is_variance_of_sum
from glorotlab.derivations.engine.linear_networks import LINEAR, Setting, trials
from glorotlab.derivations.engine.notation import (
    Activation,
    ActivationSecondMoment,
    DerivativeSecondMoment,
    Gradient,
    GradientVariance,
    PreactivationVariance,
    Weight,
    WeightVariance,
    Width,
    d,
    i,
    input_second_moment,
    k,
    unit,
)
from glorotlab.derivations.engine.step import Assumption, Conclusion, Step

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

_LEAK = sp.Symbol("a", nonnegative=True)
_POSITIVE, _SIGNED = sp.Symbol("s", positive=True), sp.Symbol("s", real=True)
_SQUARE = ActivationSecondMoment
_DRAWN_LEAK = sp.Rational(1, 2)
"""The slope below 0 of the networks that are drawn."""


@cache
def he_initialization(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[W^i] = 2 / n_i; ``without`` relu_units 2 / ((1 + a^2) n_i) of leaky ones."""
    units, leak = (leaky_units, _LEAK) if "relu_units" in without else (relu_units, sp.S.Zero)
    forward, backward = _forward(units, leak), _backward(units, leak)
    result, gradient = forward[-1].equation, backward[-1].equation
    kept = equation(_SQUARE(i), input_second_moment)
    return Derivation(
        *heading("he_initialization"),
        (
            units,
            symmetric_weights,
            zero_bias,
            zero_mean_weights,
            independent_weights,
            equal_input_squares,
            gradient_independence,
            equal_output_gradient,
        ),
        (*forward, *backward),
        (
            Conclusion(
                None, result, difference="It is 1 / n_i divided by the share of a second moment that f lets by."
            ),
            Conclusion(None, gradient, difference="One choice serves both directions up to the widths at both ends."),
        ),
        experiment=lambda random: trials([kept, gradient], _networks(leaky=bool(leak)), random, networks=20_000),
        carries=frozenset({"relu_units"}) - without,
        without=without,
    )


def _forward(units: Assumption, leak: sp.Expr) -> tuple[Step, ...]:
    """Return the steps that fix the variance of the weights."""
    share, variance = (1 + leak**2) / 2, WeightVariance(i)
    return (
        Step(
            "sum",
            "Products of independent terms of mean 0 add their second moments.",
            equation(PreactivationVariance(i), Width(i) * variance * _SQUARE(i)),
            lambda claim, _: (
                claim.lhs == PreactivationVariance(i) and _is_variance(claim.rhs, Activation, _SQUARE(i), i)
            ),
            uses=(zero_bias, independent_weights, zero_mean_weights, equal_input_squares),
            rule="definition s^i = z^i W^i; equal in every unit, since all inputs are alike; induction on n_i",
        ),
        Step(
            "activation",
            "Of a symmetric law the positive half holds half of the second moment.",
            equation(_SQUARE(i + 1), share * PreactivationVariance(i)),
            lambda claim, _: (
                claim.lhs == _SQUARE(i + 1)
                and equal(claim.rhs, _mean_over_signs(_unit(leak) ** 2 / _POSITIVE**2) * PreactivationVariance(i))
            ),
            uses=(units, symmetric_weights),
            rule="s and -s are equally likely, and the squares of f(s) and f(-s) add to a multiple of that of s",
        ),
        Step(
            "one_layer",
            "So one layer multiplies second moments by one factor.",
            equation(_SQUARE(i + 1), share * Width(i) * variance * _SQUARE(i)),
            lambda claim, earlier: (
                claim.lhs == _SQUARE(i + 1) and equal(claim.rhs, insert(earlier["activation"].rhs, earlier["sum"]))
            ),
            follows=("sum", "activation"),
        ),
        Step(
            "choice",
            "That factor is to be 1.",
            equation(variance, 1 / (share * Width(i))),
            lambda claim, earlier: claim.lhs == variance and _is_choice(claim, earlier["one_layer"].rhs, _SQUARE(i)),
            follows=("one_layer",),
            rule="equal second moments, solved for Var[W^i]",
        ),
    )


def _backward(units: Assumption, leak: sp.Expr) -> tuple[Step, ...]:
    """Return the steps about gradients."""
    share = (1 + leak**2) / 2
    one_layer = share * Width(i + 2) * WeightVariance(i + 1) * GradientVariance(i + 1)
    return (
        Step(
            "derivative",
            "Squared derivatives have that share too.",
            equation(DerivativeSecondMoment(i), share),
            lambda claim, _: (
                claim.lhs == DerivativeSecondMoment(i)
                and equal(claim.rhs, _mean_over_signs(_unit(leak).diff(_SIGNED) ** 2))
            ),
            uses=(units, symmetric_weights),
        ),
        Step(
            "gradient_layer",
            "Passing W^(i+1) and f'(s^i) multiplies the variance of gradients by n_(i+2) Var[W^(i+1)] and that.",
            equation(GradientVariance(i), one_layer),
            lambda claim, earlier: (
                claim.lhs == GradientVariance(i)
                and _is_variance(claim.rhs / earlier["derivative"].rhs, Gradient, GradientVariance(i + 1), i + 1)
            ),
            uses=(independent_weights, zero_mean_weights, gradient_independence, equal_output_gradient),
            follows=("derivative",),
            rule="eq. 2; induction on n_(i+2)",
        ),
        Step(
            "gradient_choice",
            "For gradients alone the same wish needs fan_out.",
            equation(WeightVariance(i + 1), 1 / (share * Width(i + 2))),
            lambda claim, earlier: (
                claim.lhs == WeightVariance(i + 1)
                and _is_choice(claim, earlier["gradient_layer"].rhs, GradientVariance(i + 1))
            ),
            follows=("gradient_layer",),
            rule="equal variances, solved for Var[W^(i+1)]",
        ),
        Step(
            "gradient",
            "Under the forward choice gradients keep all but the ratio of the widths at both ends.",
            equation(GradientVariance(i), GradientVariance(d) * Width(d + 1) / Width(i + 1)),
            lambda claim, earlier: (
                claim.lhs == GradientVariance(i)
                and solves(
                    claim, insert(earlier["gradient_layer"], earlier["choice"]), start=d, value=GradientVariance(d)
                )
            ),
            follows=("choice", "gradient_layer"),
            rule="induction downwards from the output; the widths between cancel",
        ),
    )


def _is_choice(claim: sp.Eq, passed_on: sp.Expr, kept: sp.Expr) -> bool:
    """Return whether only the claimed variance makes a layer keep the quantity."""
    choices = solution(equation(passed_on, kept), claim.lhs)
    return len(choices) == 1 and equal(claim.rhs, *choices)


def _unit(leak: sp.Expr) -> sp.Expr:
    return sp.Piecewise((_SIGNED, _SIGNED > 0), (leak * _SIGNED, True))


def _mean_over_signs(expression: sp.Expr) -> sp.Expr:
    """Return the mean of an expression over s and -s."""
    both = expression.subs(_SIGNED, _POSITIVE) + expression.subs(_SIGNED, -_POSITIVE)
    return sp.simplify(both / 2)


def _is_variance(claimed: sp.Expr, factor: type[sp.Function], square: sp.Expr, index: sp.Expr) -> bool:
    """Whether a sum over units of weights times ``factor`` has variance ``claimed``."""
    if factor is Activation:
        total = sp.Sum(Activation(index, unit) * Weight(index, unit, k), (unit, 1, Width(index)))
    else:
        total = sp.Sum(Weight(index, k, unit) * Gradient(index, unit), (unit, 1, Width(index + 1)))
    return is_variance_of_sum(claimed, total, {Weight: WeightVariance(index), factor: square}, independent={Weight})


def _networks(*, leaky: bool) -> Setting:
    """Return networks with the weights derived, so wide that layers without any unit on do not count."""
    leak = _DRAWN_LEAK if leaky else sp.S.Zero
    share = float((1 + leak**2) / 2)
    widths = (5, 14, 12, 13, 3)
    variances = tuple(1 / (share * n) for n in widths[:-1])
    name = f"leaky_relu(slope={float(leak)})" if leaky else "relu"
    return replace(LINEAR, widths=widths, weight_variances=variances, activation=name, input_mean=1.0)
