"""The gradient that softmax and log-likelihood send back: where Var[dC/ds^d] of the recurrences comes from."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import sympy as sp

from glorotlab.arrays import Array
from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import equal, equation
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.notation import Gradient, GradientVariance, d, k
from glorotlab.derivations.engine.step import Assumption, Conclusion, Step
from glorotlab.derivations.engine.trial import Trial

exchangeable_logits = Assumption(
    "exchangeable_logits",
    "The K logits s^d are independent of each other and have one symmetric law, as under W^d of mean 0.",
    "Outputs that are preferred before training have gradients of their own; each then needs its own p.",
)
independent_labels = Assumption(
    "independent_labels",
    "Labels are independent of the logits, as before training.",
    "A trained network puts its probability where the label is: then E[p_c] is not 1/K, and the gradient shrinks as "
    "the cost does.",
)
balanced_labels = Assumption(
    "balanced_labels",
    "Every class is as frequent as any other.",
    "An output's mean gradient is then 1/K minus the frequency of its class; its second moment keeps this form only "
    "as a mean over outputs.",
)
small_logits = Assumption(
    "small_logits",
    "The variance Q of the logits is so small that its square does not count.",
    "The mean of p_k squared has no closed form in Q.",
)

_K = sp.Symbol("K", integer=True, positive=True)
_Q = sp.Symbol("Q", positive=True)
_SQUARE = sp.Symbol("E_p", positive=True)
"""The mean of p_k squared."""

_P, _Y = sp.Function("p", real=True), sp.Function("y", real=True)
"""p_k, the softmax of the logits, and y_k, 1 for the label and 0 for the other classes."""

_TRIED = (2, 3, 4)
"""The numbers of outputs for which sums are written out."""


@cache
def softmax_output_gradient(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[dC/ds^d] of one example's cost; ``without`` small_logits it keeps E p_k^2, which needs an integral."""
    small = "small_logits" not in without
    steps = (*_exact(), *(_expanded() if small else ()))
    assumptions = (exchangeable_logits, independent_labels, balanced_labels, small_logits)
    remark = (
        "Networks start near (K - 1) / K^2 where logits are small; larger ones raise it, and beyond Q = .1 "
        "or so the next orders count."
        if small
        else "E_p lies between 1 / K^2, all logits equal, and 1 / K, one output certain: predict integrates it."
    )
    return Derivation(
        *heading("softmax_output_gradient"),
        tuple(item for item in assumptions if item.name not in without),
        steps,
        (Conclusion(None, steps[-1].equation, difference=remark),),
        experiment=lambda random: _experiment(random, small=small),
        carries=frozenset({"small_logits"}) - without,
        without=without,
    )


def _exact() -> tuple[Step, Step]:
    """Return the steps that hold for logits of any variance."""
    return (
        Step(
            "error",
            "With C = -ln p_c of the label c the derivative by a logit is that output's error.",
            equation(Gradient(d, k), _P(k) - _Y(k)),
            _is_error,
            rule="the chain rule through p = softmax(s^d), for two to four outputs",
        ),
        Step(
            "mean_square",
            "Its mean is 0, so its variance is its mean square; E_p stands for the mean of p_k squared.",
            equation(GradientVariance(d), _SQUARE - 2 / _K**2 + 1 / _K),
            lambda claim, earlier: (
                claim.lhs == GradientVariance(d)
                and _mean(earlier["error"].rhs) == 0
                and equal(claim.rhs, _mean_square(earlier["error"].rhs))
            ),
            uses=(exchangeable_logits, balanced_labels, independent_labels),
            follows=("error",),
            rule="p_k and y_k have mean 1/K, as the p add to 1; so has the square of y_k, which is y_k; the mean of "
            "p_k y_k is 1 / K^2, labels being independent",
        ),
    )


def _expanded() -> tuple[Step, Step]:
    """Return the steps to first order in the variance of the logits."""
    return (
        Step(
            "expansion",
            "To first order in the variance Q of the logits,",
            equation(_SQUARE, 1 / _K**2 + (_K - 1) * _Q / _K**3),
            _is_expansion,
            uses=(small_logits, exchangeable_logits),
            rule="the Taylor series of softmax over independent logits, for two to four outputs",
        ),
        Step(
            "start",
            "Hence the gradient that starts its way down.",
            equation(GradientVariance(d), (_K - 1) / _K**2 * (1 + _Q / _K)),
            lambda claim, earlier: (
                claim.lhs == GradientVariance(d)
                and equal(claim.rhs, earlier["mean_square"].rhs.subs(*earlier["expansion"].args))
            ),
            follows=("mean_square", "expansion"),
        ),
    )


def _softmax(count: int) -> tuple[tuple[sp.Symbol, ...], list[sp.Expr]]:
    logits = sp.symbols(f"s_1:{count + 1}", real=True)
    total = sum(map(sp.exp, logits))
    return logits, [sp.exp(logit) / total for logit in logits]


def _is_error(claim: sp.Eq, _: Mapping[str, sp.Eq]) -> bool:
    for count in _TRIED:
        logits, p = _softmax(count)
        for label in range(count):
            cost = sp.log(sum(map(sp.exp, logits))) - logits[label]
            for unit, logit in enumerate(logits):
                concrete = claim.subs(k, unit + 1)
                right = concrete.rhs.replace(_P, lambda at, p=p: p[int(at) - 1])
                right = right.replace(_Y, lambda at, label=label: sp.Integer(int(at) - 1 == label))
                if concrete.lhs != Gradient(d, unit + 1) or sp.simplify(right - cost.diff(logit)) != 0:
                    return False
    return True


def _mean(error: sp.Expr) -> sp.Expr:
    """Return the mean of an expression linear in p_k and y_k."""
    return error.replace(_P, lambda _: 1 / _K).replace(_Y, lambda _: 1 / _K)


def _mean_square(error: sp.Expr) -> sp.Expr:
    """Return E of the square of a combination of p_k and y_k."""
    p, y = _P(k), _Y(k)
    expectations = {(2, 0): _SQUARE, (0, 2): 1 / _K, (1, 1): 1 / _K**2, (1, 0): 1 / _K, (0, 1): 1 / _K, (0, 0): 1}
    terms = sp.Poly(sp.expand(error**2), p, y).terms()
    return sum(coefficient * expectations[powers] for powers, coefficient in terms)


def _is_expansion(claim: sp.Eq, _: Mapping[str, sp.Eq]) -> bool:
    return bool(claim.lhs == _SQUARE) and all(
        equal(claim.rhs.subs(_K, count), _expanded_square(count)) for count in _TRIED
    )


@cache
def _expanded_square(count: int) -> sp.Expr:
    """Return E p_1^2 of independent logits of variance Q to first order in Q, by the second derivatives of p_1^2."""
    logits, p = _softmax(count)
    zero = dict.fromkeys(logits, 0)
    curvature = sum(sp.diff(p[0] ** 2, logit, 2).subs(zero) for logit in logits)
    return sp.nsimplify(p[0].subs(zero) ** 2 + curvature * _Q / 2)


def _experiment(
    random: np.random.Generator, *, small: bool, draws: int = 60_000, outputs: int = 10
) -> tuple[Trial, ...]:
    """Draw Gaussian logits: E_p near 0 by what it exceeds 1 / K^2, and the rest of the mean square at Q = 1."""
    outcomes = []
    if small:
        variance = 0.01
        p = _probabilities(np.sqrt(variance) * random.standard_normal((draws, outputs)))
        excess = (p**2).mean(axis=1) - 1 / outputs**2
        outcomes.append(Trial.of("E_p - 1 / K^2 at Q = .01", (outputs - 1) * variance / outputs**3, excess))
    p = _probabilities(random.standard_normal((draws, outputs)))
    y = np.eye(outputs)[random.integers(outputs, size=draws)]
    rest = ((p - y) ** 2 - p**2).mean(axis=1)
    outcomes.append(Trial.of("Var[dC/ds^d] - E_p at Q = 1", 1 / outputs - 2 / outputs**2, rest))
    outcomes.append(Trial.of("1 + E[dC/ds^d_1] at Q = 1", 1.0, 1 + p[:, 0] - y[:, 0]))
    return tuple(outcomes)


def _probabilities(logits: Array) -> Array:
    odds = np.exp(logits)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
