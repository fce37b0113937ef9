"""The gain of an activation: what n Var[W] must be so that it keeps signals, or gradients, of one second moment q."""

from functools import cache

import numpy as np
import sympy as sp

from glorotlab import activations
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
from glorotlab.derivations.engine.derivation import Conclusion, Derivation, Step
from glorotlab.derivations.engine.notation import (
    ActivationSecondMoment,
    BiasVariance,
    GradientVariance,
    PreactivationVariance,
    SlopeSecondMoment,
    VarianceSymbol,
    WeightVariance,
    Width,
    gaussian_slope,
    gaussian_square,
    i,
)
from glorotlab.derivations.engine.trial import Trial
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.forward import forward_variance
from glorotlab.theory.gaussian.moments import moments

_Q, _N = sp.Symbol("q", positive=True), sp.Symbol("n", integer=True, positive=True)
_FORWARD, _BACKWARD = sp.symbols("g_forward g_backward", positive=True)
_BIAS = VarianceSymbol("b", nonnegative=True)
_S = sp.Symbol("s", real=True)
_ORDER = 3
"""Gains of tanh are expanded up to this power of q, exclusive."""


@cache
def nonlinear_gain(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive the two gains q / F(q) and 1 / G(q); ``without`` zero_bias the forward one makes room for the biases."""
    biased = "zero_bias" in without
    bias = _BIAS if biased else sp.S.Zero
    forward = equation(_FORWARD**2, (_Q - bias) / gaussian_square(_Q))
    backward = equation(_BACKWARD**2, 1 / gaussian_slope(_Q))
    after = equation(PreactivationVariance(i + 1), _N * WeightVariance(i + 1) * gaussian_square(_Q) + bias)
    gradient = equation(GradientVariance(i) / GradientVariance(i + 1), _N * WeightVariance(i + 1) * gaussian_slope(_Q))
    steps = [
        Step(
            "With n units in every layer and Var[s^i] = q the next pre-activations have this variance.",
            after,
            "one layer of the variance map (Poole et al. 2016): independent_weights, zero_mean_weights, wide_layers, "
            + ("random_bias" if biased else "zero_bias")
            + "; F(q) = E[f(s)^2] over s ~ N(0, q)",
            lambda claim, _: claim.lhs == PreactivationVariance(i + 1) and equal(claim.rhs, _one_layer(biased)),
        ),
        Step(
            "It is q again where n Var[W] is the square of the forward gain.",
            forward,
            "step 1 set to q, solved for n Var[W^(i+1)]",
            lambda claim, earlier: claim.lhs == _FORWARD**2 and equal(claim.rhs, _wanted(equation(earlier[0].rhs, _Q))),
        ),
        Step(
            "Passing a layer multiplies the variance of gradients by this factor, chi_1.",
            gradient,
            "one layer of back-propagation (Schoenholz et al. 2017): gradient_independence, equal_output_gradient; "
            "G(q) = E[f'(s)^2] over s ~ N(0, q)",
            lambda claim, _: claim.lhs == gradient.lhs and equal(claim.rhs, _one_layer_back()),
        ),
        Step(
            "It is 1 where n Var[W] is the square of the backward gain.",
            backward,
            "step 3 set to 1, solved for n Var[W^(i+1)]",
            lambda claim, earlier: (
                claim.lhs == _BACKWARD**2 and equal(claim.rhs, _wanted(equation(earlier[2].rhs, sp.S.One)))
            ),
        ),
        Step(
            "What keeps signals multiplies gradients by the ratio of both.",
            equation(_FORWARD**2 / _BACKWARD**2, (_Q - bias) * gaussian_slope(_Q) / gaussian_square(_Q)),
            "steps 2 and 4; 1 for the linear unit and for ReLU without biases",
            lambda claim, earlier: (
                claim.lhs == _FORWARD**2 / _BACKWARD**2 and equal(claim.rhs, earlier[1].rhs / earlier[3].rhs)
            ),
        ),
    ]
    if not biased:
        steps += [
            _of_relu(_FORWARD, 1),
            _of_relu(_BACKWARD, 3),
            _of_tanh(_FORWARD, 1, 1 + 2 * _Q - sp.Rational(5, 3) * _Q**2),
            _of_tanh(_BACKWARD, 3, 1 + 2 * _Q - 3 * _Q**2),
        ]
    assumptions = (
        wide_layers,
        zero_bias,
        zero_mean_weights,
        independent_weights,
        gradient_independence,
        equal_output_gradient,
    )
    said = "Biases hold a part of q, and weights make up for less." if biased else "He's factor 2 is that of ReLU."
    return Derivation(
        "nonlinear_gain",
        "Gains of an activation",
        "Poole et al. 2016; Schoenholz et al. 2017; He et al. 2015",
        replaced(assumptions, without, {"zero_bias": random_bias}),
        tuple(steps),
        (
            Conclusion(None, forward, difference=f"The gain that keeps signals depends on q. {said}"),
            Conclusion(None, backward, difference="The gain that keeps gradients is another one."),
        ),
        experiment=lambda random: _experiment(0.3 if biased else 0.0, random),
        carries=frozenset({"zero_bias"}) - without,
    )


def _one_layer(biased: bool) -> sp.Expr:
    """Var[s^(i+1)] where Var[s^i] = q, from forward_variance."""
    found = forward_variance(frozenset({"linear_regime", "zero_bias"} if biased else {"linear_regime"}))
    below = found.result.rhs.replace(gaussian_square, lambda _: gaussian_square(_Q))  # E[(z^(i+1))^2]
    return _equally_wide(found.steps[1].equation.rhs.subs(i, i + 1)).subs(ActivationSecondMoment(i + 1), below)


def _one_layer_back() -> sp.Expr:
    found = backward_variance(frozenset({"linear_regime"}))
    ratio = found.steps[2].equation.rhs / GradientVariance(i + 1)
    return _equally_wide(ratio).replace(SlopeSecondMoment, lambda _: gaussian_slope(_Q))


def _equally_wide(expression: sp.Expr) -> sp.Expr:
    return expression.replace(Width, lambda _: _N).replace(BiasVariance, lambda _: _BIAS)


def _wanted(condition: sp.Eq) -> sp.Expr:
    """Return n Var[W^(i+1)] under a condition that is linear in it."""
    difference = condition.lhs - condition.rhs
    slope = sp.diff(difference.subs(WeightVariance(i + 1), _S / _N), _S)
    return sp.simplify(-difference.subs(WeightVariance(i + 1), 0) / slope)


def _of_relu(gain: sp.Symbol, source: int) -> Step:
    """Return the step that a gain of ReLU squares to 2; ``source`` counts from 0."""

    def check(claim: sp.Eq, earlier: tuple[sp.Eq, ...]) -> bool:
        positive = sp.Symbol("s", positive=True)
        density = sp.exp(-(positive**2) / (2 * _Q)) / sp.sqrt(2 * sp.pi * _Q)
        square, slope = (sp.integrate(each * density, (positive, 0, sp.oo)) for each in (positive**2, sp.S.One))
        return bool(claim.lhs == gain**2) and equal(claim.rhs, _with(earlier[source].rhs, square, slope))

    return Step(
        f"Of ReLU the {gain.name.removeprefix('g_')} gain is that of He et al. at every q.",
        equation(gain**2, sp.S(2)),
        f"step {source + 1} with the integrals of s^2 and 1 over s > 0",
        check,
    )


def _of_tanh(gain: sp.Symbol, source: int, series: sp.Expr) -> Step:
    """Return the step with the gain of tanh at small q; ``source`` counts from 0."""
    remainder = sp.O(_Q**_ORDER)

    def check(claim: sp.Eq, earlier: tuple[sp.Eq, ...]) -> bool:
        found = _with(earlier[source].rhs, _gaussian(sp.tanh(_S) ** 2), _gaussian(sp.sech(_S) ** 4))
        expanded = sp.series(found, _Q, 0, _ORDER).removeO()
        return bool(claim.lhs == gain**2 and sp.expand(claim.rhs.removeO() - expanded) == 0 and claim.rhs.getO())

    return Step(
        f"Of tanh the {gain.name.removeprefix('g_')} gain leaves 1 as q grows.",
        equation(gain**2, series + remainder),
        f"step {source + 1} with the Taylor series of tanh, E[s^(2 m)] = q^m (2 m - 1)!!",
        check,
    )


def _gaussian(function: sp.Expr) -> sp.Expr:
    """Return the mean over s ~ N(0, q) of an even function to the order that matters."""
    polynomial = sp.Poly(sp.series(function, _S, 0, 2 * _ORDER + 2).removeO(), _S)
    return sum(
        coefficient * _Q ** (power // 2) * sp.factorial2(power - 1) for (power,), coefficient in polynomial.terms()
    )


def _with(expression: sp.Expr, square: sp.Expr, slope: sp.Expr) -> sp.Expr:
    return sp.simplify(expression.replace(gaussian_square, lambda _: square).replace(gaussian_slope, lambda _: slope))


def _experiment(bias_variance: float, random: np.random.Generator, networks: int = 60_000) -> tuple[Trial, ...]:
    """One layer of five units below and four above, whose weights have the derived gains: tanh and gelu at q = 1."""
    q, below, above, found = 1.0, 5, 4, []
    for name in ("tanh", "gelu"):
        record, exact = activations.get(name), moments(name, q)
        gains = (q - bias_variance) / exact.second_moment, 1 / exact.derivative_second_moment
        s = np.sqrt(q) * random.standard_normal((networks, below))
        weights = np.sqrt(gains[0] / below) * random.standard_normal((networks, below))
        bias = np.sqrt(bias_variance) * random.standard_normal(networks)
        after = (np.asarray(record.function(s)) * weights).sum(axis=1) + bias
        found.append(Trial.of(f"{name}: Var[s^(i+1)]", q, after**2))
        weights = np.sqrt(gains[1] / above) * random.standard_normal((networks, below, above))
        gradient = random.standard_normal((networks, above))
        passed = np.asarray(record.derivative(s)) * np.einsum("rab,rb->ra", weights, gradient)
        found.append(Trial.of(f"{name}: Var[dC/ds^i]", 1.0, (passed**2).mean(axis=1)))
    return tuple(found)
