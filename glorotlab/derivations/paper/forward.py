"""Equation 5: the variance of activations travels upwards, also beyond the paper's assumptions."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import sympy as sp

from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import equal, equation, insert, solves
from glorotlab.derivations.engine.assumptions import (
    FORWARD,
    equal_input_variance,
    independent_weights,
    linear_regime,
    random_bias,
    replaced,
    wide_layers,
    zero_bias,
    zero_mean_inputs,
    zero_mean_weights,
)
from glorotlab.derivations.engine.derivation import Derivation
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
from glorotlab.derivations.engine.step import Conclusion, Step

CARRIES = frozenset({"linear_regime", "zero_bias", "zero_mean_inputs"})
_REPLACED = {"linear_regime": wide_layers, "zero_bias": random_bias}


@cache
def forward_variance(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[z^i] by induction over layers; ``without`` names assumptions of ``CARRIES`` to go on without."""
    linear, biased = "linear_regime" not in without, "zero_bias" in without
    square = forward_square(without)
    steps = [
        _sum(biased=biased),
        _variance(square, biased=biased),
        _linear_activation() if linear else _gaussian_activation(),
    ]
    steps.append(_one_layer(square, {step.name: step.equation for step in steps}, linear=linear, plain=not without))
    if linear:
        steps.append(_all_layers(square, biased=biased))
    result = steps[-1].equation
    return Derivation(
        *heading("forward_variance", further_source="" if linear else "; Poole et al. 2016"),
        replaced(FORWARD, all_dropped(without), _REPLACED),
        tuple(steps),
        (_conclusion(result, without),),
        experiment=lambda random: trials([result], setting(without), random),
        carries=CARRIES - all_dropped(without),
        without=without,
    )


def all_dropped(without: frozenset[str]) -> frozenset[str]:
    """Return all dropped assumptions: outside the linear regime activations have means, so inputs may have them too."""
    return without | {"zero_mean_inputs"} if "linear_regime" in without else without


def setting(without: frozenset[str]) -> Setting:
    """Return networks to which every dropped assumption matters."""
    networks = NONLINEAR if "linear_regime" in without else LINEAR
    if "zero_mean_inputs" in all_dropped(without):
        networks = replace(networks, input_mean=1.0)
    if "zero_bias" in without:
        networks = replace(networks, bias_variances=(0.5, 0.3, 0.7, 0.2)[: networks.top + 1])
    return networks


def forward_square(without: frozenset[str]) -> type[sp.Function]:
    """Return the propagated quantity: the variance, or the second moment if the mean need not be 0."""
    return ActivationSecondMoment if "zero_mean_inputs" in all_dropped(without) else ActivationVariance


def _sum(*, biased: bool) -> Step:
    weighted_sum = sp.Sum(Activation(i, unit) * Weight(i, unit, k), (unit, 1, Width(i)))
    bias = Bias(i, k) if biased else sp.S.Zero
    return Step(
        "sum",
        "The pre-activation of a unit sums over the n_i units below.",
        equation(Preactivation(i, k), weighted_sum + bias),
        lambda claim, _: _is_matrix_product(claim, bias),
        uses=(random_bias if biased else zero_bias,),
        rule=f"definition s^i = z^i W^i{' + b^i' if biased else ''} with W^i of shape (n_i, n_(i+1))",
    )


def _variance(square: type[sp.Function], *, biased: bool) -> Step:
    """Return the step from the second moments of activations to the variance of pre-activations."""
    bias, bias_variance = (Bias(i, k), BiasVariance(i)) if biased else (sp.S.Zero, sp.S.Zero)
    centred = square is ActivationVariance
    return Step(
        "variance",
        "Products of independent terms of mean 0 add their variances.",
        equation(PreactivationVariance(i), Width(i) * WeightVariance(i) * square(i) + bias_variance),
        lambda claim, earlier: (
            claim.lhs == PreactivationVariance(i)
            and is_variance_of_sum(
                claim.rhs - bias_variance,
                earlier["sum"].rhs - bias,
                {Weight: WeightVariance(i), Activation: square(i)},
                independent={Weight},
            )
        ),
        uses=(
            independent_weights,
            zero_mean_weights,
            *((zero_mean_inputs,) if centred else ()),
            equal_input_variance,
            *((random_bias,) if biased else ()),
        ),
        follows=("sum",),
        rule=("E[z^2] is Var[z], since inputs and weights have mean 0; " if centred else "")
        + "equal in every unit, since all inputs are alike; the z need not be independent of each other; "
        "induction on n_i" + ("; the bias adds its variance" if biased else ""),
    )


def _linear_activation() -> Step:
    return Step(
        "activation",
        "To first order the activation is the pre-activation.",
        equation(Activation(i + 1, k), Preactivation(i, k)),
        lambda claim, _: (
            claim.lhs == Activation(i + 1, k) and is_first_order_activation(claim.rhs, Preactivation(i, k))
        ),
        uses=(linear_regime,),
    )


def _gaussian_activation() -> Step:
    """Return the step from the variance of s to the second moment of z = f(s)."""
    return Step(
        "activation",
        "A pre-activation is Gaussian with mean 0: with F(q) = E[f(s)^2] over s ~ N(0, q),",
        equation(ActivationSecondMoment(i + 1), gaussian_square(PreactivationVariance(i))),
        lambda claim, _: claim.args == (ActivationSecondMoment(i + 1), gaussian_square(PreactivationVariance(i))),
        uses=(wide_layers, zero_mean_weights),
    )


def _one_layer(square: type[sp.Function], earlier: Mapping[str, sp.Eq], *, linear: bool, plain: bool) -> Step:
    return Step(
        "one_layer",
        "So one layer multiplies the variance by n_i Var[W^i]."
        if plain
        else "So each layer's second moment follows from the one below.",
        equation(square(i + 1), _after_one_layer(earlier, linear=linear)),
        lambda claim, earlier: (
            claim.lhs == square(i + 1) and equal(claim.rhs, _after_one_layer(earlier, linear=linear))
        ),
        follows=("variance", "activation"),
    )


def _after_one_layer(earlier: Mapping[str, sp.Eq], *, linear: bool) -> sp.Expr:
    """Return the second moment one layer further up."""
    activation = earlier["activation"]
    if linear and activation.args != (Activation(i + 1, k), Preactivation(i, k)):
        return sp.nan
    return insert(PreactivationVariance(i) if linear else activation.rhs, earlier["variance"])


def _all_layers(square: type[sp.Function], *, biased: bool) -> Step:
    """Return the step with the solution of the linear recurrence."""
    start = input_variance if square is ActivationVariance else input_second_moment
    return Step(
        "all_layers",
        "Hence the inputs pass through all layers below, and each layer's biases through those above it."
        if biased
        else "Hence the variance in layer i is a product over the layers below.",
        _solution(square, start, biased=biased),
        lambda claim, earlier: (
            claim.lhs == square(i) and solves(claim, earlier["one_layer"], start=sp.S.Zero, value=start)
        ),
        follows=("one_layer",),
        rule=f"induction over layers from {sp.sstr(square(0))} = {sp.sstr(start)}",
    )


def _solution(square: type[sp.Function], start: sp.Expr, *, biased: bool) -> sp.Eq:
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
    additions = {
        "linear_regime": "F(q) takes the place of q: each layer has a factor of its own, F(q) / q, and the product "
        "over layers of eq. 5 becomes a recurrence.",
        "zero_bias": "Each layer adds the variance of its biases, which eq. 5 leaves out.",
        "zero_mean_inputs": "E[x^2] stands where eq. 5 has Var[x].",
    }
    return Conclusion(None, result, difference=" ".join(additions[name] for name in sorted(without)))


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
