"""Beyond infinite width: how the second moment that reaches a layer scatters from network to network.

Sources: Yaida 2020, eqs. 8 to 14; Roberts, Yaida & Hanin 2022, chapters 4 and 5. For ReLU the law is exact (Hanin &
Rolnick 2018, Hanin & Nica 2020). ``glorotlab.theory.finite_width.recursions`` has the same recursions as numbers.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
import sympy as sp

from glorotlab.derivations.beyond.conditional_signal import conditional_steps, variance_of_sum
from glorotlab.derivations.beyond.random_weights import REPLACED, first_order_width, gaussian_weights
from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine import delta_method
from glorotlab.derivations.engine.algebra import equal, equation, solves
from glorotlab.derivations.engine.assumptions import (
    equal_widths,
    independent_weights,
    replaced,
    zero_bias,
    zero_mean_weights,
)
from glorotlab.derivations.engine.delta_method import LINEAR, RELU, SMALL
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.fluctuation_networks import Networks, draw
from glorotlab.derivations.engine.fluctuation_notation import (
    FourthCumulant,
    MeanFourth,
    MeanSquare,
    SampledVariance,
    SignalMean,
    SignalSecondMoment,
    SignalSquare,
    SignalVariance,
    WideSignalSquare,
    width,
)
from glorotlab.derivations.engine.fluctuation_trials import exact_signal_trials, signal_trials
from glorotlab.derivations.engine.notation import WeightVariance, Width, i, layer
from glorotlab.derivations.engine.step import Conclusion, Step
from glorotlab.derivations.engine.trial import Trial

CARRIES = frozenset({"zero_bias", "gaussian_weights", "equal_widths"})

_BELOW, _OWN = sp.symbols("x y", real=True)
"""The random part of q_i, and that of the units of the layer."""

_UP = Width(i + 1) * WeightVariance(i + 1)
_MAP_DERIVATIVE = _UP * MeanSquare(WideSignalSquare(i), 1)
"""The derivative of Q_(i+1) in Q_i."""


@cache
def finite_width_fluctuation(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[q_i] and the shift of E[q_i] layer by layer; ``without`` names assumptions of ``CARRIES``."""
    gaussian, equally = "gaussian_weights" not in without, "equal_widths" not in without
    closed = gaussian and "zero_bias" not in without
    variance, mean = _variance(), _mean(gaussian=gaussian)
    relu, linear = _scale_free("relu", RELU, 5, equally=equally), _scale_free("linear", LINEAR, 2, equally=equally)
    steps = (
        *conditional_steps(gaussian=gaussian, biased="zero_bias" in without),
        variance,
        mean,
        *((_sampled(),) if gaussian else ()),
        *((*relu, *linear) if closed else ()),
    )
    conclusions = (
        Conclusion(
            None,
            variance.equation,
            difference="Each layer adds its own share, in inverse proportion to its width.",
        ),
        Conclusion(
            None,
            mean.equation,
            difference="Where F is concave, as for tanh, narrow layers pass on less than wide ones.",
        ),
        *(_exactly(relu, linear) if closed else ()),
    )
    assumptions = (
        gaussian_weights,
        independent_weights,
        zero_mean_weights,
        zero_bias,
        first_order_width,
        *((equal_widths,) if closed else ()),
    )
    return Derivation(
        *heading("finite_width_fluctuation"),
        replaced(assumptions, without, REPLACED),
        steps,
        conclusions,
        experiment=lambda random: _experiment([each.result for each in conclusions], without, random),
        carries=CARRIES - without,
        without=without,
    )


def _variance() -> Step:
    own = _UP**2 * (MeanFourth(WideSignalSquare(i)) - MeanSquare(WideSignalSquare(i)) ** 2) / Width(i + 1)
    return Step(
        "variance",
        "What scatters below is passed on by the derivative of the map, and the units add their own.",
        equation(SignalVariance(i + 1), _MAP_DERIVATIVE**2 * SignalVariance(i) + own),
        lambda claim, earlier: (
            claim.lhs == SignalVariance(i + 1)
            and equal(
                claim.rhs,
                delta_method.variance(
                    _scattered(earlier["conditional_mean"]) + SMALL * _OWN,
                    {_BELOW**2: SignalVariance(i), _OWN**2: _in_wide_layers(earlier["conditional_variance"])},
                ),
            )
        ),
        uses=(first_order_width,),
        follows=("conditional_mean", "conditional_variance"),
        rule="the law of total variance; the map is linear over so little, and the last factor is taken at Q_i",
    )


def _mean(*, gaussian: bool) -> Step:
    cumulant = sp.S.Zero if gaussian else FourthCumulant(i) / 3
    curved = _UP * MeanSquare(WideSignalSquare(i), 2) / 2 * (SignalVariance(i) + cumulant)
    straight = _MAP_DERIVATIVE * (SignalMean(i) - WideSignalSquare(i))

    def check(claim: sp.Eq, earlier: Mapping[str, sp.Eq]) -> bool:
        conditional_mean = earlier["conditional_mean"]
        moved = delta_method.mean(_scattered(conditional_mean), {_BELOW**2: SignalVariance(i)})
        wide = _in_wide_layers(conditional_mean).subs(FourthCumulant(i), 0)
        return bool(claim.lhs == SignalMean(i + 1)) and equal(claim.rhs, WideSignalSquare(i + 1) + moved - wide)

    return Step(
        "mean",
        "The curvature of the map moves the mean.",
        equation(SignalMean(i + 1), WideSignalSquare(i + 1) + straight + curved),
        check,
        uses=(first_order_width,),
        follows=("conditional_mean",),
        rule="expanded about Q_i to second order; Q_i is E[q_i] in wide layers"
        + ("" if gaussian else "; the cumulant acts as a variance of q, since both enter by F''"),
    )


def _scattered(conditional_mean: sp.Eq) -> sp.Expr:
    """Return E[q_(i+1) | q_i] where q_i is Q_i with a random part and a shift, both small."""
    shift = SignalMean(i) - WideSignalSquare(i)
    square = WideSignalSquare(i) + SMALL * _BELOW + SMALL**2 * shift
    small_cumulant = conditional_mean.rhs.subs(FourthCumulant(i), SMALL**2 * FourthCumulant(i))
    return small_cumulant.subs(SignalSquare(i), square)


def _in_wide_layers(conditional: sp.Eq) -> sp.Expr:
    return conditional.rhs.subs(SignalSquare(i), WideSignalSquare(i))


def _sampled() -> Step:
    own = 2 * SignalMean(i) ** 2 / Width(i + 1)
    return Step(
        "sampled_variance",
        "The mean square m_i of s^i over the n_(i+1) units of one network scatters by more, since they are few.",
        equation(SampledVariance(i), (1 + 2 / Width(i + 1)) * SignalVariance(i) + own),
        _is_sampled,
        follows=("second_moment",),
        rule="the law of total variance: given q_i it has mean q_i and variance 2 / n_(i+1) times its square",
    )


def _is_sampled(claim: sp.Eq, _: Mapping[str, sp.Eq]) -> bool:
    """Whether ``claim`` is E[Var[m | q]] + Var[E[m | q]], with the variance of a squared Gaussian."""
    own = delta_method.of_homogeneous(variance_of_sum(1, SignalSquare(i)), LINEAR)
    own = own.subs(SignalSquare(i) ** 2, SignalVariance(i) + SignalMean(i) ** 2)
    return bool(claim.lhs == SampledVariance(i)) and equal(claim.rhs, own / Width(i + 1) + SignalVariance(i))


def _scale_free(name: str, unit: sp.Expr, excess: int, *, equally: bool) -> tuple[Step, Step]:
    """Return the steps of a unit whose F is in proportion to q and H to its square: 1 + excess / n a layer."""
    words = {"relu": "ReLU", "linear": "the linear unit"}[name]
    ratio = SignalSecondMoment(i + 1) / SignalMean(i + 1) ** 2
    below = SignalSecondMoment(i) / SignalMean(i) ** 2
    power = (1 + sp.Integer(excess) / width) ** i
    product = sp.Product(1 + sp.Integer(excess) / Width(layer), (layer, 1, i))
    return (
        Step(
            f"{name}_layer",
            f"For {words} a layer multiplies the relative second moment of q by one factor, exactly.",
            equation(ratio, (1 + sp.Integer(excess) / Width(i + 1)) * below),
            lambda claim, earlier: claim.lhs == ratio and _is_factor(claim.rhs, below, unit, earlier),
            follows=("conditional_mean", "conditional_variance"),
            rule="the integrals of f^2 and f^4",
        ),
        Step(
            f"{name}_layers",
            "So over all layers, from q_0, which the input gives.",
            equation(below, power if equally else product),
            lambda claim, earlier: (
                claim.lhs == below and _solves(claim.rhs, earlier[f"{name}_layer"].rhs / below, equally=equally)
            ),
            uses=(equal_widths,) if equally else (),
            follows=(f"{name}_layer",),
            rule="induction" + ("" if equally else " over layers of any widths"),
        ),
    )


def _is_factor(claimed: sp.Expr, below: sp.Expr, unit: sp.Expr, earlier: Mapping[str, sp.Eq]) -> bool:
    mean, variance = (
        delta_method.of_homogeneous(earlier[name].rhs, unit) for name in ("conditional_mean", "conditional_variance")
    )
    second = sp.simplify((variance + mean**2) / SignalSquare(i) ** 2)
    first = sp.simplify(mean / SignalSquare(i))
    return not second.has(SignalSquare) and not first.has(SignalSquare) and equal(claimed, second / first**2 * below)


def _solves(claimed: sp.Expr, factor: sp.Expr, *, equally: bool) -> bool:
    """Whether ``claimed`` is 1 at layer 0 and gains ``factor`` from layer i to i + 1."""
    ratio = sp.Function("R", positive=True)
    if equally:
        factor = factor.replace(Width, lambda _: width)
    return solves(
        equation(ratio(i), claimed), equation(ratio(i + 1), factor * ratio(i)), start=sp.S.Zero, value=sp.S.One
    )


def _exactly(relu: tuple[Step, Step], linear: tuple[Step, Step]) -> tuple[Conclusion, Conclusion]:
    return (
        Conclusion(None, relu[-1].equation, difference="For ReLU, exactly, at any width."),
        Conclusion(None, linear[-1].equation, difference="For linear units, exactly, at any width."),
    )


def _experiment(results: list[sp.Eq], without: frozenset[str], random: np.random.Generator) -> tuple[Trial, ...]:
    """Try tanh networks of unequal widths to first order; ReLU and linear ones, narrow, where the law is exact."""
    variance, mean, *exact = results
    uniform = "gaussian_weights" in without
    widths = (24, 60, 30) if uniform else (6, 20, 50)
    networks = Networks(widths, "tanh", bias_variance=0.4 if "zero_bias" in without else 0.0, uniform=uniform)
    outcomes = signal_trials(networks, draw(networks, random, networks=20_000), variance, mean)
    for name, result, count in zip(("relu", "linear"), exact, (30_000, 20_000), strict=False):
        networks = Networks((3, 30, 50) if "equal_widths" in without else (3, 40, 40), name)
        outcomes += exact_signal_trials(networks, draw(networks, random, networks=count), result)
    return tuple(outcomes)
