"""Beyond infinite width: how the mean square of back-propagated gradients scatters from network to network.

The recursion for one example is our own, to leading order in 1 / width; it builds on Hanin, JMLR 25(267), 2024, who
treats cumulants of outputs and their derivatives. For ReLU the law is exact (Hanin & Nica 2020). ``signal_fluctuation``
has what passes forward; ``glorotlab.theory.finite_width.fluctuations`` is the same for many examples, as numbers.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
import sympy as sp

from glorotlab.derivations.beyond.conditional_gradient import own_covariance, own_variance
from glorotlab.derivations.beyond.random_weights import REPLACED, first_order_width, gaussian_weights
from glorotlab.derivations.beyond.signal_fluctuation import finite_width_fluctuation
from glorotlab.derivations.catalogue import heading
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
from glorotlab.derivations.engine.delta_method import LINEAR, RELU, SMALL
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.fluctuation_networks import Networks, draw
from glorotlab.derivations.engine.fluctuation_notation import (
    GradientLogVariance,
    GradientMean,
    GradientSecondMoment,
    LogSensitivity,
    LogVariance,
    MeanDerivativeSquare,
    MeanSquare,
    SignalSquare,
    SignalVariance,
    WideSignalSquare,
    width,
)
from glorotlab.derivations.engine.fluctuation_trials import exact_gradient_trials, gradient_trials
from glorotlab.derivations.engine.notation import WeightVariance, Width, d, i, layer
from glorotlab.derivations.engine.step import Assumption, Conclusion, Lemma, Step
from glorotlab.derivations.engine.trial import Trial

given_output_gradient = Assumption(
    "given_output_gradient",
    "dC/ds^d is given: it depends neither on the logits nor on the network; A_d = U_d = 0.",
    "Its mean square then has a sensitivity A_d and a variance U_d of its own.",
)
drawn_output_gradient = Assumption(
    "drawn_output_gradient",
    "The mean of ln T_d given q_d has derivative A_d in q_d, and its variance is U_d, of order 1 / width.",
    "A mean square that scatters by more than that is not nearly normal in its logarithm.",
)

CARRIES = frozenset({"zero_bias", "gaussian_weights", "given_output_gradient", "equal_widths"})

_UP = Width(i + 1) * WeightVariance(i + 1)
_Q = WideSignalSquare(i)
_BELOW, _OWN, _SIGNAL, _ABOVE = sp.symbols("x w y u", real=True)
"""The random parts of q_i, of the layer's units, of q_(i+1) with them, and of the layers above."""


@cache
def gradient_fluctuation(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive Var[ln T_i] downwards from the output; ``without`` names assumptions of ``CARRIES`` to go on without."""
    forward = finite_width_fluctuation(without & {"zero_bias", "gaussian_weights"})
    gaussian, given = "gaussian_weights" not in without, "given_output_gradient" not in without
    equally = "equal_widths" not in without
    closed = gaussian and given and "zero_bias" not in without
    output = given_output_gradient if given else drawn_output_gradient
    total = _total_variance()
    relu, linear = _scale_free("relu", RELU, 5, equally=equally), _scale_free("linear", LINEAR, 2, equally=equally)
    steps = (
        *_recursions(forward.lemma("conditional_variance"), output, gaussian=gaussian),
        total,
        *((relu, linear) if closed else ()),
    )
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
        *heading("gradient_fluctuation"),
        replaced(assumptions, without, {**REPLACED, "given_output_gradient": drawn_output_gradient}),
        steps,
        (
            Conclusion(
                None,
                total.equation,
                difference="The sensitivities A_i and the variances U_i are those of the steps "
                "sensitivity and log_variance.",
            ),
            *(_exactly(relu, linear) if closed else ()),
        ),
        experiment=lambda random: _experiment(steps, without, random),
        carries=CARRIES - without,
        without=without,
    )


def _recursions(signal: Lemma, output: Assumption, *, gaussian: bool) -> tuple[Step, Step, Step, Step]:
    """Return the steps ``own_variance``, ``own_covariance``, ``sensitivity`` and ``log_variance``."""
    own, joint = own_variance(gaussian=gaussian), own_covariance()
    return own, joint, _sensitivity(output), _log_variance(own.equation, joint.equation, signal, output)


def _sensitivity(output: Assumption) -> Step:
    own = MeanDerivativeSquare(_Q, 1) / MeanDerivativeSquare(_Q)
    return Step(
        "sensitivity",
        "The logarithm of T_i follows q_i by its own units and by q_(i+1), which the layers above answer to.",
        equation(LogSensitivity(i), own + _UP * MeanSquare(_Q, 1) * LogSensitivity(i + 1)),
        lambda claim, _: claim.lhs == LogSensitivity(i) and equal(claim.rhs, _derivative_of_logarithm()),
        uses=(first_order_width, output),
        rule="the derivative of ln G(q_i) + A_(i+1) q_(i+1), in the mean",
    )


def _log_variance(own: sp.Eq, joint: sp.Eq, signal: Lemma, output: Assumption) -> Step:
    above = LogSensitivity(i + 1)
    added = own.rhs + 2 * above * joint.rhs + above**2 * signal.equation.rhs
    return Step(
        "log_variance",
        "Given q_i the units of the layer scatter, and move q_(i+1) with it; layers above add what they have.",
        equation(LogVariance(i), LogVariance(i + 1) + added.subs(SignalSquare(i), _Q)),
        lambda claim, earlier: (
            claim.lhs == LogVariance(i)
            and equal(claim.rhs, _scatter(earlier["own_variance"], earlier["own_covariance"], signal.equation))
        ),
        uses=(first_order_width, output),
        follows=("own_variance", "own_covariance"),
        lemmas=(signal,),
    )


def _logarithm() -> sp.Expr:
    """Return ln T_i but for a constant; random are q_i, the layer's units, with them q_(i+1), and the layers above."""
    q = _Q + SMALL * _BELOW
    above = LogSensitivity(i + 1) * (_UP * MeanSquare(q) + SMALL * _SIGNAL) + SMALL * _ABOVE
    return sp.log(MeanDerivativeSquare(q)) + sp.log(1 + SMALL * _OWN) + above


def _derivative_of_logarithm() -> sp.Expr:
    return sp.expand(sp.diff(_logarithm(), SMALL).subs(SMALL, 0)).coeff(_BELOW)


def _scatter(own: sp.Eq, joint: sp.Eq, signal: sp.Eq) -> sp.Expr:
    """Return Var[ln T_i | q_i]."""
    given = {_OWN**2: own.rhs, _OWN * _SIGNAL: joint.rhs, _SIGNAL**2: signal.rhs, _ABOVE**2: LogVariance(i + 1)}
    covariances = {pair: value.subs(SignalSquare(i), _Q) for pair, value in given.items()}
    return delta_method.variance(_logarithm().subs(_BELOW, 0), covariances)


def _total_variance() -> Step:
    """Return the step with the result; A_i and U_i are names here, so that no equation of theirs enters the check."""
    return Step(
        "total_variance",
        "Over networks q_i scatters too.",
        equation(GradientLogVariance(i), LogSensitivity(i) ** 2 * SignalVariance(i) + LogVariance(i)),
        lambda claim, _: (
            claim.lhs == GradientLogVariance(i)
            and equal(
                claim.rhs,
                delta_method.variance(
                    SMALL * (LogSensitivity(i) * _BELOW + _ABOVE),
                    {_BELOW**2: SignalVariance(i), _ABOVE**2: LogVariance(i)},
                ),
            )
        ),
        uses=(first_order_width,),
        follows=("sensitivity", "log_variance"),
        rule="the law of total variance",
    )


def _scale_free(name: str, unit: sp.Expr, excess: int, *, equally: bool) -> Step:
    """Return the step of a unit whose derivatives have the same moments at every q: 1 + excess / n a layer."""
    words = {"relu": "ReLU", "linear": "the linear unit"}[name]
    ratio = GradientSecondMoment(i) / GradientMean(i) ** 2
    product = sp.Product(1 + sp.Integer(excess) / Width(layer), (layer, i + 1, d))
    return Step(
        f"{name}_layers",
        f"For {words} q_i does not enter, and the layers multiply, exactly.",
        equation(ratio, (1 + sp.Integer(excess) / width) ** (d - i) if equally else product),
        lambda claim, earlier: claim.lhs == ratio and _multiplies(claim.rhs, earlier, unit, equally=equally),
        uses=(given_output_gradient, *((equal_widths,) if equally else ())),
        follows=("own_variance", "sensitivity"),
        rule="the integrals of powers of f'; induction downwards from T_d",
    )


def _multiplies(claimed: sp.Expr, earlier: Mapping[str, sp.Eq], unit: sp.Expr, *, equally: bool) -> bool:
    """Whether ``claimed`` gains 1 + w_i from layer i + 1 to i, where neither w_i nor the mean depends on q."""
    factor = 1 + delta_method.of_homogeneous(earlier["own_variance"].rhs, unit)
    sensitivity = delta_method.of_homogeneous(earlier["sensitivity"].rhs, unit).subs(LogSensitivity(i + 1), 0)
    if factor.has(SignalSquare) or sp.simplify(sensitivity) != 0:
        return False
    if equally:
        factor = factor.replace(Width, lambda _: width)
    ratio = sp.Function("R", positive=True)
    return solves(equation(ratio(i), claimed), equation(ratio(i), factor * ratio(i + 1)), start=d, value=sp.S.One)


def _exactly(relu: Step, linear: Step) -> tuple[Conclusion, Conclusion]:
    return (
        Conclusion(None, relu.equation, difference="For ReLU, exactly, at any width."),
        Conclusion(None, linear.equation, difference="For linear units, exactly, at any width."),
    )


def _experiment(steps: tuple[Step, ...], without: frozenset[str], random: np.random.Generator) -> tuple[Trial, ...]:
    """Try tanh networks to first order; ReLU and linear ones, narrow, where the law is exact."""
    given, uniform = "given_output_gradient" not in without, "gaussian_weights" in without
    networks = Networks(
        (24 if uniform else 6, 40, 50, 4) if given else (24 if uniform else 6, 30, 30, 30),
        "tanh",
        first=1.0 if given else 2.0,
        gain=1.5 if given else 2.5,
        bias_variance=0.4 if "zero_bias" in without else 0.0,
        uniform=uniform,
    )
    equations = {step.name: step.equation for step in steps}
    forward = finite_width_fluctuation(without & {"zero_bias", "gaussian_weights"})
    signal = [forward.step(name).equation for name in ("variance", "mean")]
    sample = draw(networks, random, "outputs" if given else "tanh", networks=30_000)
    outcomes = gradient_trials(networks, sample, signal, equations, given=given)
    for name in ("relu", "linear"):
        if f"{name}_layers" in equations:
            networks = Networks((3, 30, 50, 4) if "equal_widths" in without else (3, 40, 40, 4), name)
            sample = draw(networks, random, "outputs", networks=10_000)
            outcomes += exact_gradient_trials(networks, sample, equations[f"{name}_layers"])
    return tuple(outcomes)
