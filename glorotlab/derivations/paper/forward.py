"""Equation 5: how the variance of activations travels upwards, and what it is beyond the paper's assumptions."""

from dataclasses import replace
from functools import cache

import sympy as sp

from glorotlab.derivations.engine.algebra import equal, equation, insert, solves
from glorotlab.derivations.engine.assumptions import FORWARD, random_bias, replaced, wide_layers
from glorotlab.derivations.engine.derivation import Conclusion, Derivation, Step
from glorotlab.derivations.engine.expectation import is_variance_of_sum
from glorotlab.derivations.engine.linear_networks import LINEAR, NONLINEAR, Setting, trials
from glorotlab.derivations.engine.linear_regime import is_first_order_activation
from glorotlab.derivations.engine.notation import (
    Activation,
    ActivationSecondMoment,
    ActivationVariance,
    Bias,
    BiasVariance,
    Preactivation,
    PreactivationVariance,
    Weight,
    WeightVariance,
    Width,
    gaussian_square,
    i,
    input_second_moment,
    input_variance,
    k,
    layer,
    unit,
)

CARRIES = frozenset({"linear_regime", "zero_bias", "zero_mean_inputs"})
_REPLACED = {"linear_regime": wide_layers, "zero_bias": random_bias}


@cache
def forward_variance(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[z^i] by induction over layers; ``without`` names assumptions of ``CARRIES`` to go on without."""
    if "linear_regime" in without:  # then second moments travel
        without |= {"zero_mean_inputs"}
    assumptions = replaced(FORWARD, without, _REPLACED)
    square = forward_square(without)
    sums, variance = _sums(square, biased="zero_bias" in without)
    linear = "linear_regime" not in without
    law = _linear_law(square) if linear else _gaussian_law()
    one_layer = equation(square(i + 1), _after((sums.equation, variance.equation, law.equation), linear))
    steps = [
        sums,
        variance,
        law,
        Step(
            "So one layer multiplies the variance by n_i Var[W^i]."
            if not without
            else "So each layer's second moment follows from the one below.",
            one_layer,
            "steps 2 and 3",
            lambda claim, earlier: claim.lhs == square(i + 1) and equal(claim.rhs, _after(earlier, linear)),
        ),
    ]
    result = one_layer
    if linear:
        start = input_second_moment if "zero_mean_inputs" in without else input_variance
        result = _solution(square, start, biased="zero_bias" in without)
        steps.append(
            Step(
                "Hence the variance in layer i is a product over the layers below."
                if "zero_bias" not in without
                else "Hence the inputs pass through all layers below, and each layer's biases through those above it.",
                result,
                f"step 4 by induction over layers from {sp.sstr(square(0))} = {sp.sstr(start)}",
                lambda claim, earlier: (
                    claim.lhs == square(i) and solves(claim, earlier[3], start=sp.S.Zero, value=start)
                ),
            )
        )
    return Derivation(
        "forward_variance",
        "Variance of activations",
        "Glorot & Bengio 2010, eq. 5" + ("" if linear else "; Poole et al. 2016"),
        assumptions,
        tuple(steps),
        (_conclusion(result, without),),
        experiment=lambda random: trials([result], setting(without), random),
        carries=CARRIES - without,
    )


def setting(without: frozenset[str]) -> Setting:
    """Return networks to which every dropped assumption matters."""
    found = NONLINEAR if "linear_regime" in without else LINEAR
    if "zero_mean_inputs" in without:
        found = replace(found, input_mean=1.0)
    if "zero_bias" in without:
        found = replace(found, bias_variances=(0.5, 0.3, 0.7, 0.2)[: found.top + 1])
    return found


def forward_square(without: frozenset[str]) -> type[sp.Function]:
    """Return what travels: the variance, or the second moment where the mean need not be 0."""
    return ActivationSecondMoment if "zero_mean_inputs" in without else ActivationVariance


def _sums(square: type[sp.Function], *, biased: bool) -> tuple[Step, Step]:
    """Return the steps from activations to the variance of pre-activations."""
    weighted_sum = sp.Sum(Activation(i, unit) * Weight(i, unit, k), (unit, 1, Width(i)))
    bias, bias_variance = (Bias(i, k), BiasVariance(i)) if biased else (sp.S.Zero, sp.S.Zero)
    return (
        Step(
            "The pre-activation of a unit sums over the n_i units below.",
            equation(Preactivation(i, k), weighted_sum + bias),
            "definition s^i = z^i W^i"
            + (" + b^i" if biased else "")
            + " with W^i of shape (n_i, n_(i+1)); "
            + ("random_bias" if biased else "zero_bias"),
            lambda claim, _: _is_matrix_product(claim, bias),
        ),
        Step(
            "Products of independent terms of mean 0 add their variances.",
            equation(PreactivationVariance(i), Width(i) * WeightVariance(i) * square(i) + bias_variance),
            "independent_weights, zero_mean_weights; "
            + ("E[z^2] is Var[z] by zero_mean_inputs and zero_mean_weights; " if square is ActivationVariance else "")
            + "equal in every unit by equal_input_variance; the z need not be independent "
            "of each other; induction on n_i" + ("; random_bias adds its variance" if biased else ""),
            lambda claim, earlier: (
                claim.lhs == PreactivationVariance(i)
                and is_variance_of_sum(
                    claim.rhs - bias_variance,
                    earlier[0].rhs - bias,
                    {Weight: WeightVariance(i), Activation: square(i)},
                    independent={Weight},
                )
            ),
        ),
    )


def _linear_law(square: type[sp.Function]) -> Step:
    return Step(
        "To first order the activation is the pre-activation.",
        equation(Activation(i + 1, k), Preactivation(i, k)),
        "linear_regime",
        lambda claim, _: (
            claim.lhs == Activation(i + 1, k) and is_first_order_activation(claim.rhs, Preactivation(i, k))
        ),
    )


def _gaussian_law() -> Step:
    """Return the step that goes from the variance of s to the second moment of z = f(s)."""
    return Step(
        "A pre-activation is Gaussian with mean 0: with F(q) = E[f(s)^2] over s ~ N(0, q),",
        equation(ActivationSecondMoment(i + 1), gaussian_square(PreactivationVariance(i))),
        "wide_layers; zero_mean_weights",
        lambda claim, _: claim.args == (ActivationSecondMoment(i + 1), gaussian_square(PreactivationVariance(i))),
    )


def _after(earlier: tuple[sp.Eq, ...], linear: bool) -> sp.Expr:
    """Return the second moment one layer further up, from steps 2 and 3."""
    if linear and earlier[2].args != (Activation(i + 1, k), Preactivation(i, k)):
        return sp.nan
    return insert(PreactivationVariance(i) if linear else earlier[2].rhs, earlier[1])


def _solution(square: type[sp.Function], start: sp.Expr, *, biased: bool) -> sp.Eq:
    """Return the solution of the linear recurrence."""
    inputs = start * sp.Product(Width(layer) * WeightVariance(layer), (layer, 0, i - 1))
    if not biased:
        return equation(square(i), inputs)
    source = sp.Symbol("i''", integer=True, nonnegative=True)
    above = sp.Product(Width(layer) * WeightVariance(layer), (layer, source + 1, i - 1))
    return equation(square(i), inputs + sp.Sum(BiasVariance(source) * above, (source, 0, i - 1)))


def _conclusion(result: sp.Eq, without: frozenset[str]) -> Conclusion:
    if not without:
        product = sp.Product(Width(layer) * WeightVariance(layer), (layer, 0, i - 1))
        return Conclusion(5, result, printed=equation(ActivationVariance(i), input_variance * product))
    if "linear_regime" in without:
        without -= {"zero_mean_inputs"}
    said = {
        "linear_regime": "F(q) takes the place of q: each layer has a factor of its own, F(q) / q, and the product "
        "over layers of eq. 5 becomes a recurrence.",
        "zero_bias": "Each layer adds the variance of its biases, which eq. 5 leaves out.",
        "zero_mean_inputs": "E[x^2] stands where eq. 5 has Var[x].",
    }
    return Conclusion(None, result, difference=" ".join(said[name] for name in sorted(without)))


def _is_matrix_product(claim: sp.Eq, bias: sp.Expr, fan_out: int = 2) -> bool:
    """Whether ``claim`` is each entry of z^i W^i + b^i, written out for one to three units below."""
    for fan_in in (1, 2, 3):
        z = sp.Matrix(1, fan_in, lambda _, row: Activation(i, row + 1))
        w = sp.Matrix(fan_in, fan_out, lambda row, column: Weight(i, row + 1, column + 1))
        for column, entry in enumerate(z * w, start=1):
            concrete = claim.subs({Width(i): fan_in, k: column}).doit()
            right = concrete.rhs - entry - bias.subs(k, column)
            if concrete.lhs != Preactivation(i, column) or sp.expand(right) != 0:
                return False
    return True
