"""Equations 15 and 16: the variance of the standard and of the normalized initialization."""

from dataclasses import replace
from functools import cache

import sympy as sp

from glorotlab import initializers
from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import at, equal, equation, insert, solution
from glorotlab.derivations.engine.assumptions import BOTH, FORWARD, symmetric_uniform
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.linear_networks import LINEAR, Setting, trials
from glorotlab.derivations.engine.notation import ActivationVariance, WeightVariance, Width, i, input_variance, j
from glorotlab.derivations.engine.step import Conclusion, Step
from glorotlab.derivations.paper.compromise import compromise
from glorotlab.derivations.paper.forward import forward_variance

_BOUND = sp.Symbol("a", positive=True)
_WEIGHT = sp.Symbol("w", real=True)


@cache
def standard_initialization() -> Derivation:
    """Derive n Var[W] = 1/3 for W ~ U[-1/sqrt(n), 1/sqrt(n)] (eq. 1)."""
    forward = forward_variance().lemma()
    result = equation(Width(i) * WeightVariance(i), sp.Rational(1, 3))
    decay = equation(ActivationVariance(i), input_variance / 3**i)
    steps = (
        *_uniform_variance(i),
        Step(
            "standard_variance",
            "The bound of eq. 1 fixes it.",
            equation(WeightVariance(i), 1 / (3 * Width(i))),
            lambda claim, earlier: (
                claim.lhs == WeightVariance(i)
                and equal(claim.rhs, earlier["variance"].rhs.subs(_BOUND, 1 / sp.sqrt(Width(i))))
            ),
            follows=("variance",),
            rule="a = 1 / sqrt(n), n the size of the layer below (eq. 1)",
        ),
        Step(
            "factor",
            "The forward factor is 1/3 whatever the width, not 1.",
            result,
            lambda claim, earlier: (
                claim.lhs == Width(i) * WeightVariance(i)
                and equal(claim.rhs, insert(claim.lhs, earlier["standard_variance"]))
            ),
            follows=("standard_variance",),
        ),
        Step(
            "decay",
            "So each layer divides the variance of activations by 3.",
            decay,
            lambda claim, earlier: (
                claim.lhs == ActivationVariance(i)
                and equal(claim.rhs, insert(at(forward.equation, i), earlier["standard_variance"]).doit())
            ),
            follows=("standard_variance",),
            lemmas=(forward,),
        ),
    )
    return Derivation(
        *heading("standard_initialization"),
        (*FORWARD, symmetric_uniform),
        steps,
        (Conclusion(15, result, printed=equation(Width(i) * WeightVariance(i), sp.Rational(1, 3))),),
        experiment=lambda random: trials([decay], _initialized("standard"), random),
    )


@cache
def normalized_initialization() -> Derivation:
    """Derive the bound sqrt(6) / sqrt(n_j + n_{j+1}) from eq. 12."""
    choice = compromise().lemma()
    wished = at(choice.equation, j)
    result = equation(_BOUND, sp.sqrt(6) / sp.sqrt(Width(j) + Width(j + 1)))
    steps = (
        *_uniform_variance(j),
        Step(
            "wish",
            "The variance is to be the compromise.",
            equation(_BOUND**2 / 3, wished),
            lambda claim, earlier: claim.lhs == earlier["variance"].rhs and equal(claim.rhs, wished),
            follows=("variance",),
            lemmas=(choice,),
            rule="eq. 12",
        ),
        Step(
            "bound",
            "That fixes the bound.",
            result,
            lambda claim, earlier: (
                claim.lhs == _BOUND
                and len(solution(earlier["wish"], _BOUND)) == 1
                and equal(claim.rhs, *solution(earlier["wish"], _BOUND))
            ),
            follows=("wish",),
            rule="solved for a > 0",
        ),
        Step(
            "factor",
            "Between equally wide layers the factor is 1 both ways, where eq. 15 has 1/3.",
            equation(Width(j) * WeightVariance(j), sp.S.One),
            lambda claim, earlier: (
                claim.lhs == Width(j) * WeightVariance(j)
                and equal(
                    claim.rhs,
                    insert(claim.lhs, earlier["variance"]).subs(*earlier["bound"].args).subs(Width(j + 1), Width(j)),
                )
            ),
            follows=("variance", "bound"),
            rule="n_(j+1) = n_j",
        ),
    )
    return Derivation(
        *heading("normalized_initialization"),
        (*BOTH, symmetric_uniform),
        steps,
        (Conclusion(16, result, printed=equation(_BOUND, sp.sqrt(6) / sp.sqrt(Width(j) + Width(j + 1)))),),
        experiment=lambda random: trials([_with_bound(result)], _initialized("glorot_uniform"), random),
    )


def _uniform_variance(index: sp.Symbol) -> tuple[Step, Step]:
    """Return the steps that give the variance of a weight uniform on [-a, a]."""
    integral = sp.Integral(_WEIGHT**2 / (2 * _BOUND), (_WEIGHT, -_BOUND, _BOUND))
    return (
        Step(
            "density",
            "A uniform weight on [-a, a] has mean 0 and density 1 / (2 a).",
            equation(WeightVariance(index), integral),
            lambda claim, _: claim.lhs == WeightVariance(index) and equal(claim.rhs.doit(), _variance_by_quantiles()),
            uses=(symmetric_uniform,),
        ),
        Step(
            "variance",
            "Its variance is a third of the squared bound.",
            equation(WeightVariance(index), _BOUND**2 / 3),
            lambda claim, earlier: (
                claim.lhs == WeightVariance(index) and equal(claim.rhs, earlier["density"].rhs.doit())
            ),
            follows=("density",),
            rule="the integral",
        ),
    )


@cache
def _variance_by_quantiles() -> sp.Expr:
    """Return Var[W] of W = a (2 u - 1), the quantile function of U[-a, a], integrated over u in [0, 1]."""
    u = sp.Symbol("u", real=True)
    weight = _BOUND * (2 * u - 1)
    mean = sp.integrate(weight, (u, 0, 1))
    return sp.integrate(sp.expand((weight - mean) ** 2), (u, 0, 1))


def _with_bound(bound: sp.Eq) -> sp.Eq:
    """Return forward_variance under weights uniform on [-a, a] with that bound."""
    variance = equation(WeightVariance(j), bound.rhs**2 / 3)
    variances = equation(WeightVariance(i), at(variance, i))
    return equation(ActivationVariance(i), insert(at(forward_variance().result, i), variances))


def _initialized(name: str) -> Setting:
    """Return networks with the weights that an initializer of the catalogue draws."""
    pairs = zip(LINEAR.widths[:-1], LINEAR.widths[1:], strict=True)
    variances = tuple(initializers.get(name).variance(*pair) for pair in pairs)
    return replace(LINEAR, weight_variances=variances, uniform=True)
