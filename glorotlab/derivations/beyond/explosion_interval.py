"""How rarely gradients explode: the inputs at which one sigmoid neuron does not shrink a gradient (Nielsen 2015)."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import sympy as sp

from glorotlab import activations
from glorotlab.derivations.beyond.single_neuron_chain import PREACTIVATION, SIGMOID, sigmoid_neurons
from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import equal, equation
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.step import Assumption, Conclusion, Step
from glorotlab.derivations.engine.trial import Trial

large_weight = Assumption(
    "large_weight",
    "The weight is at least 4 in absolute value; w stands for that.",
    "Below 4 no input makes the factor 1: it is at most w / 4.",
)

_W, _T, _U = sp.symbols("w t u", positive=True)
_LARGER, _WIDTH = sp.symbols("u_larger Delta_a", positive=True)


@cache
def explosion_interval() -> Derivation:
    """Derive the width of the interval of inputs on which one sigmoid neuron does not shrink a gradient."""
    width = 2 / _W * sp.log(_W * (1 + sp.sqrt(1 - 4 / _W)) / 2 - 1)
    result = equation(_WIDTH, width)
    return Derivation(
        *heading("explosion_interval"),
        (sigmoid_neurons, large_weight),
        (*_ends(), _width(result), *_widest()),
        (
            Conclusion(
                None,
                result,
                difference="It is the form Nielsen asks for; his largest width, about 0.45 near w = 6.9, follows.",
            ),
        ),
        experiment=lambda random: _interval(result, random),
    )


def _ends() -> tuple[Step, Step, Step]:
    """Return the steps that find where the factor is 1, and the width between."""
    return (
        Step(
            "unit_factor",
            "With u = exp(-s) the factor w sigma'(s) is 1 where",
            equation((1 + _U) ** 2, _W * _U),
            lambda claim, _: equal(claim.rhs / claim.lhs, _factor()) and claim.rhs == _W * _U,
            uses=(sigmoid_neurons,),
        ),
        Step(
            "larger_solution",
            "The larger of both solutions, real where the weight is large, is",
            equation(_LARGER, (_W - 2 + sp.sqrt(_W**2 - 4 * _W)) / 2),
            lambda claim, earlier: claim.lhs == _LARGER and equal(claim.rhs, _larger(earlier["unit_factor"])),
            uses=(large_weight,),
            follows=("unit_factor",),
            rule="solved for u",
        ),
        Step(
            "span",
            "and the other is its inverse; between them the factor exceeds 1. So s spans twice the logarithm, and the "
            "input a = (s - b) / w the w-th part of it.",
            equation(_WIDTH, 2 / _W * sp.log(_LARGER)),
            lambda claim, earlier: (
                claim.lhs == _WIDTH and equal(claim.rhs, _span(earlier["unit_factor"], earlier["larger_solution"]))
            ),
            uses=(sigmoid_neurons,),
            follows=("unit_factor", "larger_solution"),
            rule="the product of both solutions is 1; at s = 0 the factor is w / 4",
        ),
    )


def _width(result: sp.Eq) -> Step:
    def check(claim: sp.Eq, earlier: Mapping[str, sp.Eq]) -> bool:
        inserted = earlier["span"].rhs.subs(*earlier["larger_solution"].args)
        return bool(
            claim.lhs == _WIDTH
            and sp.simplify(sp.expand_log(claim.rhs - inserted, force=True)) == 0
            and _same_numbers(claim.rhs, inserted)
        )

    return Step("width", "This is the width, whatever the bias.", result, check, follows=("larger_solution", "span"))


def _widest() -> tuple[Step, Step]:
    """Return the steps to the weight at which the interval is widest."""
    return (
        Step(
            "parametrised",
            "With w four times the square of cosh(t/2) that logarithm is t, and the width",
            equation(_WIDTH, _T / (2 * sp.cosh(_T / 2) ** 2)),
            lambda claim, earlier: (
                claim.lhs == _WIDTH and equal(claim.rhs, _in_t(earlier["unit_factor"], earlier["span"]))
            ),
            follows=("unit_factor", "span"),
            rule="u = exp(t) makes the factor 1 for this w",
        ),
        Step(
            "widest",
            "is largest where this holds: t = 1.543, w = 6.89, width 0.448.",
            equation(_T * sp.tanh(_T / 2), sp.S.One),
            lambda claim, earlier: (
                claim.lhs == _T * sp.tanh(_T / 2)
                and sp.simplify((claim.lhs - claim.rhs) / sp.diff(earlier["parametrised"].rhs, _T) * _decay()) == 1
            ),
            follows=("parametrised",),
            rule="the derivative of the width vanishes",
        ),
    )


def _factor() -> sp.Expr:
    """Return w sigma'(s) in u = exp(-s)."""
    return _W * sp.simplify(sp.diff(SIGMOID, PREACTIVATION).subs(PREACTIVATION, -sp.log(_U)))


def _larger(relation: sp.Eq) -> sp.Expr:
    """Return the larger root in u."""
    roots = sp.solve(relation.lhs - relation.rhs, _U)
    return max(roots, key=lambda root: float(root.subs(_W, 9)))


def _span(relation: sp.Eq, larger: sp.Eq) -> sp.Expr:
    """Return the width of the interval of a, where both roots of the relation are inverse and the middle exceeds 1."""
    roots = sp.solve(relation.lhs - relation.rhs, _U)
    inverse = len(roots) == 2 and sp.simplify(roots[0] * roots[1]) == 1
    beyond = sp.simplify((relation.rhs / relation.lhs).subs(_U, 1) - _W / 4) == 0
    return 2 / _W * sp.log(larger.lhs) if inverse and beyond else sp.nan


def _same_numbers(first: sp.Expr, second: sp.Expr) -> bool:
    """Whether both agree to 25 digits at a few weights: logarithms simplify on one branch alone."""
    return all(abs(sp.N((first - second).subs(_W, value), 30)) < 1e-25 for value in (5, sp.Rational(69, 10), 40))


def _in_t(relation: sp.Eq, width: sp.Eq) -> sp.Expr:
    """Return the width as a function of t, where w is four times the square of cosh(t/2)."""
    weight = 4 * sp.cosh(_T / 2) ** 2
    difference = (relation.lhs - relation.rhs).subs({_U: sp.exp(_T), _W: weight})
    if sp.simplify(difference.rewrite(sp.exp)) != 0:
        return sp.nan
    return width.rhs.subs({_LARGER: sp.exp(_T), _W: weight})


def _decay() -> sp.Expr:
    """Return the divisor of 1 - t tanh(t/2) in the derivative of the width, up to the sign; it has no zero."""
    return -1 / (2 * sp.cosh(_T / 2) ** 2)


def _interval(result: sp.Eq, random: np.random.Generator, draws: int = 60_000) -> tuple[Trial, ...]:
    """Measure the share of inputs of [-1, 1] at which a sigmoid neuron of bias 0 does not shrink a gradient."""
    record, outcomes = activations.get("sigmoid"), []
    for weight in (5.0, 6.9, 40.0):
        a = random.uniform(-1, 1, draws)
        grows = weight * np.asarray(record.derivative(weight * a)) >= 1
        width = float(result.rhs.subs(_W, weight))
        outcomes.append(Trial.of(f"width at w = {weight:g}", width, 2.0 * grows))
    return tuple(outcomes)
