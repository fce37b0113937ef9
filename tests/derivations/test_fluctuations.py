"""The scatter between networks as derived: against the numeric module, and refuted where a coefficient is wrong."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from glorotlab.derivations import derive
from glorotlab.derivations.engine import fluctuation_notation as names
from glorotlab.derivations.engine.algebra import equation
from glorotlab.derivations.engine.fluctuation_networks import Networks, draw
from glorotlab.derivations.engine.fluctuation_trials import (
    exact_gradient_trials,
    exact_signal_trials,
    expand,
    gradient_trials,
    signal_trials,
)
from glorotlab.derivations.engine.notation import WeightVariance, Width, d, i
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory.finite_width import recursions
from glorotlab.theory.mean_field.inputs import Batch
from glorotlab.theory.mean_field.propagate import propagate

KURTOSIS, SCALE, INPUTS = ("normal", "uniform"), 1.5, 0.6


def forward_steps(*without):
    derivation = derive("finite_width_fluctuation", without=without)
    return [derivation.step(name).equation for name in ("variance", "mean")]


def gradient_steps(*without):
    return {step.name: step.equation for step in derive("gradient_fluctuation", without=without).steps}


@pytest.mark.parametrize("distribution", KURTOSIS)
def test_recursions_are_those_of_the_numeric_module(distribution):
    """Var q, the shift of E q and A on unequal layers of sin units; uniform weights have kurtosis -6/5."""
    initializer = f"variance_scaling(scale={SCALE}, mode=fan_in, distribution={distribution})"
    spec = NetworkSpec.parse("9,50,80,40,3", activation="sin", initializer=initializer)
    batch = replace(Batch.one(INPUTS), fourth_moment=np.array([INPUTS**2]))
    forward = recursions.forward(propagate(spec, batch).signal)
    backward = recursions.backward(forward, np.full(1, 0.3), np.zeros(1))
    without = ("gaussian_weights",) if distribution == "uniform" else ()
    networks = Networks((9, 50, 80, 40), "sin", first=SCALE * INPUTS, gain=SCALE, uniform=bool(without))
    found = expand(networks, *forward_steps(*without))
    np.testing.assert_allclose(networks.wide, np.concatenate(forward.q), rtol=1e-9)
    np.testing.assert_allclose(found[names.SignalVariance], np.concatenate(forward.variance), rtol=1e-9)
    shift = np.array(found[names.SignalMean]) - networks.wide
    np.testing.assert_allclose(shift, np.concatenate(forward.shift), rtol=1e-9, atol=1e-14)
    derivatives, sensitivity = [0.0, 0.0, 0.0, 0.3], gradient_steps(*without)["sensitivity"].rhs
    for layer in (2, 1, 0):
        derivatives[layer] = networks.value(sensitivity, layer, {names.LogSensitivity: derivatives})
    np.testing.assert_allclose(derivatives, np.concatenate(backward.log_derivative), rtol=1e-9)


@pytest.mark.parametrize(("name", "each"), [("relu", 5), ("linear", 2)])
def test_a_layer_of_scale_free_units_adds_a_constant_over_its_width(name, each):
    """5/n (Hanin & Nica 2020) and 2/n, to q and to ln T alike."""
    networks = Networks((4, 30, 50, 20), name, gain=1.7)
    variance = expand(networks, *forward_steps())[names.SignalVariance]
    relative = np.array(variance) / np.square(networks.wide)
    np.testing.assert_allclose(relative, np.cumsum([0, each / 30, each / 50, each / 20]))
    known = {names.LogSensitivity: [0.0] * 4, names.LogVariance: [0.0] * 4}
    for layer in (2, 1, 0):
        known[names.LogVariance][layer] = networks.value(gradient_steps()["log_variance"].rhs, layer, known)
    expected = [each * sum(1 / n for n in (30, 50, 20)[layer:]) for layer in range(4)]
    np.testing.assert_allclose(known[names.LogVariance], expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["finite_width_fluctuation", "gradient_fluctuation"])
def test_unequal_widths_become_a_product(name):
    """Layers of 3, 5 and 7 units: (1 + 5/3)(1 + 5/5)(1 + 5/7), and (1 + 5/n)^3 where all have n."""
    numbers = {i: 3, d: 3} if name.startswith("finite") else {i: 0, d: 3}
    product = derive(name, without="equal_widths").conclusions[-2].result.rhs.subs(numbers).doit()
    widths = {1: 3, 2: 5, 3: 7}
    value = product.replace(Width, lambda index: sp.Integer(widths[int(index)]))
    assert value == sp.Rational(8 * 10 * 12, 3 * 5 * 7)
    power = derive(name).conclusions[-2].result.rhs.subs(numbers)
    assert power == (1 + 5 / names.width) ** 3


# Experiments that refute


@pytest.fixture(scope="module")
def signals():
    networks = Networks((6, 20, 50), "tanh")
    return networks, draw(networks, generator(3, Purpose.TRIAL))


@pytest.fixture(scope="module")
def gradients():
    networks = Networks((6, 40, 50, 4), "tanh")
    return networks, draw(networks, generator(4, Purpose.TRIAL), "outputs")


def changed(formula, old, new):
    wrong = formula.rhs.subs(old, new)
    assert wrong != formula.rhs
    return equation(formula.lhs, wrong)


Q = names.WideSignalSquare(i)


@pytest.mark.parametrize(
    ("which", "old", "new"),
    [
        (0, names.MeanFourth(Q), 0.95 * names.MeanFourth(Q)),
        (0, WeightVariance(i + 1), 1.05 * WeightVariance(i + 1)),
        (0, names.SignalVariance(i), 0),
        (1, names.MeanSquare(Q, 2), 0),
        (1, names.MeanSquare(Q, 2), 2 * names.MeanSquare(Q, 2)),
    ],
    ids=["fourth moment", "weights", "nothing from below", "no curvature", "curvature doubled"],
)
def test_a_wrong_recursion_of_signals_is_refuted(signals, which, old, new):
    """Each change is beyond what the trials find 99 times in 100; the right recursion fails once in a million."""
    right = forward_steps()
    assert all(trial.passed for trial in signal_trials(*signals, *right))
    wrong = [changed(each, old, new) if index == which else each for index, each in enumerate(right)]
    assert not all(trial.passed for trial in signal_trials(*signals, *wrong))


@pytest.mark.parametrize(
    ("which", "old", "new"),
    [
        ("log_variance", names.MeanDerivativeFourth(Q), names.MeanDerivativeFourth(Q) * 2 / 3),
        ("log_variance", names.LogVariance(i + 1), 0),
        ("sensitivity", names.MeanDerivativeSquare(Q, 1), 0),
        (
            "own_covariance",
            names.MeanProductSquare(names.SignalSquare(i)),
            0.9 * names.MeanProductSquare(names.SignalSquare(i)),
        ),
    ],
    ids=["2 for 3", "nothing from above", "no derivative", "product"],
)
def test_a_wrong_recursion_of_gradients_is_refuted(gradients, which, old, new):
    right = gradient_steps()
    assert all(trial.passed for trial in gradient_trials(*gradients, forward_steps(), right, given=True))
    wrong = right | {which: changed(right[which], old, new)}
    assert not all(trial.passed for trial in gradient_trials(*gradients, forward_steps(), wrong, given=True))


def test_four_in_the_place_of_five_is_refuted_for_relu():
    networks, factor = Networks((3, 40, 40, 4), "relu"), 1 + sp.Integer(5) / names.width
    sample = draw(networks, generator(5, Purpose.TRIAL), "outputs")
    for name, trials in (
        ("finite_width_fluctuation", exact_signal_trials),
        ("gradient_fluctuation", exact_gradient_trials),
    ):
        right = derive(name).conclusions[-2].result
        wrong = changed(right, factor, 1 + sp.Integer(4) / names.width)
        assert all(trial.passed for trial in trials(networks, sample, right))
        assert not any(trial.passed for trial in trials(networks, sample, wrong))


def test_the_kurtosis_of_the_weights_is_seen():
    """Uniform weights: the results for Gaussian ones fail, forward in E q and backward in T below one output."""
    networks = Networks((24, 60, 30), "tanh", uniform=True)
    sample = draw(networks, generator(6, Purpose.TRIAL), networks=20_000)
    assert not all(trial.passed for trial in signal_trials(networks, sample, *forward_steps()))
    assert all(trial.passed for trial in signal_trials(networks, sample, *forward_steps("gaussian_weights")))
    networks = Networks((24, 40, 50, 4), "tanh", uniform=True)
    sample = draw(networks, generator(7, Purpose.TRIAL), "outputs", networks=20_000)
    steps = forward_steps("gaussian_weights")
    assert not all(trial.passed for trial in gradient_trials(networks, sample, steps, gradient_steps(), given=True))
    right = gradient_steps("gaussian_weights")
    assert all(trial.passed for trial in gradient_trials(networks, sample, steps, right, given=True))


def test_gradients_that_grow_with_the_logits_need_their_slope():
    """Costs whose gradient is tanh of a logit: A_d and U_d of a given gradient, both 0, miss them."""
    networks = Networks((6, 30, 30, 30), "tanh", first=2.0, gain=2.5)
    sample = draw(networks, generator(8, Purpose.TRIAL), "tanh")
    steps = forward_steps(), gradient_steps("given_output_gradient")
    assert all(trial.passed for trial in gradient_trials(networks, sample, *steps, given=False))
    assert not all(trial.passed for trial in gradient_trials(networks, sample, *steps, given=True))
