"""Beyond infinite width: how the second moment that reaches a layer scatters from network to network.

Given the activations below, the units of a layer with Gaussian weights are independent, so that what they pass on
scatters by 1 / width: Yaida 2020, eqs. 8 to 14; Roberts, Yaida & Hanin 2022, chapters 4 and 5. Of ReLU the law is exact
(Hanin & Rolnick 2018, Hanin & Nica 2020). The same recursions as
numbers are in ``glorotlab.theory.finite_width.recursions``.
"""

from functools import cache

import numpy as np
import sympy as sp

from glorotlab.derivations.engine import delta_method
from glorotlab.derivations.engine.algebra import equal, equation, solves
from glorotlab.derivations.engine.assumptions import (
    equal_widths,
    independent_weights,
    replaced,
    zero_bias,
    zero_mean_weights,
)
from glorotlab.derivations.engine.delta_method import SIGNED, SMALL, SQUARES
from glorotlab.derivations.engine.derivation import Assumption, Conclusion, Derivation, Step
from glorotlab.derivations.engine.expectation import expectation
from glorotlab.derivations.engine.fluctuation_networks import Networks, draw, exact_signal_trials, signal_trials
from glorotlab.derivations.engine.fluctuation_notation import (
    FourthCumulant,
    MeanFourth,
    MeanSquare,
    SampledVariance,
    SignalMean,
    SignalMeanGiven,
    SignalSecondMoment,
    SignalSquare,
    SignalVariance,
    SignalVarianceGiven,
    WideSignalSquare,
    kappa,
    width,
)
from glorotlab.derivations.engine.notation import (
    Activation,
    Bias,
    BiasVariance,
    Weight,
    WeightVariance,
    Width,
    i,
    layer,
    unit,
)
from glorotlab.derivations.engine.trial import Trial

gaussian_weights = Assumption(
    "gaussian_weights",
    "Weights are Gaussian.",
    "Given the activations below, pre-activations then have cumulants beyond the second.",
)
any_law_of_weights = Assumption(
    "any_law_of_weights",
    "Weights of a layer have one law, with all moments; kappa is its excess kurtosis.",
    "Without moments sums over units need not be nearly Gaussian, however many they are.",
)
gaussian_bias = Assumption(
    "gaussian_bias",
    "Biases are Gaussian with mean 0 and variance Var[b^i], independent of each other and of all else.",
    "A bias of another law changes that of its pre-activation in wide layers too.",
)
first_order_width = Assumption(
    "first_order_width",
    "Layers are so wide that terms of order 1 / width squared are left out.",
    "Every further order brings the next cumulants of q, each with a recursion of its own. Only of scale-free units, "
    "such as ReLU, does E[(q_i)^2] close at every width: they have the exact factor in the full derivation.",
)

CARRIES = frozenset({"zero_bias", "gaussian_weights", "equal_widths"})
REPLACED = {"zero_bias": gaussian_bias, "gaussian_weights": any_law_of_weights}
RELU, LINEAR = sp.Piecewise((SIGNED, SIGNED > 0), (0, True)), SIGNED

_BELOW, _OWN = sp.symbols("x y", real=True)
_UP = Width(i + 1) * WeightVariance(i + 1)


@cache
def finite_width_fluctuation(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[q_i] and the shift of E[q_i] layer by layer; ``without`` names assumptions of ``CARRIES``."""
    gaussian, biased = "gaussian_weights" not in without, "zero_bias" in without
    bias = BiasVariance(i + 1) if biased else sp.S.Zero
    square = (MeanFourth(WideSignalSquare(i)) - MeanSquare(WideSignalSquare(i)) ** 2) / Width(i + 1)
    growth = _UP * MeanSquare(WideSignalSquare(i), 1)
    variance = equation(SignalVariance(i + 1), growth**2 * SignalVariance(i) + _UP**2 * square)
    curved = _UP * MeanSquare(WideSignalSquare(i), 2) / 2
    cumulant = sp.S.Zero if gaussian else FourthCumulant(i) / 3
    mean = equation(
        SignalMean(i + 1),
        WideSignalSquare(i + 1)
        + growth * (SignalMean(i) - WideSignalSquare(i))
        + curved * (SignalVariance(i) + cumulant),
    )
    steps = [
        _second_moment(gaussian, biased),
        *(() if gaussian else (_fourth_cumulant(),)),
        *_given(gaussian, bias),
    ]
    given_mean, given_variance = len(steps) - 2, len(steps) - 1
    closed: list[Step] = []
    if gaussian and not biased:
        closed = [
            *_scale_free("ReLU", RELU, 5, given_mean, equal="equal_widths" not in without),
            *_scale_free("the linear unit", LINEAR, 2, given_mean, equal="equal_widths" not in without),
        ]
    steps += [
        Step(
            "What scatters below is passed on by the slope of the map, and the units add their own.",
            variance,
            f"the law of total variance with steps {given_mean + 1} and {given_variance + 1}; first_order_width: the "
            "map is linear over so little, and the last factor is taken at Q_i",
            lambda claim, earlier: (
                claim.lhs == SignalVariance(i + 1)
                and equal(claim.rhs, _total(earlier, given_mean, delta_method.variance))
            ),
        ),
        Step(
            "The curvature of the map moves the mean.",
            mean,
            f"step {given_mean + 1} about Q_i to second order; first_order_width; Q_i is E[q_i] in wide layers"
            + ("" if gaussian else "; the cumulant acts as a variance of q, since both enter by F''"),
            lambda claim, earlier: (
                claim.lhs == SignalMean(i + 1)
                and equal(claim.rhs, _total(earlier, given_mean, delta_method.mean) + _wide(given_mean, earlier))
            ),
        ),
    ]
    if gaussian:
        steps.append(_sampled())
    first_closed = len(steps)
    steps += [*closed]
    results = [
        Conclusion(None, variance, difference="Each layer adds its own share, in inverse proportion to its width."),
        Conclusion(None, mean, difference="Where F is concave, as of tanh, narrow layers pass on less than wide ones."),
    ]
    if closed:
        said = "exactly, at any width."
        results += [
            Conclusion(None, steps[first_closed + 1].equation, difference=f"Of ReLU, {said}"),
            Conclusion(None, steps[-1].equation, difference=f"Of linear units, {said}"),
        ]
    assumptions = (
        gaussian_weights,
        independent_weights,
        zero_mean_weights,
        zero_bias,
        first_order_width,
        *((equal_widths,) if closed or "equal_widths" in without else ()),
    )
    return Derivation(
        "finite_width_fluctuation",
        "Scatter of signals between networks",
        "Yaida 2020; Roberts, Yaida & Hanin 2022; Hanin & Rolnick 2018",
        replaced(assumptions, without, REPLACED),
        tuple(steps),
        tuple(results),
        experiment=lambda random: _experiment(variance, mean, [each.result for each in results[2:]], without, random),
        carries=CARRIES - without,
    )


def _second_moment(gaussian: bool, biased: bool) -> Step:
    bias = BiasVariance(i) if biased else sp.S.Zero
    law = "independent and Gaussian" if gaussian else "independent"
    return Step(
        f"Given the activations below, the units of s^i are {law}, with this second moment.",
        equation(SignalSquare(i), WeightVariance(i) * sp.Sum(Activation(i, unit) ** 2, (unit, 1, Width(i))) + bias),
        f"definition s^i = z^i W^i{' + b^i' if biased else ''}; "
        + ("gaussian_weights" if gaussian else "any_law_of_weights")
        + ", independent_weights, zero_mean_weights, "
        + ("gaussian_bias" if biased else "zero_bias"),
        _is_second_moment,
    )


def _is_second_moment(claim: sp.Eq, _: tuple[sp.Eq, ...]) -> bool:
    """Whether ``claim`` is E[s^2] over weights and biases alone, and two units do not vary together."""
    second = {Weight: WeightVariance(i), Bias: BiasVariance(i) if claim.rhs.has(BiasVariance) else sp.S.Zero}
    for count in (1, 2, 3):
        units = [sum(Activation(i, n) * Weight(i, n, k) for n in range(1, count + 1)) + Bias(i, k) for k in (1, 2)]
        square, both = (expectation(sp.expand(units[0] * other), second, independent={Weight, Bias}) for other in units)
        if both != 0 or not equal(claim.rhs.subs(Width(i), count).doit(), square):
            return False
    return bool(claim.lhs == SignalSquare(i))


def _fourth_cumulant() -> Step:
    return Step(
        "Weights that are not Gaussian leave a fourth cumulant, 1 / width beside the square of q_i.",
        equation(
            FourthCumulant(i), kappa * WeightVariance(i) ** 2 * sp.Sum(Activation(i, unit) ** 4, (unit, 1, Width(i)))
        ),
        "any_law_of_weights, independent_weights: cumulants of independent terms add",
        _is_fourth_cumulant,
    )


def _is_fourth_cumulant(claim: sp.Eq, _: tuple[sp.Eq, ...]) -> bool:
    """Whether ``claim`` is E[s^4] - 3 E[s^2]^2, written out for one to three units below."""
    for count in (1, 2, 3):
        terms = [(Weight(i, n, 1), Activation(i, n)) for n in range(1, count + 1)]
        total = sp.expand(sum(w * z for w, z in terms) ** 4)
        fourth = over_weights(total, [w for w, _ in terms])
        square = WeightVariance(i) * sum(z**2 for _, z in terms)
        if not equal(claim.rhs.subs(Width(i), count).doit(), sp.expand(fourth - 3 * square**2)):
            return False
    return bool(claim.lhs == FourthCumulant(i))


def over_weights(polynomial: sp.Expr, weights: list[sp.Expr]) -> sp.Expr:
    """Return the mean over independent weights of mean 0 and excess kurtosis kappa."""
    moments = {0: sp.S.One, 2: WeightVariance(i), 4: (3 + kappa) * WeightVariance(i) ** 2}
    terms = sp.Poly(polynomial, *weights).terms()
    return sum(value * sp.Mul(*(moments.get(power, sp.S.Zero) for power in powers)) for powers, value in terms)


def _given(gaussian: bool, bias: sp.Expr) -> tuple[Step, Step]:
    """Return the steps with the mean and the variance of q_(i+1) given q_i."""
    curved = sp.S.Zero if gaussian else FourthCumulant(i) * MeanSquare(SignalSquare(i), 2) / 6
    mean = _UP * (MeanSquare(SignalSquare(i)) + curved) + bias
    variance = (
        Width(i + 1) * WeightVariance(i + 1) ** 2 * (MeanFourth(SignalSquare(i)) - MeanSquare(SignalSquare(i)) ** 2)
    )
    cumulant = "" if gaussian else ". A fourth cumulant adds k/24 E[f^2 He_4], which is k/6 times F''"
    return (
        Step(
            "The next second moment is a sum over these units.",
            equation(SignalMeanGiven(i + 1), mean),
            f"step 1 with i + 1 for i and z^(i+1) = f(s^i); F(q) = E[f(s)^2] over s ~ N(0, q){cumulant}",
            lambda claim, _: claim.lhs == SignalMeanGiven(i + 1) and _is_sum_of_means(claim.rhs, bias, gaussian),
        ),
        Step(
            "Of independent terms the variances add.",
            equation(SignalVarianceGiven(i + 1), variance),
            "step 1; H(q) = E[f(s)^4]" + ("" if gaussian else "; what the cumulant adds is of the next order"),
            lambda claim, _: (
                claim.lhs == SignalVarianceGiven(i + 1)
                and delta_method.for_every_count(
                    claim.rhs / WeightVariance(i + 1) ** 2, Width(i + 1), lambda n: _variance_of_sum(n, SignalSquare(i))
                )
            ),
        ),
    )


def _is_sum_of_means(claimed: sp.Expr, bias: sp.Expr, gaussian: bool) -> bool:
    """Whether n units pass on F each, or what a fourth cumulant makes of it.

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
    return delta_method.for_every_count(plain, Width(i + 1), lambda n: sp.expand(n * unit_mean))


def _variance_of_sum(count: int, q: sp.Expr) -> sp.Expr:
    total = sum(SQUARES[:count])
    return delta_method.over_units(sp.expand(total**2), q) - delta_method.over_units(total, q) ** 2


def _total(earlier: tuple[sp.Eq, ...], given_mean: int, statistic: delta_method.Statistic) -> sp.Expr:
    """Return the variance of q_(i+1), or the mean but for its value at Q_i, from those given q_i."""
    mean, variance = earlier[given_mean].rhs, earlier[given_mean + 1].rhs
    shift = SignalMean(i) - WideSignalSquare(i)
    scattered_mean = mean.subs(FourthCumulant(i), SMALL**2 * FourthCumulant(i)).subs(
        SignalSquare(i), WideSignalSquare(i) + SMALL * _BELOW + SMALL**2 * shift
    )
    own = variance.subs(SignalSquare(i), WideSignalSquare(i))
    return statistic(scattered_mean + SMALL * _OWN, {_BELOW**2: SignalVariance(i), _OWN**2: own})


def _wide(given_mean: int, earlier: tuple[sp.Eq, ...]) -> sp.Expr:
    """Return Q_(i+1) less what it is in terms of Q_i."""
    value = earlier[given_mean].rhs.subs(FourthCumulant(i), 0).subs(SignalSquare(i), WideSignalSquare(i))
    return WideSignalSquare(i + 1) - value


def _sampled() -> Step:
    return Step(
        "The mean square m_i of s^i over the n_(i+1) units of one network scatters by more, since they are few.",
        equation(
            SampledVariance(i),
            (1 + 2 / Width(i + 1)) * SignalVariance(i) + 2 * SignalMean(i) ** 2 / Width(i + 1),
        ),
        "the law of total variance with step 1: given q_i it has mean q_i and variance 2 / n_(i+1) times its square",
        _is_sampled,
    )


def _is_sampled(claim: sp.Eq, _: tuple[sp.Eq, ...]) -> bool:
    """Whether ``claim`` is E[Var[m | q]] + Var[E[m | q]], with the variance of a squared Gaussian."""
    own = delta_method.of_homogeneous(_variance_of_sum(1, SignalSquare(i)), LINEAR)
    second = SignalVariance(i) + SignalMean(i) ** 2
    found = own.subs(SignalSquare(i) ** 2, second)
    return bool(claim.lhs == SampledVariance(i)) and equal(claim.rhs, found / Width(i + 1) + SignalVariance(i))


def _scale_free(name: str, unit: sp.Expr, each: int, given_mean: int, *, equal: bool) -> tuple[Step, Step]:
    """Return the steps of a unit whose F is in proportion to q and H to its square."""
    ratio = SignalSecondMoment(i + 1) / SignalMean(i + 1) ** 2
    below = SignalSecondMoment(i) / SignalMean(i) ** 2
    one_layer = equation(ratio, (1 + sp.Integer(each) / Width(i + 1)) * below)
    solution = _solution(each, equal=equal)
    return (
        Step(
            f"Of {name} a layer multiplies the relative second moment of q by one factor, exactly.",
            one_layer,
            f"steps {given_mean + 1} and {given_mean + 2} with the integrals of f^2 and f^4",
            lambda claim, earlier: claim.lhs == ratio and _is_factor(claim.rhs, below, unit, earlier[given_mean:]),
        ),
        Step(
            "So over all layers, from q_0, which the input gives.",
            equation(below, solution),
            "the step before by induction" + (", equal_widths" if equal else " over layers of any widths"),
            lambda claim, earlier: claim.lhs == below and _solves(claim.rhs, earlier[-1].rhs / below, equal=equal),
        ),
    )


def _solution(each: int, *, equal: bool) -> sp.Expr:
    if equal:
        return (1 + sp.Integer(each) / width) ** i
    return sp.Product(1 + sp.Integer(each) / Width(layer), (layer, 1, i))


def _is_factor(claimed: sp.Expr, below: sp.Expr, unit: sp.Expr, earlier: tuple[sp.Eq, ...]) -> bool:
    mean, variance = (delta_method.of_homogeneous(each.rhs, unit) for each in earlier[:2])
    second = sp.simplify((variance + mean**2) / SignalSquare(i) ** 2)
    first = sp.simplify(mean / SignalSquare(i))
    return not second.has(SignalSquare) and not first.has(SignalSquare) and equal(claimed, second / first**2 * below)


def _solves(claimed: sp.Expr, factor: sp.Expr, *, equal: bool) -> bool:
    """Whether ``claimed`` is 1 at layer 0 and gains ``factor`` from layer i to i + 1."""
    ratio = sp.Function("R", positive=True)
    if equal:
        factor = factor.replace(Width, lambda _: width)
    return solves(
        equation(ratio(i), claimed), equation(ratio(i + 1), factor * ratio(i)), start=sp.S.Zero, value=sp.S.One
    )


def _experiment(
    variance: sp.Eq, mean: sp.Eq, closed: list[sp.Eq], without: frozenset[str], random: np.random.Generator
) -> tuple[Trial, ...]:
    """Tanh networks of unequal widths to first order; ReLU and linear ones, narrow, where the law is exact."""
    uniform = "gaussian_weights" in without
    widths = (24, 60, 30) if uniform else (6, 20, 50)
    networks = Networks(widths, "tanh", bias_variance=0.4 if "zero_bias" in without else 0.0, uniform=uniform)
    found = signal_trials(networks, draw(networks, random), variance, mean)
    for name, result in zip(("relu", "linear"), closed, strict=False):
        networks = Networks((3, 30, 50) if "equal_widths" in without else (3, 40, 40), name)
        found += exact_signal_trials(networks, draw(networks, random), result)
    return tuple(found)
