"""Equation 7: the variance of weight gradients, a product of what comes from below and from above."""

from functools import cache

import sympy as sp

from glorotlab.derivations.engine.algebra import equal, equation, insert
from glorotlab.derivations.engine.assumptions import BOTH, random_bias, replaced, wide_layers
from glorotlab.derivations.engine.derivation import Conclusion, Derivation, Step
from glorotlab.derivations.engine.expectation import is_variance
from glorotlab.derivations.engine.linear_networks import trials
from glorotlab.derivations.engine.notation import (
    Activation,
    ActivationSecondMoment,
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
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.forward import CARRIES, forward_square, forward_variance, setting


@cache
def weight_gradient_variance(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[dC/dw^i] from its two factors; ``without`` names assumptions of ``CARRIES`` to go on without."""
    if "linear_regime" in without:  # then second moments travel
        without |= {"zero_mean_inputs"}
    square = forward_square(without)
    factors = square(i) * GradientVariance(i)
    below, above = forward_variance(without & CARRIES), backward_variance(without & {"linear_regime"})
    known = (above.result,) if "linear_regime" in without else (below.result, above.result)
    result = equation(WeightGradientVariance(i), insert(factors, *known))
    steps = (
        Step(
            "A weight's gradient is the activation below times the gradient above.",
            equation(WeightGradient(i, unit, k), Activation(i, unit) * Gradient(i, k)),
            "eq. 3, the chain rule through s^i = z^i W^i",
            lambda claim, _: _is_weight_derivative(claim),
        ),
        Step(
            "The variance of a product of independent factors of mean 0 is the product of the variances."
            if square is not ActivationSecondMoment
            else "The second moment of a product of independent factors is the product of theirs; the mean is 0.",
            equation(WeightGradientVariance(i), factors),
            "step 1; gradient_independence, zero_mean_weights, equal_output_gradient"
            + (", zero_mean_inputs" if square is not ActivationSecondMoment else ""),
            lambda claim, earlier: (
                claim.lhs == WeightGradientVariance(i)
                and is_variance(
                    claim.rhs,
                    earlier[0].rhs,
                    {Activation: square(i), Gradient: GradientVariance(i)},
                    independent={Activation, Gradient},
                )
            ),
        ),
        Step(
            "Hence the weights below and above enter, and a layer's own weights do not.",
            result,
            "step 2 with the results of forward_variance and backward_variance",
            lambda claim, earlier: (
                claim.lhs == WeightGradientVariance(i) and equal(claim.rhs, insert(earlier[1].rhs, *known))
            ),
        ),
    )
    return Derivation(
        "weight_gradient_variance",
        "Variance of weight gradients",
        "Glorot & Bengio 2010, eqs. 3, 7",
        replaced(BOTH, without, {"linear_regime": wide_layers, "zero_bias": random_bias}),
        steps,
        (_beyond(result, without) if without else _conclusion(result),),
        experiment=lambda random: trials([result], setting(without), random),
        carries=CARRIES - without,
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
        said = "The second moment below comes from the recurrence of forward_variance without linear_regime."
    elif "zero_bias" in without:
        said = "The biases of the layers below add their variance to what enters W^i."
    else:
        said = "E[x^2] stands where eq. 7 has Var[x]."
    return Conclusion(None, result, difference=said)


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
