"""The sentence at equation 17: the mean singular value of a layer's Jacobian, and what it is not."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import sympy as sp

from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import at, equal, equation, insert
from glorotlab.derivations.engine.assumptions import (
    BOTH,
    independent_weights,
    linear_regime,
    symmetric_uniform,
    zero_mean_weights,
)
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.notation import ActivationVariance, WeightVariance, Width, i
from glorotlab.derivations.engine.step import Assumption, Conclusion, Lemma, Step
from glorotlab.derivations.engine.trial import Trial
from glorotlab.derivations.paper.forward import forward_variance
from glorotlab.derivations.paper.initialization import normalized_initialization, standard_initialization

wide_square_layers = Assumption(
    "wide_square_layers",
    "n_i = n_(i+1) = n, and n is large: terms of order 1 / n are left out.",
    "Rectangular layers have the Marchenko-Pastur law of their ratio of widths, which jacobian_spectrum gives; the "
    "spectrum of a small matrix is no fixed curve.",
)

_SIGMA, _S = sp.symbols("sigma s", positive=True)
_K, _POWER = sp.Symbol("k", integer=True, nonnegative=True), sp.Symbol("p", nonnegative=True)
_MOMENT = sp.Function("m")
_MEAN, _MEAN_LOG, _WITH_DERIVATIVES = sp.symbols("mu mu_log mu_derivatives", real=True)
_NORMALIZED, _STANDARD = sp.symbols("mu_normalized mu_standard", positive=True)
_EXCESS = sp.Symbol("e", real=True)
_DENSITY = sp.sqrt(4 * _SIGMA**2 - _S**2) / (sp.pi * _SIGMA**2)
_LARGEST_COUNTED = 4
"""The largest k whose pairs of weights are counted one by one."""


@cache
def mean_singular_value() -> Derivation:
    """Derive the mean singular value 8 sigma / (3 pi), sigma^2 = n Var[W], from the moments of W W'."""
    result = equation(_MEAN, 8 * _SIGMA / (3 * sp.pi))
    return Derivation(
        *heading("mean_singular_value"),
        (*BOTH, symmetric_uniform, wide_square_layers),
        (
            *_spectrum(),
            _mean(result),
            _variance_ratio(),
            _mean_logarithm(),
            _initialized(
                "normalized",
                "The normalized initialization has n Var[W] = 1, so sigma = 1: 0.849.",
                equation(_NORMALIZED, 8 / (3 * sp.pi)),
                normalized_initialization().lemma("factor"),
            ),
            _initialized(
                "standard",
                "The standard initialization has n Var[W] = 1/3, so sigma = 1 / sqrt(3): 0.490.",
                equation(_STANDARD, 8 / (3 * sp.sqrt(3) * sp.pi)),
                standard_initialization().lemma(),
            ),
            _derivatives(result),
        ),
        (_conclusion(result),),
        experiment=lambda random: _experiment(result, random),
    )


def _conclusion(result: sp.Eq) -> Conclusion:
    return Conclusion(
        17,
        result,
        printed=equation(_MEAN, _SIGMA**2),
        factor=3 * sp.pi * _SIGMA / 8,
        difference="The sentence at eq. 17 takes the average singular value for the ratio of activation variances. "
        "That ratio is the mean squared singular value, sigma^2 = n Var[W]: 1 (normalized) and 1/3 (standard) in the "
        "linear regime, where the mean is 0.849 and 0.490. The paper's measured 0.8 and 0.5 are means, brought down a "
        "little by the derivatives of tanh. Nor is it the ratio of volumes, whose root for each dimension is the "
        "geometric mean, sigma exp(-1/2).",
    )


def _spectrum() -> tuple[Step, Step]:
    """Return the steps with all even moments of the singular values and the density that has them."""
    return (
        Step(
            "moments",
            "With sigma^2 = n Var[W], the mean of s^(2 k) over the singular values s of a layer's Jacobian, which is "
            "the trace of the k-th power of W W' over n, is a Catalan number.",
            equation(_MOMENT(_K), _SIGMA ** (2 * _K) * sp.catalan(_K)),
            _is_moment,
            uses=(linear_regime, independent_weights, zero_mean_weights, wide_square_layers),
            rule="the pairs of weights that leave k + 1 indices free are counted, for k to "
            f"{_LARGEST_COUNTED}; the first weight's partner splits them in two",
        ),
        Step(
            "quarter_circle",
            "These are the moments of the quarter circle, the only density on a bounded interval to have them.",
            equation(_MOMENT(_K), sp.Integral(_S ** (2 * _K) * _DENSITY, (_S, 0, 2 * _SIGMA))),
            lambda claim, earlier: (
                claim.lhs == _MOMENT(_K)
                and equal(sp.gammasimp(_beta(claim.rhs, 2 * _K) / _gamma_form(earlier["moments"].rhs)), sp.S.One)
            ),
            follows=("moments",),
            rule="s = 2 sigma sqrt(u) makes it a Beta function",
        ),
    )


def _mean(result: sp.Eq) -> Step:
    return Step(
        "mean",
        "Its mean is the mean singular value.",
        result,
        lambda claim, earlier: claim.lhs == _MEAN and equal(claim.rhs, _beta(earlier["quarter_circle"].rhs, sp.S.One)),
        follows=("quarter_circle",),
        rule="s in the place of s^(2 k)",
    )


def _variance_ratio() -> Step:
    ratio = ActivationVariance(i + 1) / ActivationVariance(i)
    forward = forward_variance().lemma()

    def check(claim: sp.Eq, earlier: Mapping[str, sp.Eq]) -> bool:
        one_layer = sp.simplify(sp.combsimp((at(forward.equation, i + 1) / at(forward.equation, i)).doit()))
        return (
            claim.lhs == ratio
            and claim.rhs == _MOMENT(1)
            and equal(insert(claim.rhs, earlier["moments"]), _SIGMA**2)
            and equal(one_layer, Width(i) * WeightVariance(i))
        )

    return Step(
        "variance_ratio",
        "Its second moment, not its mean, is the ratio of activation variances.",
        equation(ratio, _MOMENT(1)),
        check,
        follows=("moments",),
        lemmas=(forward,),
        rule="k = 1",
    )


def _mean_logarithm() -> Step:
    return Step(
        "mean_logarithm",
        "Its mean logarithm is that of a ratio of volumes, for each dimension.",
        equation(_MEAN_LOG, sp.log(_SIGMA) - sp.Rational(1, 2)),
        lambda claim, earlier: (
            claim.lhs == _MEAN_LOG
            and sp.simplify(claim.rhs - sp.diff(_beta(earlier["quarter_circle"].rhs, _POWER), _POWER).subs(_POWER, 0))
            == 0
        ),
        follows=("quarter_circle",),
        rule="the derivative of the mean of s^p at p = 0",
    )


def _initialized(name: str, statement: str, claimed: sp.Eq, factor: Lemma) -> Step:
    """Return the step with the mean under an initialization that fixes n Var[W]."""
    return Step(
        name,
        statement,
        claimed,
        lambda claim, earlier: (
            claim.lhs == claimed.lhs
            and equal(claim.rhs, earlier["mean"].rhs.subs(_SIGMA, sp.sqrt(factor.equation.rhs)))
        ),
        follows=("mean",),
        lemmas=(factor,),
    )


def _derivatives(result: sp.Eq) -> Step:
    return Step(
        "derivatives",
        "Beyond the linear regime derivatives f'(s) near 1, of mean 1 + e, multiply it by that mean, to first order.",
        equation(_WITH_DERIVATIVES, result.rhs * (1 + _EXCESS)),
        lambda claim, _: claim.lhs == _WITH_DERIVATIVES and equal(claim.rhs, _mean_with_derivatives()),
        rule="S-transforms: the mean is the integral of 2 sqrt(t) / pi over k from 0 to 1 with "
        "t = sigma^2 (1 - k) / y, k the mean of tau y / (1 + tau y) and tau the square of f'",
    )


def _experiment(result: sp.Eq, random: np.random.Generator) -> tuple[Trial, ...]:
    """Take the singular values of matrices with the standard and the normalized initialization's variance."""
    n, results = 100, []
    for name, squared in (("standard", 1 / 3), ("normalized", 1.0)):
        bound = np.sqrt(3 * squared / n)
        weights = random.uniform(-bound, bound, (40, n, n))
        means = np.linalg.svd(weights, compute_uv=False).mean(axis=1)
        predicted = float(result.rhs.subs(_SIGMA, np.sqrt(squared)))
        results.append(Trial.of(f"mean singular value, {name}", predicted, means))
    return tuple(results)


def _is_moment(claim: sp.Eq, _: Mapping[str, sp.Eq]) -> bool:
    counted = all(equal(claim.rhs.subs(_K, k), _SIGMA ** (2 * k) * _pairings(k)) for k in range(_LARGEST_COUNTED + 1))
    split = all(
        equal(
            at(claim, sp.Integer(k + 1)),
            _SIGMA**2 * sum(at(claim, sp.Integer(a)) * at(claim, sp.Integer(k - a)) for a in range(k + 1)),
        )
        for k in range(8)
    )
    return claim.lhs == _MOMENT(_K) and counted and split


def _pairings(k: int) -> int:
    """Count the pairs of the weights in Tr(W W')^k = sum of W_(i1 j1) W_(i2 j1) W_(i2 j2) ... that leave k + 1 indices.

    A pair of weights has expectation Var[W] where both its indices agree, and k pairs bring n^-k with sigma^(2 k): of
    n^(indices left) only those with k + 1 remain beside 1 / n.
    """
    weights = [entry for a in range(k) for entry in ((("i", a), ("j", a)), (("i", (a + 1) % k), ("j", a)))]
    return sum(_indices_left(weights, pairs) == k + 1 for pairs in _all_pairs(list(range(2 * k)))) if k else 1


def _all_pairs(items: list[int]) -> list[list[tuple[int, int]]]:
    if not items:
        return [[]]
    first, *rest = items
    return [
        [(first, other), *pairs] for other in rest for pairs in _all_pairs([item for item in rest if item != other])
    ]


def _indices_left(weights: Sequence[tuple[tuple[str, int], ...]], pairs: list[tuple[int, int]]) -> int:
    """Count the classes of indices once the indices of paired weights are equal."""
    classes = {index: {index} for weight in weights for index in weight}
    for a, b in pairs:
        for left, right in zip(weights[a], weights[b], strict=True):
            merged = classes[left] | classes[right]
            classes |= dict.fromkeys(merged, merged)
    return len({id(members) for members in classes.values()})


def _beta(integral: sp.Integral, power: sp.Expr) -> sp.Expr:
    """Return the integral with s^power in the place of s^(2 k), by s = 2 sigma sqrt(u) a Beta function of u."""
    variable, low, high = integral.limits[0]
    u = sp.Symbol("u", positive=True)
    weight = (integral.function / variable ** (2 * _K)).subs(variable, 2 * _SIGMA * sp.sqrt(u))
    weight = sp.simplify(weight * sp.diff(2 * _SIGMA * sp.sqrt(u), u) * sp.sqrt(u) / sp.sqrt(1 - u))
    if low != 0 or high != 2 * _SIGMA or weight.has(u):
        raise ValueError("the integral is no Beta function")
    half = sp.Rational(1, 2)
    beta = sp.gamma((power + 1) * half) * sp.gamma(3 * half) / sp.gamma(power * half + 2)
    return weight * (2 * _SIGMA) ** power * beta


def _gamma_form(expression: sp.Expr) -> sp.Expr:
    return expression.rewrite(sp.gamma)


@cache
def _mean_with_derivatives() -> sp.Expr:
    """Return the mean for f' = 1 + eta to first order in eta, whose mean is e: E is linear."""
    k, y = sp.symbols("k y", positive=True)
    small = sp.Symbol("epsilon")
    squared = (1 + small * _EXCESS) ** 2
    share = squared * y / (1 + squared * y)
    along, across = (sp.diff(share, variable).subs(small, 0) for variable in (y, small))
    (start,) = sp.solve(share.subs(small, 0) - k, y)
    root = 2 / sp.pi * sp.sqrt(_SIGMA**2 * (1 - k) / y)
    change = sp.simplify((sp.diff(sp.log(root), y) * -across / along).subs(y, start))
    if change.has(k):
        raise ValueError("the first order depends on k")
    by_y = sp.simplify(root.subs(k, y / (1 + y)) * sp.diff(y / (1 + y), y))
    return sp.integrate(by_y, (y, 0, sp.oo)) * (1 + change)
