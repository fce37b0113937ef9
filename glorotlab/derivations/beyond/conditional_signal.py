"""One layer given the activations below: q_i, and the mean and the variance of q_(i+1) where q_i is known.

The units are then independent, so that what they pass on scatters by 1 / width (Yaida 2020, eqs. 8 to 14).
"""

from collections.abc import Mapping

import sympy as sp

from glorotlab.derivations.beyond.random_weights import (
    any_law_of_weights,
    gaussian_bias,
    gaussian_weights,
    mean_over_weights,
)
from glorotlab.derivations.engine import delta_method
from glorotlab.derivations.engine.algebra import equal, equation
from glorotlab.derivations.engine.assumptions import independent_weights, zero_bias, zero_mean_weights
from glorotlab.derivations.engine.delta_method import SQUARES
from glorotlab.derivations.engine.expectation import expectation
from glorotlab.derivations.engine.fluctuation_notation import (
    FourthCumulant,
    MeanFourth,
    MeanSquare,
    SignalMeanGiven,
    SignalSquare,
    SignalVarianceGiven,
    kappa,
)
from glorotlab.derivations.engine.notation import (
    Activation,
    Bias,
    BiasVariance,
    Weight,
    WeightVariance,
    Width,
    i,
    unit,
)
from glorotlab.derivations.engine.step import Step


def conditional_steps(*, gaussian: bool, biased: bool) -> tuple[Step, ...]:
    """Return the steps ``second_moment``, ``conditional_mean`` and ``conditional_variance``.

    Weights that are not Gaussian have a ``fourth_cumulant`` between them.
    """
    return (
        _second_moment(gaussian=gaussian, biased=biased),
        *(() if gaussian else (_fourth_cumulant(),)),
        _conditional_mean(gaussian=gaussian, biased=biased),
        _conditional_variance(gaussian=gaussian),
    )


def _second_moment(*, gaussian: bool, biased: bool) -> Step:
    bias = BiasVariance(i) if biased else sp.S.Zero
    law = "independent and Gaussian" if gaussian else "independent"
    return Step(
        "second_moment",
        f"Given the activations below, the units of s^i are {law}, with this second moment.",
        equation(SignalSquare(i), WeightVariance(i) * sp.Sum(Activation(i, unit) ** 2, (unit, 1, Width(i))) + bias),
        _is_second_moment,
        uses=(
            gaussian_weights if gaussian else any_law_of_weights,
            independent_weights,
            zero_mean_weights,
            gaussian_bias if biased else zero_bias,
        ),
        rule=f"definition s^i = z^i W^i{' + b^i' if biased else ''}",
    )


def _is_second_moment(claim: sp.Eq, _: Mapping[str, sp.Eq]) -> bool:
    """Whether ``claim`` is E[s^2] over weights and biases alone, and two units do not vary together."""
    moments = {Weight: WeightVariance(i), Bias: BiasVariance(i) if claim.rhs.has(BiasVariance) else sp.S.Zero}
    for count in (1, 2, 3):
        units = [sum(Activation(i, n) * Weight(i, n, k) for n in range(1, count + 1)) + Bias(i, k) for k in (1, 2)]
        square, product = (
            expectation(sp.expand(units[0] * other), moments, independent={Weight, Bias}) for other in units
        )
        if product != 0 or not equal(claim.rhs.subs(Width(i), count).doit(), square):
            return False
    return bool(claim.lhs == SignalSquare(i))


def _fourth_cumulant() -> Step:
    fourths = sp.Sum(Activation(i, unit) ** 4, (unit, 1, Width(i)))
    return Step(
        "fourth_cumulant",
        "Weights that are not Gaussian leave a fourth cumulant, 1 / width beside the square of q_i.",
        equation(FourthCumulant(i), kappa * WeightVariance(i) ** 2 * fourths),
        _is_fourth_cumulant,
        uses=(any_law_of_weights, independent_weights),
        rule="cumulants of independent terms add",
    )


def _is_fourth_cumulant(claim: sp.Eq, _: Mapping[str, sp.Eq]) -> bool:
    """Whether ``claim`` is E[s^4] - 3 E[s^2]^2, written out for one to three units below."""
    for count in (1, 2, 3):
        terms = [(Weight(i, n, 1), Activation(i, n)) for n in range(1, count + 1)]
        total = sp.expand(sum(w * z for w, z in terms) ** 4)
        fourth = mean_over_weights(total, [w for w, _ in terms])
        square = WeightVariance(i) * sum(z**2 for _, z in terms)
        if not equal(claim.rhs.subs(Width(i), count).doit(), sp.expand(fourth - 3 * square**2)):
            return False
    return bool(claim.lhs == FourthCumulant(i))


def _conditional_mean(*, gaussian: bool, biased: bool) -> Step:
    bias = BiasVariance(i + 1) if biased else sp.S.Zero
    curved = sp.S.Zero if gaussian else FourthCumulant(i) * MeanSquare(SignalSquare(i), 2) / 6
    cumulant = "" if gaussian else ". A fourth cumulant adds k/24 E[f^2 He_4], which is k/6 times F''"
    mean = Width(i + 1) * WeightVariance(i + 1) * (MeanSquare(SignalSquare(i)) + curved) + bias
    return Step(
        "conditional_mean",
        "The next second moment is a sum over these units.",
        equation(SignalMeanGiven(i + 1), mean),
        lambda claim, _: claim.lhs == SignalMeanGiven(i + 1) and _is_sum_of_means(claim.rhs, bias, gaussian=gaussian),
        follows=("second_moment",) if gaussian else ("second_moment", "fourth_cumulant"),
        rule=f"i + 1 for i and z^(i+1) = f(s^i); F(q) = E[f(s)^2] over s ~ N(0, q){cumulant}",
    )


def _is_sum_of_means(claimed: sp.Expr, bias: sp.Expr, *, gaussian: bool) -> bool:
    """Return whether n units contribute F each, or F with the correction of a fourth cumulant.

    exp(q t^2 / 2 + k t^4 / 24) generates the moments of s: to first order k stands for a sixth of the second
    derivative in q.
    """
    q, k, t = sp.symbols("q k t")
    generating = sp.exp(q * t**2 / 2 + k * t**4 / 24)
    share = sp.simplify(sp.diff(generating, k).subs(k, 0) / sp.diff(generating.subs(k, 0), q, 2))
    unit_mean = MeanSquare(SignalSquare(i))
    if not gaussian:
        unit_mean += share * FourthCumulant(i) * MeanSquare(SignalSquare(i), 2)
    plain = sp.expand((claimed - bias) / WeightVariance(i + 1))
    return delta_method.for_every_count(plain, Width(i + 1), lambda count: sp.expand(count * unit_mean))


def _conditional_variance(*, gaussian: bool) -> Step:
    one_unit = MeanFourth(SignalSquare(i)) - MeanSquare(SignalSquare(i)) ** 2
    return Step(
        "conditional_variance",
        "Of independent terms the variances add.",
        equation(SignalVarianceGiven(i + 1), Width(i + 1) * WeightVariance(i + 1) ** 2 * one_unit),
        lambda claim, _: (
            claim.lhs == SignalVarianceGiven(i + 1)
            and delta_method.for_every_count(
                claim.rhs / WeightVariance(i + 1) ** 2,
                Width(i + 1),
                lambda count: variance_of_sum(count, SignalSquare(i)),
            )
        ),
        follows=("second_moment",),
        rule="H(q) = E[f(s)^4]" + ("" if gaussian else "; what the cumulant adds is of the next order"),
    )


def variance_of_sum(count: int, q: sp.Expr) -> sp.Expr:
    """Return the variance of the sum of f(s)^2 over ``count`` units s ~ N(0, q)."""
    total = sum(SQUARES[:count])
    return delta_method.over_units(sp.expand(total**2), q) - delta_method.over_units(total, q) ** 2
