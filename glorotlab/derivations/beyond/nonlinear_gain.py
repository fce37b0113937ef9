"""The gain of an activation: what n Var[W] must be so that it keeps signals, or gradients, of one second moment q."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import sympy as sp

from glorotlab import activations
from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import equal, equation
from glorotlab.derivations.engine.assumptions import (
    equal_output_gradient,
    gradient_independence,
    independent_weights,
    random_bias,
    replaced,
    wide_layers,
    zero_bias,
    zero_mean_weights,
)
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.notation import (
    ActivationSecondMoment,
    BiasVariance,
    DerivativeSecondMoment,
    GradientVariance,
    PreactivationVariance,
    WeightVariance,
    Width,
    gaussian_derivative_square,
    gaussian_square,
    i,
)
from glorotlab.derivations.engine.quantity import VarianceSymbol
from glorotlab.derivations.engine.step import Conclusion, Step
from glorotlab.derivations.engine.trial import Trial
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.forward import forward_variance
from glorotlab.theory.gaussian.moments import moments

_Q, _N = sp.Symbol("q", positive=True), sp.Symbol("n", integer=True, positive=True)
_GAINS = {direction: sp.Symbol(f"g_{direction}", positive=True) for direction in ("forward", "backward")}
_BIAS = VarianceSymbol("b", nonnegative=True)
_S = sp.Symbol("s", real=True)
_ORDER = 3
"""The power of q up to which, exclusive, gains of tanh are expanded."""


@cache
def nonlinear_gain(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive the two gains q / F(q) and 1 / G(q); ``without`` zero_bias the forward one makes room for the biases."""
    biased = "zero_bias" in without
    forward, backward = _forward(biased=biased), _backward()
    steps = [*forward, *backward, _ratio(biased=biased)]
    if not biased:
        steps += [
            _of_relu("forward"),
            _of_relu("backward"),
            _of_tanh("forward", 1 + 2 * _Q - sp.Rational(5, 3) * _Q**2),
            _of_tanh("backward", 1 + 2 * _Q - 3 * _Q**2),
        ]
    assumptions = (
        wide_layers,
        zero_bias,
        zero_mean_weights,
        independent_weights,
        gradient_independence,
        equal_output_gradient,
    )
    example = "Biases hold a part of q, and weights make up for less." if biased else "He's factor 2 is that of ReLU."
    return Derivation(
        *heading("nonlinear_gain"),
        replaced(assumptions, without, {"zero_bias": random_bias}),
        tuple(steps),
        (
            Conclusion(None, forward[-1].equation, difference=f"The gain that keeps signals depends on q. {example}"),
            Conclusion(None, backward[-1].equation, difference="The gain that keeps gradients is another one."),
        ),
        experiment=lambda random: _experiment(0.3 if biased else 0.0, random),
        carries=frozenset({"zero_bias"}) - without,
        without=without,
    )


def _forward(*, biased: bool) -> tuple[Step, Step]:
    """Return the steps to the gain that keeps signals."""
    bias = _BIAS if biased else sp.S.Zero
    after = _N * WeightVariance(i + 1) * gaussian_square(_Q) + bias
    return (
        Step(
            "signal_layer",
            "With n units in every layer and Var[s^i] = q the next pre-activations have this variance.",
            equation(PreactivationVariance(i + 1), after),
            lambda claim, _: claim.lhs == PreactivationVariance(i + 1) and equal(claim.rhs, _one_layer(biased=biased)),
            uses=(independent_weights, zero_mean_weights, wide_layers, random_bias if biased else zero_bias),
            rule="one layer of the variance map (Poole et al. 2016); F(q) = E[f(s)^2] over s ~ N(0, q)",
        ),
        Step(
            "forward_gain",
            "It is q again where n Var[W] is the square of the forward gain.",
            equation(_GAINS["forward"] ** 2, (_Q - bias) / gaussian_square(_Q)),
            lambda claim, earlier: (
                claim.lhs == _GAINS["forward"] ** 2
                and equal(claim.rhs, _wanted(equation(earlier["signal_layer"].rhs, _Q)))
            ),
            follows=("signal_layer",),
            rule="set to q, solved for n Var[W^(i+1)]",
        ),
    )


def _backward() -> tuple[Step, Step]:
    """Return the steps to the gain that keeps gradients."""
    one_layer = backward_variance(frozenset({"linear_regime"})).lemma("one_layer")
    ratio = GradientVariance(i) / GradientVariance(i + 1)
    return (
        Step(
            "gradient_layer",
            "Passing a layer multiplies the variance of gradients by this factor, chi_1.",
            equation(ratio, _N * WeightVariance(i + 1) * gaussian_derivative_square(_Q)),
            lambda claim, _: claim.lhs == ratio and equal(claim.rhs, _factor_back(one_layer.equation)),
            lemmas=(one_layer,),
            rule="Schoenholz et al. 2017; G(q) = E[f'(s)^2] over s ~ N(0, q)",
        ),
        Step(
            "backward_gain",
            "It is 1 where n Var[W] is the square of the backward gain.",
            equation(_GAINS["backward"] ** 2, 1 / gaussian_derivative_square(_Q)),
            lambda claim, earlier: (
                claim.lhs == _GAINS["backward"] ** 2
                and equal(claim.rhs, _wanted(equation(earlier["gradient_layer"].rhs, sp.S.One)))
            ),
            follows=("gradient_layer",),
            rule="set to 1, solved for n Var[W^(i+1)]",
        ),
    )


def _ratio(*, biased: bool) -> Step:
    ratio = _GAINS["forward"] ** 2 / _GAINS["backward"] ** 2
    signal = _Q - (_BIAS if biased else sp.S.Zero)
    return Step(
        "ratio",
        "What keeps signals multiplies gradients by the ratio of both.",
        equation(ratio, signal * gaussian_derivative_square(_Q) / gaussian_square(_Q)),
        lambda claim, earlier: (
            claim.lhs == ratio and equal(claim.rhs, earlier["forward_gain"].rhs / earlier["backward_gain"].rhs)
        ),
        follows=("forward_gain", "backward_gain"),
        rule="1 for the linear unit and for ReLU without biases",
    )


def _one_layer(*, biased: bool) -> sp.Expr:
    """Return Var[s^(i+1)] where Var[s^i] = q, from forward_variance."""
    forward = forward_variance(frozenset({"linear_regime", "zero_bias"} if biased else {"linear_regime"}))
    below = forward.result.rhs.replace(gaussian_square, lambda _: gaussian_square(_Q))  # E[(z^(i+1))^2]
    above = _equally_wide(forward.step("variance").equation.rhs.subs(i, i + 1))
    return above.subs(ActivationSecondMoment(i + 1), below)


def _factor_back(one_layer: sp.Eq) -> sp.Expr:
    """Return Var[dC/ds^i] / Var[dC/ds^(i+1)] where Var[s^i] = q."""
    ratio = one_layer.rhs / GradientVariance(i + 1)
    return _equally_wide(ratio).replace(DerivativeSecondMoment, lambda _: gaussian_derivative_square(_Q))


def _equally_wide(expression: sp.Expr) -> sp.Expr:
    return expression.replace(Width, lambda _: _N).replace(BiasVariance, lambda _: _BIAS)


def _wanted(condition: sp.Eq) -> sp.Expr:
    """Return n Var[W^(i+1)] under a condition that is linear in it."""
    difference = condition.lhs - condition.rhs
    coefficient = sp.diff(difference.subs(WeightVariance(i + 1), _S / _N), _S)
    return sp.simplify(-difference.subs(WeightVariance(i + 1), 0) / coefficient)


def _of_relu(direction: str) -> Step:
    """Return the step that a gain of ReLU squares to 2."""
    gain = _GAINS[direction]

    def check(claim: sp.Eq, earlier: Mapping[str, sp.Eq]) -> bool:
        positive = sp.Symbol("s", positive=True)
        density = sp.exp(-(positive**2) / (2 * _Q)) / sp.sqrt(2 * sp.pi * _Q)
        means = [sp.integrate(function * density, (positive, 0, sp.oo)) for function in (positive**2, sp.S.One)]
        return bool(claim.lhs == gain**2) and equal(claim.rhs, _with(earlier[f"{direction}_gain"].rhs, *means))

    return Step(
        f"{direction}_gain_of_relu",
        f"For ReLU the {direction} gain is that of He et al. at every q.",
        equation(gain**2, sp.S(2)),
        check,
        follows=(f"{direction}_gain",),
        rule="the integrals of s^2 and 1 over s > 0",
    )


def _of_tanh(direction: str, series: sp.Expr) -> Step:
    """Return the step with the gain of tanh at small q."""
    gain, remainder = _GAINS[direction], sp.O(_Q**_ORDER)

    def check(claim: sp.Eq, earlier: Mapping[str, sp.Eq]) -> bool:
        means = _gaussian_mean(sp.tanh(_S) ** 2), _gaussian_mean(sp.sech(_S) ** 4)
        expanded = sp.series(_with(earlier[f"{direction}_gain"].rhs, *means), _Q, 0, _ORDER).removeO()
        return bool(claim.lhs == gain**2 and sp.expand(claim.rhs.removeO() - expanded) == 0 and claim.rhs.getO())

    return Step(
        f"{direction}_gain_of_tanh",
        f"For tanh the {direction} gain leaves 1 as q grows.",
        equation(gain**2, series + remainder),
        check,
        follows=(f"{direction}_gain",),
        rule="the Taylor series of tanh, E[s^(2 m)] = q^m (2 m - 1)!!",
    )


@cache
def _gaussian_mean(function: sp.Expr) -> sp.Expr:
    """Return the mean over s ~ N(0, q) of an even function to the order that matters."""
    polynomial = sp.Poly(sp.series(function, _S, 0, 2 * _ORDER + 2).removeO(), _S)
    return sum(
        coefficient * _Q ** (power // 2) * sp.factorial2(power - 1) for (power,), coefficient in polynomial.terms()
    )


def _with(expression: sp.Expr, square: sp.Expr, derivative_square: sp.Expr) -> sp.Expr:
    """Return an expression with the values of F(q) and G(q)."""
    inserted = expression.replace(gaussian_square, lambda _: square)
    return sp.simplify(inserted.replace(gaussian_derivative_square, lambda _: derivative_square))


def _experiment(bias_variance: float, random: np.random.Generator, networks: int = 60_000) -> tuple[Trial, ...]:
    """Draw one layer of five units below and four above, with the derived gains of tanh and gelu at q = 1."""
    q, below, above, outcomes = 1.0, 5, 4, []
    for name in ("tanh", "gelu"):
        record, exact = activations.get(name), moments(name, q)
        gains = (q - bias_variance) / exact.second_moment, 1 / exact.derivative_second_moment
        s = np.sqrt(q) * random.standard_normal((networks, below))
        weights = np.sqrt(gains[0] / below) * random.standard_normal((networks, below))
        bias = np.sqrt(bias_variance) * random.standard_normal(networks)
        after = (np.asarray(record.function(s)) * weights).sum(axis=1) + bias
        outcomes.append(Trial.of(f"{name}: Var[s^(i+1)]", q, after**2))
        weights = np.sqrt(gains[1] / above) * random.standard_normal((networks, below, above))
        gradient = random.standard_normal((networks, above))
        passed = np.asarray(record.derivative(s)) * np.einsum("rab,rb->ra", weights, gradient)
        outcomes.append(Trial.of(f"{name}: Var[dC/ds^i]", 1.0, (passed**2).mean(axis=1)))
    return tuple(outcomes)
