"""Equations 13 and 14: every layer equally wide, and what they are where layers are not."""

from collections.abc import Callable
from functools import cache, partial

import sympy as sp

from glorotlab.derivations.engine.algebra import equal, equation, insert, same
from glorotlab.derivations.engine.assumptions import BOTH, equal_widths
from glorotlab.derivations.engine.derivation import Conclusion, Derivation, Step
from glorotlab.derivations.engine.linear_networks import LINEAR, Setting, trials
from glorotlab.derivations.engine.notation import (
    GradientVariance,
    VarianceSymbol,
    WeightGradientVariance,
    WeightVariance,
    Width,
    d,
    i,
    input_variance,
)
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.weight_gradient import weight_gradient_variance

_N, _OUTPUTS = sp.symbols("n K", integer=True, positive=True)
_V = VarianceSymbol("W", positive=True)
_STANDARD, _NORMALIZED = sp.symbols("r_standard r_normalized", positive=True)


_SETTING = Setting(widths=(6,) * 5, weight_variances=(0.2,) * 4)
CARRIES = frozenset({"equal_widths"})


@cache
def equal_width(without: frozenset[str] = frozenset()) -> Derivation:
    """Specialise equations 6 and 7, as they follow, to n units in every layer; or leave them, without equal_widths."""
    if without:
        return _unequal_widths()
    gradient = equation(GradientVariance(i), (_N * _V) ** (d - i) * GradientVariance(d))
    weight_gradient = equation(WeightGradientVariance(i), (_N * _V) ** d * input_variance * GradientVariance(d))
    top = WeightGradientVariance(d) / WeightGradientVariance(d - 1)
    steps = (
        Step(
            "The gradient variance is a power of n Var[W] with the number of layers above.",
            gradient,
            "equal_widths inserted into the result of backward_variance",
            lambda claim, _: (
                claim.lhs == GradientVariance(i) and equal(claim.rhs, _equally_wide(backward_variance().result.rhs))
            ),
        ),
        Step(
            "The weight-gradient variance does not depend on the layer.",
            weight_gradient,
            "equal_widths inserted into the result of weight_gradient_variance",
            lambda claim, _: (
                claim.lhs == WeightGradientVariance(i)
                and equal(claim.rhs, _equally_wide(weight_gradient_variance().result.rhs))
            ),
        ),
        Step(
            "With K outputs instead of n the output layer differs from the layer below.",
            equation(top, _N * WeightVariance(d - 1) / (_OUTPUTS * WeightVariance(d))),
            "the result of weight_gradient_variance with n_0 = ... = n_d = n and n_(d+1) = K",
            lambda claim, _: (
                claim.lhs == top and equal(claim.rhs, _with_outputs(insert(top, weight_gradient_variance().result)))
            ),
        ),
        Step(
            "By this ratio under the standard initialisation, with variance 1 / (3 n) in both layers,",
            equation(_STANDARD, _N / _OUTPUTS),
            "step 3 with eq. 1",
            lambda claim, earlier: (
                claim.lhs == _STANDARD
                and equal(claim.rhs, _with_variance(earlier[2].rhs, lambda below, above: 1 / (3 * below)))
            ),
        ),
        Step(
            "and by this one under the normalised initialisation.",
            equation(_NORMALIZED, (_N + _OUTPUTS) / (2 * _OUTPUTS)),
            "step 3 with eq. 12",
            lambda claim, earlier: (
                claim.lhs == _NORMALIZED
                and equal(claim.rhs, _with_variance(earlier[2].rhs, lambda below, above: 2 / (below + above)))
            ),
        ),
    )
    conclusions = (
        Conclusion(
            13,
            gradient,
            printed=equation(GradientVariance(i), (_N * _V) ** (d - i) * input_variance),
            factor=input_variance / GradientVariance(d),
            difference="The printed right side has Var[x] where Var[dC/ds^d] belongs: the recurrence starts "
            "at the output and knows nothing of the inputs. The power d - i is right, though it does not "
            "follow from eq. 6 as printed.",
        ),
        Conclusion(14, weight_gradient, printed=weight_gradient),
    )
    return Derivation(
        "equal_width",
        "Equal widths",
        "Glorot & Bengio 2010, eqs. 13, 14",
        (*BOTH, equal_widths),
        steps,
        conclusions,
        experiment=lambda random: trials(
            [
                equation(each.lhs, each.rhs.subs({_N: _SETTING.widths[0], _V: _SETTING.weight_variances[0]}))
                for each in (gradient, weight_gradient)
            ],
            _SETTING,
            random,
        ),
        carries=CARRIES,
    )


def _unequal_widths() -> Derivation:
    """Return what takes the place of eqs. 13 and 14: the products over layers."""
    found = backward_variance(), weight_gradient_variance()
    steps = tuple(
        Step(
            f"Without equal widths the {what} keeps its product over layers.",
            each.result,
            f"the result of {each.name}",
            partial(_is_result, each),
        )
        for what, each in zip(("gradient variance", "weight-gradient variance"), found, strict=True)
    )
    conclusions = tuple(
        Conclusion(None, each.result, difference=f"A product where eq. {number} has a power of n Var[W].")
        for number, each in zip((13, 14), found, strict=True)
    )
    return Derivation(
        "equal_width",
        "Unequal widths",
        "Glorot & Bengio 2010, eqs. 13, 14",
        BOTH,
        steps,
        conclusions,
        experiment=lambda random: trials([each.result for each in found], LINEAR, random),
    )


def _is_result(derivation: Derivation, claim: sp.Eq, _: tuple[sp.Eq, ...]) -> bool:
    return same(claim, derivation.result)


def _equally_wide(expression: sp.Expr) -> sp.Expr:
    return expression.replace(Width, lambda _: _N).replace(WeightVariance, lambda _: _V).doit()


def _width(index: sp.Expr) -> sp.Expr:
    return _OUTPUTS if index == d + 1 else _N


def _with_outputs(ratio: sp.Expr) -> sp.Expr:
    """Return a ratio of weight-gradient variances with K outputs; widths inside its products cancel first."""
    below, above = Width(d - 1) * WeightVariance(d - 1), Width(d + 1) * WeightVariance(d)
    return (below / above).replace(Width, _width) if equal(ratio, below / above) else sp.nan


def _with_variance(ratio: sp.Expr, variance: Callable[[sp.Expr, sp.Expr], sp.Expr]) -> sp.Expr:
    return ratio.replace(WeightVariance, lambda index: variance(_width(index), _width(index + 1)))
