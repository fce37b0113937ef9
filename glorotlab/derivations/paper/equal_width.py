"""Equations 13 and 14: layers of equal width, and the products over layers of unequal widths."""

from collections.abc import Callable
from functools import cache

import sympy as sp

from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import equal, equation, insert, same
from glorotlab.derivations.engine.assumptions import BOTH, equal_widths
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.linear_networks import LINEAR, Setting, trials
from glorotlab.derivations.engine.notation import (
    GradientVariance,
    WeightGradientVariance,
    WeightVariance,
    Width,
    d,
    i,
    input_variance,
)
from glorotlab.derivations.engine.quantity import VarianceSymbol
from glorotlab.derivations.engine.step import Conclusion, Lemma, Step
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.weight_gradient import weight_gradient_variance

CARRIES = frozenset({"equal_widths"})

_N, _OUTPUTS = sp.symbols("n K", integer=True, positive=True)
_V = VarianceSymbol("W", positive=True)
_STANDARD, _NORMALIZED = sp.symbols("r_standard r_normalized", positive=True)
_SETTING = Setting(widths=(6,) * 5, weight_variances=(0.2,) * 4)


@cache
def equal_width(without: frozenset[str] = frozenset()) -> Derivation:
    """Specialise equations 6 and 7, as they follow, to n units in every layer; or leave them, without equal_widths."""
    if without:
        return _unequal_widths(without)
    steps = (*_powers(), *_output_layer())
    gradient, weight_gradient = (step.equation for step in steps[:2])
    numbers = {_N: _SETTING.widths[0], _V: _SETTING.weight_variances[0]}
    claims = [equation(claim.lhs, claim.rhs.subs(numbers)) for claim in (gradient, weight_gradient)]
    return Derivation(
        *heading("equal_width"),
        (*BOTH, equal_widths),
        steps,
        _conclusions(gradient, weight_gradient),
        experiment=lambda random: trials(claims, _SETTING, random),
        carries=CARRIES,
    )


def _powers() -> tuple[Step, Step]:
    """Return the steps in which products over layers become powers."""
    backward, weights = backward_variance().lemma(), weight_gradient_variance().lemma()
    weight_gradient = (_N * _V) ** d * input_variance * GradientVariance(d)
    return (
        Step(
            "gradient",
            "The gradient variance is a power of n Var[W] with the number of layers above.",
            equation(GradientVariance(i), (_N * _V) ** (d - i) * GradientVariance(d)),
            lambda claim, _: (
                claim.lhs == GradientVariance(i) and equal(claim.rhs, _equally_wide(backward.equation.rhs))
            ),
            uses=(equal_widths,),
            lemmas=(backward,),
        ),
        Step(
            "weight_gradient",
            "The weight-gradient variance does not depend on the layer.",
            equation(WeightGradientVariance(i), weight_gradient),
            lambda claim, _: (
                claim.lhs == WeightGradientVariance(i) and equal(claim.rhs, _equally_wide(weights.equation.rhs))
            ),
            uses=(equal_widths,),
            lemmas=(weights,),
        ),
    )


def _output_layer() -> tuple[Step, Step, Step]:
    """Return the steps about an output layer of another width."""
    weights = weight_gradient_variance().lemma()
    top = WeightGradientVariance(d) / WeightGradientVariance(d - 1)
    return (
        Step(
            "outputs",
            "With K outputs instead of n the output layer differs from the layer below.",
            equation(top, _N * WeightVariance(d - 1) / (_OUTPUTS * WeightVariance(d))),
            lambda claim, _: claim.lhs == top and equal(claim.rhs, _with_outputs(insert(top, weights.equation))),
            lemmas=(weights,),
            rule="n_0 = ... = n_d = n and n_(d+1) = K",
        ),
        Step(
            "standard_outputs",
            "The standard initialization, with variance 1 / (3 n) in both layers, makes this of it.",
            equation(_STANDARD, _N / _OUTPUTS),
            lambda claim, earlier: (
                claim.lhs == _STANDARD
                and equal(claim.rhs, _with_variance(earlier["outputs"].rhs, lambda below, above: 1 / (3 * below)))
            ),
            follows=("outputs",),
            rule="eq. 1",
        ),
        Step(
            "normalized_outputs",
            "The normalized initialization makes this of it.",
            equation(_NORMALIZED, (_N + _OUTPUTS) / (2 * _OUTPUTS)),
            lambda claim, earlier: (
                claim.lhs == _NORMALIZED
                and equal(claim.rhs, _with_variance(earlier["outputs"].rhs, lambda below, above: 2 / (below + above)))
            ),
            follows=("outputs",),
            rule="eq. 12",
        ),
    )


def _conclusions(gradient: sp.Eq, weight_gradient: sp.Eq) -> tuple[Conclusion, Conclusion]:
    return (
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


def _unequal_widths(without: frozenset[str]) -> Derivation:
    """Return the replacements of eqs. 13 and 14, which are products over layers."""
    gradient, weight_gradient = backward_variance().lemma(), weight_gradient_variance().lemma()
    return Derivation(
        *heading("equal_width", title="Unequal widths"),
        BOTH,
        (
            _product("gradient", "gradient variance", gradient),
            _product("weight_gradient", "weight-gradient variance", weight_gradient),
        ),
        tuple(
            Conclusion(None, lemma.equation, difference=f"A product where eq. {number} has a power of n Var[W].")
            for number, lemma in ((13, gradient), (14, weight_gradient))
        ),
        experiment=lambda random: trials([gradient.equation, weight_gradient.equation], LINEAR, random),
        without=without,
    )


def _product(name: str, quantity: str, lemma: Lemma) -> Step:
    return Step(
        name,
        f"Without equal widths the {quantity} keeps its product over layers.",
        lemma.equation,
        lambda claim, _: same(claim, lemma.equation),
        lemmas=(lemma,),
    )


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
