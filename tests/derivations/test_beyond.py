"""Derivations beyond the paper's own equations: what they say, against independent references."""

import math
import re
from dataclasses import replace

import gaussian_reference as reference
import numpy as np
import pytest
import sympy as sp
from scipy.optimize import brentq, minimize_scalar

import glorotlab as gl
from glorotlab import initializers
from glorotlab.derivations.beyond import he_initialization
from glorotlab.derivations.engine import notation as q
from glorotlab.derivations.engine.algebra import equation
from glorotlab.derivations.engine.linear_networks import trials


def test_an_experiment_refutes_a_wrong_result():
    """ReLU networks under LeCun's variance: half of He's claim is gone in every layer."""
    setting = he_initialization._networks(leaky=False)
    setting = replace(setting, weight_variances=tuple(v / 2 for v in setting.weight_variances))
    claim = equation(q.ActivationSecondMoment(q.i), q.input_second_moment)
    found = trials([claim], setting, np.random.default_rng(0), networks=20_000)
    assert [trial.passed for trial in found] == [True, False, False, False]


# What they say


@pytest.mark.parametrize(("name", "initializer"), [("lecun", "lecun_uniform"), ("he", "he_normal")])
def test_the_derived_variance_is_the_initializers(name, initializer):
    """And the bound of the uniform one, which no sample exceeds and 10,000 come within 1 % of."""
    result = gl.derive(f"{name}_initialization").result
    record = initializers.get(initializer)
    assert float(result.rhs.subs(q.Width(q.i), 37)) == pytest.approx(record.variance(37, 91))
    if name == "lecun":
        bound = float(gl.derive("lecun_initialization").step("bound").equation.rhs.subs(q.Width(q.i), 37))
        largest = np.abs(record.sample(np.random.default_rng(0), 37, 300)).max()
        assert 0.99 * bound < largest <= bound


def test_leaky_units_of_slope_1_are_linear_and_of_slope_0_rectified():
    result = gl.derive("he_initialization", without="relu_units").result.rhs
    leak = next(symbol for symbol in result.free_symbols if symbol.name == "a")
    assert sp.simplify(result.subs(leak, 0) - gl.derive("he_initialization").result.rhs) == 0
    assert sp.simplify(result.subs(leak, 1) - gl.derive("lecun_initialization").result.rhs) == 0
    slope = 0.3
    share = reference.single(lambda s: np.where(s > 0, s, slope * s) ** 2, 1.7) / 1.7
    assert float(result.subs({leak: slope, q.Width(q.i): 10})) == pytest.approx(1 / (10 * share))


@pytest.mark.parametrize(("second_moment", "forward", "backward"), [(1.0, 1.5925, 1.4674), (0.5, 1.352, None)])
def test_gains_of_tanh(second_moment, forward, backward):
    """The numbers of another integration rule; 5/3, which frameworks print, is neither."""
    square = reference.single(lambda s: np.tanh(s) ** 2, second_moment)
    derivative_square = reference.single(lambda s: np.cosh(s) ** -4.0, second_moment)
    derivation = gl.derive("nonlinear_gain")
    squares = [derivation.step(name).equation.rhs for name in ("forward_gain", "backward_gain")]
    (symbol,) = squares[0].free_symbols
    numbers = {
        q.gaussian_square(symbol): square,
        q.gaussian_derivative_square(symbol): derivative_square,
        symbol: second_moment,
    }
    gains = [math.sqrt(expression.subs(numbers)) for expression in squares]
    assert gains[0] == pytest.approx(forward, abs=5e-4)
    assert backward is None or gains[1] == pytest.approx(backward, abs=5e-5)


def test_gains_of_tanh_at_small_second_moments():
    """The series are off by the next power of q."""
    derivation = gl.derive("nonlinear_gain")
    for small in (1e-2, 1e-3):
        exact = gl.moments("tanh", small)
        for name, value in (
            ("forward_gain_of_tanh", small / exact.second_moment),
            ("backward_gain_of_tanh", 1 / exact.derivative_second_moment),
        ):
            series = derivation.step(name).equation.rhs.removeO()
            (symbol,) = series.free_symbols
            assert abs(float(series.subs(symbol, small)) - float(value)) < 12 * small**3


@pytest.mark.parametrize("variance", [0.02, 0.1])
def test_the_softmax_gradient_of_two_outputs(variance):
    """p_1 of two logits is the sigmoid of their difference, N(0, 2 Q)."""
    square = reference.single(lambda s: (1 / (1 + np.exp(-s))) ** 2, 2 * variance)
    exact = square - 2 / 4 + 1 / 2
    small, kept = gl.derive("softmax_output_gradient"), gl.derive("softmax_output_gradient", without="small_logits")
    numbers = {"K": 2, "Q": variance, "E_p": square}

    def value(expression):
        return float(expression.subs({symbol: numbers[symbol.name] for symbol in expression.free_symbols}))

    assert value(kept.result.rhs) == pytest.approx(exact, rel=1e-12)
    excess = exact - 0.25
    assert value(small.result.rhs) - 0.25 == pytest.approx(excess, rel=2 * variance)


def test_the_chain_of_neurons_is_the_derivative_of_a_real_one():
    """Three weights and biases at random: the product against a difference of the cost s^d."""
    rng = np.random.default_rng(1)
    weights, biases = rng.normal(size=4) * 3, rng.normal(size=4)

    def run(bias_0):
        s = [weights[0] * 0.7 + bias_0]
        for weight, bias in zip(weights[1:], biases[1:], strict=True):
            s.append(weight / (1 + math.exp(-s[-1])) + bias)
        return s

    s = run(biases[0])
    derivatives = [1 / (1 + math.exp(-value)) * (1 - 1 / (1 + math.exp(-value))) for value in s]
    product = gl.derive("single_neuron_chain").result.rhs.subs({q.i: 0, q.d: 3}).doit()
    product = product.replace(q.ActivationDerivative, lambda index: sp.Float(derivatives[int(index)]))
    product = product.replace(q.Weight, lambda index: sp.Float(weights[int(index)])).replace(q.Gradient, lambda _: 1)
    h = 1e-5
    difference = (run(biases[0] + h)[-1] - run(biases[0] - h)[-1]) / (2 * h)
    assert float(product) == pytest.approx(difference, rel=1e-7)


def test_a_weight_of_100_makes_the_factor_25():
    last = gl.derive("single_neuron_chain").step("bound").equation.rhs
    weight = next(symbol for symbol in last.free_symbols if symbol.name == "w")
    one_layer = last.subs({q.i: 0, q.d: 1, weight: 100}).replace(q.Gradient, lambda _: 1)
    assert one_layer == 25


@pytest.mark.parametrize("weight", [4.5, 6.9, 100.0])
def test_the_interval_by_roots_of_the_factor(weight):
    def excess(a):
        return weight * math.exp(-weight * a) / (1 + math.exp(-weight * a)) ** 2 - 1

    width = gl.derive("explosion_interval").result.rhs
    assert float(width.subs(*width.free_symbols, weight)) == pytest.approx(2 * brentq(excess, 0, 1), rel=1e-9)


def test_the_widest_interval_is_nielsens():
    """He gives 0.45 near 6.9; the sentence of the step widest gives one digit more."""
    derivation = gl.derive("explosion_interval")
    width = derivation.result.rhs
    (symbol,) = width.free_symbols
    function = sp.lambdify(symbol, width)
    widest = minimize_scalar(lambda w: -function(w), bounds=(4.1, 50), method="bounded", options={"xatol": 1e-9})
    assert widest.x == pytest.approx(6.9, abs=0.05)
    assert -widest.fun == pytest.approx(0.45, abs=5e-3)
    stationary = derivation.step("widest")
    t = brentq(sp.lambdify(list(stationary.equation.free_symbols), stationary.equation.lhs - 1), 0.1, 5)
    said = [float(number) for number in re.findall(r"\d+\.\d+", stationary.statement)]
    assert said == [round(t, 3), round(4 * math.cosh(t / 2) ** 2, 2), round(-widest.fun, 3)]
    assert widest.x == pytest.approx(4 * math.cosh(t / 2) ** 2, rel=1e-5)
