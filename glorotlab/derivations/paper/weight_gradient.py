"""Equation 7: the variance of weight gradients, a product of factors from below and from above."""

from functools import cache

import sympy as sp

from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import equal, equation, insert
from glorotlab.derivations.engine.assumptions import (
    BOTH,
    equal_output_gradient,
    gradient_independence,
    random_bias,
    replaced,
    wide_layers,
    zero_mean_inputs,
    zero_mean_weights,
)
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.expectation import is_variance
from glorotlab.derivations.engine.linear_networks import trials
from glorotlab.derivations.engine.notation import (
    Activation,
    ActivationVariance,
    Gradient,
    GradientVariance,
    WeightGradient,
    WeightGradientVariance,
    WeightVariance,
    Width,
    d,
    i,
    input_variance,
    k,
    layer,
    unit,
)
from glorotlab.derivations.engine.step import Conclusion, Lemma, Step
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.forward import CARRIES, all_dropped, forward_square, forward_variance, setting


@cache
def weight_gradient_variance(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[dC/dw^i] from its two factors; ``without`` names assumptions of ``CARRIES`` to go on without."""
    square = forward_square(without)
    dropped = all_dropped(without)
    below, above = forward_variance(without).lemma(), backward_variance(without & {"linear_regime"}).lemma()
    two_factors = _two_factors(square)
    all_layers = _all_layers(two_factors.equation.rhs, below, above, closed="linear_regime" not in without)
    result = all_layers.equation
    return Derivation(
        *heading("weight_gradient_variance"),
        replaced(BOTH, dropped, {"linear_regime": wide_layers, "zero_bias": random_bias}),
        (_chain_rule(), two_factors, all_layers),
        (_beyond(result, without) if without else _conclusion(result),),
        experiment=lambda random: trials([result], setting(without), random),
        carries=CARRIES - dropped,
        without=without,
    )


def _chain_rule() -> Step:
    return Step(
        "chain_rule",
        "A weight's gradient is the activation below times the gradient above.",
        equation(WeightGradient(i, unit, k), Activation(i, unit) * Gradient(i, k)),
        lambda claim, _: _is_weight_derivative(claim),
        rule="eq. 3, the chain rule through s^i = z^i W^i",
    )


def _two_factors(square: type[sp.Function]) -> Step:
    centred = square is ActivationVariance
    return Step(
        "two_factors",
        "The variance of a product of independent factors of mean 0 is the product of the variances."
        if centred
        else "The second moment of a product of independent factors is the product of theirs; the mean is 0.",
        equation(WeightGradientVariance(i), square(i) * GradientVariance(i)),
        lambda claim, earlier: (
            claim.lhs == WeightGradientVariance(i)
            and is_variance(
                claim.rhs,
                earlier["chain_rule"].rhs,
                {Activation: square(i), Gradient: GradientVariance(i)},
                independent={Activation, Gradient},
            )
        ),
        uses=(
            gradient_independence,
            zero_mean_weights,
            equal_output_gradient,
            *((zero_mean_inputs,) if centred else ()),
        ),
        follows=("chain_rule",),
    )


def _all_layers(factors: sp.Expr, below: Lemma, above: Lemma, *, closed: bool) -> Step:
    """Return the step that inserts both factors; what comes from below stays where it has no ``closed`` form."""
    equations = [below.equation, above.equation] if closed else [above.equation]
    return Step(
        "all_layers",
        "Hence the weights below and above enter, and a layer's own weights do not.",
        equation(WeightGradientVariance(i), insert(factors, *equations)),
        lambda claim, earlier: (
            claim.lhs == WeightGradientVariance(i) and equal(claim.rhs, insert(earlier["two_factors"].rhs, *equations))
        ),
        follows=("two_factors",),
        lemmas=(below, above),
    )


def _conclusion(result: sp.Eq) -> Conclusion:
    below = sp.Product(Width(layer) * WeightVariance(layer), (layer, 0, i - 1))
    above = Width(layer + 1) * WeightVariance(layer)
    ends = input_variance * GradientVariance(d)
    return Conclusion(
        7,
        result,
        printed=equation(WeightGradientVariance(i), below * sp.Product(above, (layer, i, d - 1)) * ends),
        factor=Width(i + 1) * WeightVariance(i) / (Width(d + 1) * WeightVariance(d)),
        difference="The printed second product runs over i' = i ... d - 1 instead of i + 1 ... d: it lets "
        "W^i into its own gradient and leaves out the output weights W^d.",
    )


def _beyond(result: sp.Eq, without: frozenset[str]) -> Conclusion:
    if "linear_regime" in without:
        addition = "The second moment below comes from the recurrence of forward_variance without linear_regime."
    elif "zero_bias" in without:
        addition = "The biases of the layers below add their variance to what enters W^i."
    else:
        addition = "E[x^2] stands where eq. 7 has Var[x]."
    return Conclusion(None, result, difference=addition)


def _is_weight_derivative(claim: sp.Eq) -> bool:
    """Whether ``claim`` is the derivative of a cost of s = z W by each weight of a 2 by 2 layer."""
    z = sp.Matrix([[Activation(i, 1), Activation(i, 2)]])
    w, s = sp.Matrix(2, 2, sp.symbols("w_1:3_1:3")), sp.symbols("s_1 s_2")
    cost = sp.Function("C")
    composed = cost(*(z * w))
    for row in (1, 2):
        for column in (1, 2):
            moved = composed.diff(w[row - 1, column - 1]).doit()
            upper = cost(*s).diff(s[column - 1]).subs(dict(zip(s, z * w, strict=True))).doit()
            concrete = claim.subs({unit: row, k: column})
            right = concrete.rhs.subs(Gradient(i, column), upper)
            if concrete.lhs != WeightGradient(i, row, column) or sp.simplify(right - moved) != 0:
                return False
    return True
