"""Equation 6: the variance of back-propagated gradients travels downwards, also beyond linear units."""

from functools import cache

import sympy as sp

from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import equation, solves
from glorotlab.derivations.engine.assumptions import (
    BACKWARD,
    equal_output_gradient,
    gradient_independence,
    independent_weights,
    linear_regime,
    replaced,
    wide_layers,
    zero_mean_weights,
)
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.expectation import is_variance_of_sum
from glorotlab.derivations.engine.linear_networks import LINEAR, NONLINEAR, trials
from glorotlab.derivations.engine.linear_regime import is_first_order_derivative
from glorotlab.derivations.engine.notation import (
    ActivationDerivative,
    DerivativeSecondMoment,
    Gradient,
    GradientVariance,
    PreactivationVariance,
    Weight,
    WeightVariance,
    Width,
    d,
    gaussian_derivative_square,
    i,
    k,
    layer,
    unit,
)
from glorotlab.derivations.engine.step import Conclusion, Step

CARRIES = frozenset({"linear_regime"})
_FACTOR = Width(layer + 1) * WeightVariance(layer)


@cache
def backward_variance(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[dC/ds^i] downwards from the output; ``without`` names assumptions of ``CARRIES`` to go on without."""
    linear = "linear_regime" not in without
    steps = (
        _chain_rule(),
        _linear_derivative() if linear else _gaussian_derivative(),
        _one_layer(linear=linear),
        _all_layers(linear=linear),
    )
    result = steps[-1].equation
    return Derivation(
        *heading("backward_variance", further_source="" if linear else "; Schoenholz et al. 2017"),
        replaced(BACKWARD, without, {"linear_regime": wide_layers}),
        steps,
        (_conclusion(result) if linear else _beyond(result),),
        experiment=lambda random: trials([result], LINEAR if linear else NONLINEAR, random),
        carries=CARRIES - without,
        without=without,
    )


def _chain_rule() -> Step:
    weighted_sum = sp.Sum(Weight(i + 1, k, unit) * Gradient(i + 1, unit), (unit, 1, Width(i + 2)))
    return Step(
        "chain_rule",
        "The chain rule sums over the n_(i+2) units of s^(i+1).",
        equation(Gradient(i, k), ActivationDerivative(i, k) * weighted_sum),
        lambda claim, _: _is_chain_rule(claim),
        rule="eq. 2; W^(i+1) has shape (n_(i+1), n_(i+2))",
    )


def _linear_derivative() -> Step:
    return Step(
        "derivative",
        "To lowest order the derivative of the activation is 1.",
        equation(ActivationDerivative(i, k), sp.S.One),
        lambda claim, _: claim.lhs == ActivationDerivative(i, k) and is_first_order_derivative(claim.rhs),
        uses=(linear_regime,),
        rule="eq. 4",
    )


def _gaussian_derivative() -> Step:
    square = gaussian_derivative_square(PreactivationVariance(i))
    return Step(
        "derivative",
        "A pre-activation is Gaussian with mean 0: with G(q) = E[f'(s)^2] over s ~ N(0, q),",
        equation(DerivativeSecondMoment(i), square),
        lambda claim, _: claim.args == (DerivativeSecondMoment(i), square),
        uses=(wide_layers, zero_mean_weights),
        rule="forward_variance without linear_regime has Var[s^i]",
    )


def _one_layer(*, linear: bool) -> Step:
    derivative = sp.S.One if linear else DerivativeSecondMoment(i)
    return Step(
        "one_layer",
        "One layer multiplies the variance by n_(i+2) Var[W^(i+1)]" + ("." if linear else " E[f'(s^i)^2]."),
        equation(GradientVariance(i), Width(i + 2) * WeightVariance(i + 1) * derivative * GradientVariance(i + 1)),
        lambda claim, earlier: (
            claim.lhs == GradientVariance(i)
            and is_variance_of_sum(
                claim.rhs / derivative,
                (earlier["chain_rule"].rhs / ActivationDerivative(i, k)).subs(ActivationDerivative(i, k), 1),
                {Weight: WeightVariance(i + 1), Gradient: GradientVariance(i + 1)},
                independent={Weight},
            )
            and (earlier["derivative"].rhs == 1 if linear else earlier["derivative"].lhs == derivative)
        ),
        uses=(independent_weights, zero_mean_weights, gradient_independence, equal_output_gradient),
        follows=("chain_rule", "derivative"),
        rule="equal in every unit, since all outputs are alike; the gradients need not be independent of each other; "
        "induction on n_(i+2)",
    )


def _all_layers(*, linear: bool) -> Step:
    derivatives = sp.S.One if linear else sp.Product(DerivativeSecondMoment(layer), (layer, i, d - 1))
    return Step(
        "all_layers",
        "Hence the variance in layer i is a product over the weights above it, W^(i+1) to W^d"
        + ("." if linear else ", and over the derivatives from s^i to s^(d-1)."),
        equation(GradientVariance(i), GradientVariance(d) * derivatives * sp.Product(_FACTOR, (layer, i + 1, d))),
        lambda claim, earlier: (
            claim.lhs == GradientVariance(i) and solves(claim, earlier["one_layer"], start=d, value=GradientVariance(d))
        ),
        follows=("one_layer",),
        rule="induction downwards from the output, where the product is empty",
    )


def _conclusion(result: sp.Eq) -> Conclusion:
    return Conclusion(
        6,
        result,
        printed=equation(GradientVariance(i), GradientVariance(d) * sp.Product(_FACTOR, (layer, i, d))),
        factor=Width(i + 1) * WeightVariance(i),
        difference="The printed product starts at i' = i, one factor n_(i+1) Var[W^i] too many: dC/ds^i has "
        "not yet passed through W^i. The printed right side is the variance one layer further down, of "
        "dC/ds^(i-1).",
    )


def _beyond(result: sp.Eq) -> Conclusion:
    return Conclusion(
        None,
        result,
        difference="Each hidden layer from i up multiplies eq. 6, as it follows, by its own E[f'(s)^2], which is below "
        "1 for tanh and its like.",
    )


def _is_chain_rule(claim: sp.Eq) -> bool:
    """Whether ``claim`` is the derivative of a general quadratic cost of s^(i+1) = f(s^i) W^(i+1).

    Written out for two units of s^i and one to three of s^(i+1). A chain rule sees first derivatives alone,
    so a quadratic cost with free coefficients stands for every cost.
    """
    f, inner = sp.Function("f"), sp.symbols("s_1 s_2")
    for count in (1, 2, 3):
        outer = sp.symbols(f"t_1:{count + 1}")
        linear, square = sp.symbols(f"c_1:{count + 1}"), sp.symbols(f"q_1:{count + 1}_1:{count + 1}")
        products = [first * second for first in outer for second in outer]
        cost = sum(map(sp.Mul, linear, outer)) + sum(map(sp.Mul, square, products))
        sums = [sum(f(inner[row - 1]) * Weight(i + 1, row, unit) for row in (1, 2)) for unit in range(1, count + 1)]
        values = dict(zip(outer, sums, strict=True))
        gradients = {Gradient(i + 1, n): cost.diff(t).subs(values) for n, t in enumerate(outer, start=1)}
        for row, s in enumerate(inner, start=1):
            concrete = claim.subs({Width(i + 2): count, k: row}).doit()
            right = concrete.rhs.subs(gradients).subs(ActivationDerivative(i, row), f(s).diff(s))
            if concrete.lhs != Gradient(i, row) or sp.expand(right - cost.subs(values).diff(s)) != 0:
                return False
    return True
