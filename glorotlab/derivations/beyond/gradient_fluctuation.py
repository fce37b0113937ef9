"""Beyond infinite width: how the mean square of back-propagated gradients scatters from network to network.

The recursion for one example is our own, to leading order in 1 / width; it builds on Hanin, JMLR 25(267), 2024, who
treats cumulants of outputs and their derivatives. Of ReLU the law is exact: Hanin & Nica 2020. ``finite_width``
has what passes forward; ``glorotlab.theory.finite_width.fluctuations`` is the same for many examples, as numbers.
"""

from functools import cache

import numpy as np
import sympy as sp

from glorotlab.derivations.beyond.signal_fluctuation import (
    LINEAR,
    RELU,
    REPLACED,
    finite_width_fluctuation,
    first_order_width,
    gaussian_weights,
    over_weights,
)
from glorotlab.derivations.engine import delta_method
from glorotlab.derivations.engine.algebra import equal, equation, solves
from glorotlab.derivations.engine.assumptions import (
    equal_widths,
    gradient_independence,
    independent_weights,
    replaced,
    zero_bias,
    zero_mean_weights,
)
from glorotlab.derivations.engine.delta_method import SLOPES, SMALL, SQUARES, for_every_count, over_units
from glorotlab.derivations.engine.derivation import Assumption, Conclusion, Derivation, Step
from glorotlab.derivations.engine.fluctuation_networks import Networks, draw, exact_gradient_trials, gradient_trials
from glorotlab.derivations.engine.fluctuation_notation import (
    Concentration,
    GradientLogVariance,
    GradientMean,
    GradientSecondMoment,
    LogSlope,
    LogVariance,
    MeanProductSquare,
    MeanSlopeFourth,
    MeanSlopeSquare,
    MeanSquare,
    OwnCovariance,
    OwnVariance,
    SignalSquare,
    SignalVariance,
    SignalVarianceGiven,
    WideSignalSquare,
    kappa,
    width,
)
from glorotlab.derivations.engine.notation import Gradient, Weight, WeightVariance, Width, d, i, layer
from glorotlab.derivations.engine.trial import Trial

given_output_gradient = Assumption(
    "given_output_gradient",
    "dC/ds^d is given: it depends neither on the logits nor on the network.",
    "Its mean square then has a slope A_d and a variance U_d of its own.",
)
drawn_output_gradient = Assumption(
    "drawn_output_gradient",
    "The mean of ln T_d given q_d has slope A_d in q_d, and its variance is U_d, of order 1 / width.",
    "A mean square that scatters by more than that is not nearly normal in its logarithm.",
)

CARRIES = frozenset({"zero_bias", "gaussian_weights", "given_output_gradient", "equal_widths"})

_UP = Width(i + 1) * WeightVariance(i + 1)
_Q = WideSignalSquare(i)
_BELOW, _OWN, _SIGNAL, _ABOVE = sp.symbols("x w y u", real=True)


@cache
def gradient_fluctuation(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[ln T_i] downwards from the output; ``without`` names assumptions of ``CARRIES`` to go on without."""
    forward = finite_width_fluctuation(without & {"zero_bias", "gaussian_weights"})
    given_variance = next(step.equation for step in forward.steps if step.equation.lhs.func is SignalVarianceGiven)
    gaussian, given = "gaussian_weights" not in without, "given_output_gradient" not in without
    slope = equation(
        LogSlope(i), MeanSlopeSquare(_Q, 1) / MeanSlopeSquare(_Q) + _UP * MeanSquare(_Q, 1) * LogSlope(i + 1)
    )
    own, joint = _own_variance(gaussian), _own_covariance()
    scatter = equation(LogVariance(i), LogVariance(i + 1) + _added(own.equation, joint.equation, given_variance))
    result = equation(GradientLogVariance(i), LogSlope(i) ** 2 * SignalVariance(i) + LogVariance(i))
    output = "given_output_gradient, A_d = U_d = 0" if given else "drawn_output_gradient"
    steps = [
        own,
        joint,
        Step(
            "The logarithm of T_i follows q_i by its own units and by q_(i+1), which the layers above answer to.",
            slope,
            f"the derivative of ln G(q_i) + A_(i+1) q_(i+1), in the mean; first_order_width; {output}",
            lambda claim, _: claim.lhs == LogSlope(i) and equal(claim.rhs, _slope()),
        ),
        Step(
            "Given q_i the units of the layer scatter, and move q_(i+1) with it; layers above add what they have.",
            scatter,
            "steps 1 and 2, Var[q_(i+1) | q_i] of finite_width_fluctuation"
            + (" without zero_bias, gaussian_bias" if "zero_bias" in without else ", zero_bias")
            + f"; first_order_width; {output}",
            lambda claim, earlier: (
                claim.lhs == LogVariance(i) and equal(claim.rhs, _scatter(earlier[0], earlier[1], given_variance))
            ),
        ),
        Step(
            "Over networks q_i scatters too.",
            result,
            "the law of total variance with steps 3 and 4; first_order_width",
            lambda claim, _: (
                claim.lhs == GradientLogVariance(i)
                and equal(
                    claim.rhs,
                    delta_method.variance(
                        SMALL * (LogSlope(i) * _BELOW + _ABOVE),
                        {_BELOW**2: SignalVariance(i), _ABOVE**2: LogVariance(i)},
                    ),
                )
            ),
        ),
    ]
    results = [Conclusion(None, result, difference="The slopes A_i and the variances U_i are those of steps 3 and 4.")]
    closed = gaussian and given and "zero_bias" not in without
    if closed:
        equally = "equal_widths" not in without
        steps += [_scale_free("ReLU", RELU, 5, equally), _scale_free("the linear unit", LINEAR, 2, equally)]
        results += [
            Conclusion(None, steps[-2].equation, difference="Of ReLU, exactly, at any width."),
            Conclusion(None, steps[-1].equation, difference="Of linear units, exactly, at any width."),
        ]
    assumptions = (
        gaussian_weights,
        independent_weights,
        zero_mean_weights,
        zero_bias,
        gradient_independence,
        given_output_gradient,
        first_order_width,
        *((equal_widths,) if closed else ()),
    )
    return Derivation(
        "gradient_fluctuation",
        "Scatter of back-propagated gradients between networks",
        "our own, after Hanin 2024; Hanin & Nica 2020",
        replaced(assumptions, without, {**REPLACED, "given_output_gradient": drawn_output_gradient}),
        tuple(steps),
        tuple(results),
        experiment=lambda random: _experiment(steps, [each.result for each in results[1:]], without, random),
        carries=CARRIES - without,
    )


def _own_variance(gaussian: bool) -> Step:
    fourth = sp.Integer(3) if gaussian else 3 + kappa * Concentration(i + 1)
    q = SignalSquare(i)
    return Step(
        "T_i is in proportion to T_(i+1) and a mean over n_(i+1) units, of squares of f'(s) times a sum over weights. "
        "Given q_i that mean has relative variance w_i.",
        equation(OwnVariance(i), (fourth * MeanSlopeFourth(q) / MeanSlopeSquare(q) ** 2 - 1) / Width(i + 1)),
        "eq. 2; gradient_independence, independent_weights, zero_mean_weights; J(q) = E[f'(s)^4], G(q) = E[f'(s)^2]; "
        + (
            "gaussian_weights: the sums have fourth moment 3 at variance 1"
            if gaussian
            else "any_law_of_weights: r is the sum of fourth powers of gradients over the square of that of squares, "
            "of order 1 / width but where outputs are few"
        ),
        lambda claim, _: (
            claim.lhs == OwnVariance(i)
            and _is_fourth_moment(fourth, gaussian)
            and for_every_count(claim.rhs, Width(i + 1), lambda count: _relative_variance(count, fourth))
        ),
    )


def _is_fourth_moment(claimed: sp.Expr, gaussian: bool) -> bool:
    """Whether ``claimed`` is E[(W g)^4] / E[(W g)^2]^2 for sums over one to three gradients above."""
    for count in (1, 2, 3):
        terms = [(Weight(i, 1, n), Gradient(i, n)) for n in range(1, count + 1)]
        fourth = over_weights(sp.expand(sum(w * g for w, g in terms) ** 4), [w for w, _ in terms])
        square = sum(g**2 for _, g in terms)
        found = (fourth / (WeightVariance(i) * square) ** 2).subs(kappa, 0 if gaussian else kappa)
        concentration = sum(g**4 for _, g in terms) / square**2
        if not equal(claimed.subs(Concentration(i + 1), concentration), found):
            return False
    return True


def _relative_variance(count: int, fourth: sp.Expr) -> sp.Expr:
    total = sum(SLOPES[:count])
    mean = over_units(total, SignalSquare(i))
    return over_units(sp.expand(total**2), SignalSquare(i), fourth) / mean**2 - 1


def _own_covariance() -> Step:
    q = SignalSquare(i)
    return Step(
        "The same units make q_(i+1), which goes with that mean: relative to it, their covariance is c_i.",
        equation(OwnCovariance(i), WeightVariance(i + 1) * (MeanProductSquare(q) / MeanSlopeSquare(q) - MeanSquare(q))),
        "gradient_independence: the sums do not know s; P(q) = E[f(s)^2 f'(s)^2]",
        lambda claim, _: claim.lhs == OwnCovariance(i) and for_every_count(claim.rhs, Width(i + 1), _covariance),
    )


def _covariance(count: int) -> sp.Expr:
    slopes, squares = sum(SLOPES[:count]), WeightVariance(i + 1) * sum(SQUARES[:count])
    means = [over_units(each, SignalSquare(i)) for each in (slopes, squares)]
    return over_units(sp.expand(slopes * squares), SignalSquare(i)) / means[0] - means[1]


def _added(own: sp.Eq, joint: sp.Eq, signal: sp.Eq) -> sp.Expr:
    """Return what a layer adds to the variance of ln T."""
    above = LogSlope(i + 1)
    found = own.rhs + 2 * above * joint.rhs + above**2 * signal.rhs
    return found.subs(SignalSquare(i), _Q)


def _logarithm() -> sp.Expr:
    """Return ln T_i but for a constant; random are q_i, the layer's units, with them q_(i+1), and the layers above."""
    q = _Q + SMALL * _BELOW
    above = LogSlope(i + 1) * (_UP * MeanSquare(q) + SMALL * _SIGNAL) + SMALL * _ABOVE
    return sp.log(MeanSlopeSquare(q)) + sp.log(1 + SMALL * _OWN) + above


def _slope() -> sp.Expr:
    return sp.expand(sp.diff(_logarithm(), SMALL).subs(SMALL, 0)).coeff(_BELOW)


def _scatter(own: sp.Eq, joint: sp.Eq, signal: sp.Eq) -> sp.Expr:
    given = {_OWN**2: own.rhs, _OWN * _SIGNAL: joint.rhs, _SIGNAL**2: signal.rhs, _ABOVE**2: LogVariance(i + 1)}
    covariances = {pair: value.subs(SignalSquare(i), _Q) for pair, value in given.items()}
    return delta_method.variance(_logarithm().subs(_BELOW, 0), covariances)


def _scale_free(name: str, unit: sp.Expr, each: int, equally: bool) -> Step:
    """Return the step of a unit whose slopes have the same moments at every q."""
    ratio = GradientSecondMoment(i) / GradientMean(i) ** 2
    product = sp.Product(1 + sp.Integer(each) / Width(layer), (layer, i + 1, d))
    return Step(
        f"Of {name} q_i does not enter, and the layers multiply, exactly.",
        equation(ratio, (1 + sp.Integer(each) / width) ** (d - i) if equally else product),
        "step 1 with the integrals of powers of f'; given_output_gradient; by induction downwards from T_d"
        + (", equal_widths" if equally else ""),
        lambda claim, earlier: claim.lhs == ratio and _multiplies(claim.rhs, earlier, unit, equally),
    )


def _multiplies(claimed: sp.Expr, earlier: tuple[sp.Eq, ...], unit: sp.Expr, equally: bool) -> bool:
    """Whether ``claimed`` gains 1 + w_i from layer i + 1 to i, where neither w_i nor the mean depends on q."""
    factor = 1 + delta_method.of_homogeneous(earlier[0].rhs, unit)
    slope = delta_method.of_homogeneous(earlier[2].rhs, unit).subs(LogSlope(i + 1), 0)
    if factor.has(SignalSquare) or sp.simplify(slope) != 0:
        return False
    if equally:
        factor = factor.replace(Width, lambda _: width)
    found = sp.Function("R", positive=True)
    return solves(equation(found(i), claimed), equation(found(i), factor * found(i + 1)), start=d, value=sp.S.One)


def _experiment(
    steps: list[Step], closed: list[sp.Eq], without: frozenset[str], random: np.random.Generator
) -> tuple[Trial, ...]:
    """Tanh networks to first order; ReLU and linear ones, narrow, where the law is exact."""
    given, uniform = "given_output_gradient" not in without, "gaussian_weights" in without
    networks = Networks(
        (24 if uniform else 6, 40, 50, 4) if given else (24 if uniform else 6, 30, 30, 30),
        "tanh",
        first=1.0 if given else 2.0,
        gain=1.5 if given else 2.5,
        bias_variance=0.4 if "zero_bias" in without else 0.0,
        uniform=uniform,
    )
    forward = finite_width_fluctuation(without & {"zero_bias", "gaussian_weights"})
    recursions = [each.result for each in forward.conclusions[:2]], [step.equation for step in steps[:4]]
    sample = draw(networks, random, "outputs" if given else "tanh")
    found = gradient_trials(networks, sample, *recursions, given=given)
    for name, result in zip(("relu", "linear"), closed, strict=False):
        networks = Networks((3, 30, 50, 4) if "equal_widths" in without else (3, 40, 40, 4), name)
        found += exact_gradient_trials(networks, draw(networks, random, "outputs", networks=10_000), result)
    return tuple(found)
