"""One layer given q_i: how the mean square of gradients that pass it scatters, and goes with q_(i+1)."""

import sympy as sp

from glorotlab.derivations.beyond.random_weights import any_law_of_weights, gaussian_weights, mean_over_weights
from glorotlab.derivations.engine.algebra import equal, equation
from glorotlab.derivations.engine.assumptions import gradient_independence, independent_weights, zero_mean_weights
from glorotlab.derivations.engine.delta_method import DERIVATIVES, SQUARES, for_every_count, over_units
from glorotlab.derivations.engine.fluctuation_notation import (
    Concentration,
    MeanDerivativeFourth,
    MeanDerivativeSquare,
    MeanProductSquare,
    MeanSquare,
    OwnCovariance,
    OwnVariance,
    SignalSquare,
    kappa,
)
from glorotlab.derivations.engine.notation import Gradient, Weight, WeightVariance, Width, i
from glorotlab.derivations.engine.step import Step


def own_variance(*, gaussian: bool) -> Step:
    """Return the step ``own_variance``, the contribution of the units of the layer."""
    fourth = sp.Integer(3) if gaussian else 3 + kappa * Concentration(i + 1)
    q = SignalSquare(i)
    return Step(
        "own_variance",
        "T_i is in proportion to T_(i+1) and a mean over n_(i+1) units, of squares of f'(s) times a sum over weights. "
        "Given q_i that mean has relative variance w_i.",
        equation(OwnVariance(i), (fourth * MeanDerivativeFourth(q) / MeanDerivativeSquare(q) ** 2 - 1) / Width(i + 1)),
        lambda claim, _: (
            claim.lhs == OwnVariance(i)
            and _is_fourth_moment(fourth, gaussian=gaussian)
            and for_every_count(claim.rhs, Width(i + 1), lambda count: _relative_variance(count, fourth))
        ),
        uses=(
            gradient_independence,
            gaussian_weights if gaussian else any_law_of_weights,
            independent_weights,
            zero_mean_weights,
        ),
        rule="eq. 2; J(q) = E[f'(s)^4], G(q) = E[f'(s)^2]; "
        + (
            "the sums are Gaussian and have fourth moment 3 at variance 1"
            if gaussian
            else "r is the sum of fourth powers of gradients over the square of that of squares, "
            "of order 1 / width but where outputs are few"
        ),
    )


def _is_fourth_moment(claimed: sp.Expr, *, gaussian: bool) -> bool:
    """Whether ``claimed`` is E[(W g)^4] / E[(W g)^2]^2 for sums over one to three gradients above."""
    for count in (1, 2, 3):
        terms = [(Weight(i, 1, n), Gradient(i, n)) for n in range(1, count + 1)]
        fourth = mean_over_weights(sp.expand(sum(w * g for w, g in terms) ** 4), [w for w, _ in terms])
        square = sum(g**2 for _, g in terms)
        moment = (fourth / (WeightVariance(i) * square) ** 2).subs(kappa, 0 if gaussian else kappa)
        concentration = sum(g**4 for _, g in terms) / square**2
        if not equal(claimed.subs(Concentration(i + 1), concentration), moment):
            return False
    return True


def _relative_variance(count: int, fourth: sp.Expr) -> sp.Expr:
    total = sum(DERIVATIVES[:count])
    mean = over_units(total, SignalSquare(i))
    return over_units(sp.expand(total**2), SignalSquare(i), fourth) / mean**2 - 1


def own_covariance() -> Step:
    """Return the step ``own_covariance``, the covariance of that contribution with the signal."""
    q = SignalSquare(i)
    covariance = WeightVariance(i + 1) * (MeanProductSquare(q) / MeanDerivativeSquare(q) - MeanSquare(q))
    return Step(
        "own_covariance",
        "The same units make q_(i+1), which goes with that mean: relative to it, their covariance is c_i.",
        equation(OwnCovariance(i), covariance),
        lambda claim, _: claim.lhs == OwnCovariance(i) and for_every_count(claim.rhs, Width(i + 1), _covariance),
        uses=(gradient_independence,),
        rule="the sums do not know s; P(q) = E[f(s)^2 f'(s)^2]",
    )


def _covariance(count: int) -> sp.Expr:
    derivatives, squares = sum(DERIVATIVES[:count]), WeightVariance(i + 1) * sum(SQUARES[:count])
    means = [over_units(total, SignalSquare(i)) for total in (derivatives, squares)]
    return over_units(sp.expand(derivatives * squares), SignalSquare(i)) / means[0] - means[1]
