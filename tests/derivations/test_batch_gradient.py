"""What a batch adds between examples as derived: against the numeric module, and refuted where it is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from glorotlab.derivations import derive
from glorotlab.derivations.beyond import batch_gradient_trials
from glorotlab.derivations.beyond.batch_gradient_notation import KernelAnswer, KernelVariance
from glorotlab.derivations.engine import fluctuation_notation as names
from glorotlab.derivations.engine.algebra import equation
from glorotlab.derivations.engine.fluctuation_networks import Networks
from glorotlab.derivations.engine.notation import WeightVariance, i
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory.mean_field import kernel_covariance
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.propagate import propagate


def equations():
    return {step.name: step.equation for step in derive("batch_gradient_covariance").steps}


def test_recursions_are_those_of_the_numeric_module():
    """Of sin units on unequal layers; the numeric module's own curvatures, which the derivation leaves out, are 0."""
    spec = NetworkSpec.parse("4,50,80,40,3", activation="sin", initializer="lecun_normal", output="linear")
    found = propagate(spec, batch_of(spec, inputs=2 * np.eye(4), labels=[0, 1, 2, 0]))
    assert found.gradient is not None
    output = replace(found.gradient.output, curvature=np.zeros(4))
    series = [kernel_covariance._series(found.signal, index) for index in range(3)]
    answers = kernel_covariance._answers(found.signal, replace(found.gradient, output=output), series)
    networks, scatter = Networks((4, 50, 80, 40, 3), "sin", gain=1.0), kernel_covariance._Scatter(found.signal)
    variances, derived = [0.0], equations()
    for index in range(3):
        scatter.pass_on(index, series[index])
        variances.append(networks.value(derived["scatter"].rhs, index, {KernelVariance: variances}))
        assert scatter.pair[0, 1] == pytest.approx(variances[-1], rel=1e-9)
    above = [0.0, 0.0, 0.0, 1.0]
    for index in (2, 1):
        above[index] = networks.value(derived["answer"].rhs, index, {KernelAnswer: above})
        assert answers[index][0][0, 1] == pytest.approx(above[index], rel=1e-9)


@pytest.fixture(scope="module")
def drawn():
    return batch_gradient_trials.sample(generator(9, Purpose.TRIAL))


@pytest.mark.parametrize(
    ("which", "old", "new"),
    [
        ("scatter", KernelVariance(i), 0),
        (
            "answer",
            names.MeanDerivative(names.WideSignalSquare(i)),
            1.05 * names.MeanDerivative(names.WideSignalSquare(i)),
        ),
        ("covariance", WeightVariance(i), 1.2 * WeightVariance(i)),
    ],
    ids=["nothing from below", "slope", "weights"],
)
def test_a_wrong_recursion_is_refuted(drawn, which, old, new):
    """Each change is beyond what the trials find 99 times in 100."""
    right = equations()
    wrong = equation(right[which].lhs, right[which].rhs.subs(old, new))
    assert wrong != right[which]
    assert all(trial.passed for trial in batch_gradient_trials.trials(right, drawn))
    assert not all(trial.passed for trial in batch_gradient_trials.trials(right | {which: wrong}, drawn))
