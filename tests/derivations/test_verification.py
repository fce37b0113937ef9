"""Every step, every comparison with a printed equation and every experiment, and that wrong ones fail."""

import dataclasses
import itertools

import pytest

from glorotlab.derivations import Trial, Verification, derive
from glorotlab.derivations.engine.algebra import equation

STEPS = [(name, step.name) for name in derive() for step in derive(name).steps]


def variants():
    """Yield name and dropped assumptions of all derivations that go on without some: each of them once."""
    for name in derive():
        seen = {derive(name).assumptions}
        for size in range(1, 5):
            for without in itertools.combinations(sorted(derive(name).carries), size):
                assumptions = derive(name, without=without).assumptions
                if assumptions not in seen:
                    seen.add(assumptions)
                    yield name, without


VARIANTS = list(variants())
TRIED = [
    (name, without)
    for name, without in VARIANTS
    if not any(name == other and set(without) < set(more) for other, more in VARIANTS)
]
"""Variants that networks are drawn for: as many assumptions dropped as can be together."""


@pytest.mark.parametrize(("name", "without"), [(name, ()) for name in derive()] + TRIED)
def test_every_step_every_comparison_with_the_paper_and_every_experiment_is_verified(name, without, test_seed):
    """Each trial fails falsely once in a million, and finds an error of 11 % of its number 99 times in 100."""
    derivation = derive(name, without=without)
    verification = derivation.verify(seed=test_seed)
    assert verification, str(verification)
    assert len(verification.steps) == len(derivation.steps)
    assert len(verification.conclusions) == len(derivation.conclusions) >= 1
    assert verification.trials
    assert max(trial.detectable for trial in verification.trials) < 0.11


@pytest.mark.parametrize(("name", "without"), [variant for variant in VARIANTS if variant not in TRIED])
def test_other_variants_are_verified_step_by_step(name, without):
    verification = dataclasses.replace(derive(name, without=without), experiment=None).verify()
    assert verification, str(verification)


def test_another_seed_draws_other_networks():
    derivation = dataclasses.replace(derive("forward_variance"), steps=(), conclusions=(), assumptions=())
    first, again, second = (derivation.verify(seed=seed).trials for seed in (0, 0, 1))
    assert first == again
    assert all(one.measured != other.measured for one, other in zip(first, second, strict=True))


def verify_changed(name, step, change):
    """Verify one step with its equation changed; the steps before it are trusted, those after it left out."""
    derivation = derive(name)
    index = derivation.steps.index(derivation.step(step))
    trusted = tuple(dataclasses.replace(step, check=lambda *_: True) for step in derivation.steps[:index])
    right = derivation.steps[index]
    wrong = dataclasses.replace(right, equation=equation(*change(right.equation.lhs, right.equation.rhs)))
    steps, nothing = (*trusted, wrong), ()
    return dataclasses.replace(derivation, steps=steps, conclusions=nothing, experiment=None).verify()


@pytest.mark.parametrize(
    "change",
    [lambda left, right: (left, 2 * right), lambda left, right: (3 * left, right)],
    ids=["doubled", "left"],
)
@pytest.mark.parametrize(("name", "step"), STEPS)
def test_a_wrong_step_fails(name, step, change):
    outcomes = verify_changed(name, step, change).steps
    assert [outcome.passed for outcome in outcomes] == [True] * (len(outcomes) - 1) + [False]


@pytest.mark.parametrize("name", ["backward_variance", "weight_gradient_variance"])
def test_the_printed_equation_in_the_place_of_the_result_fails(name):
    derivation = derive(name)
    assert not verify_changed(name, "all_layers", lambda left, right: derivation.printed.args)
    assert verify_changed(name, "all_layers", lambda left, right: (left, right))


@pytest.mark.parametrize("name", derive())
def test_a_wrong_comparison_with_the_paper_fails(name):
    derivation = derive(name)
    equations = tuple(step.equation for step in derivation.steps)
    for conclusion in derivation.conclusions:
        doubled = equation(conclusion.result.lhs, 2 * conclusion.result.rhs)
        changes = [
            {"result": doubled, "factor": conclusion.factor / 2},
            {"printed": doubled},
            {"factor": 2 * conclusion.factor},
        ]
        if conclusion.printed is not None:
            changes.append({"difference": "a difference that is none" if conclusion.difference is None else None})
        for wrong in changes:
            assert not dataclasses.replace(conclusion, **wrong).holds(equations)


def test_a_wrong_comparison_is_reported():
    derivation = dataclasses.replace(derive("equal_width"), experiment=None)
    wrong = dataclasses.replace(derivation.conclusions[1], printed=derivation.printed)
    result = dataclasses.replace(derivation, conclusions=(derivation.conclusions[0], wrong)).verify()
    assert not result
    assert [outcome.passed for outcome in result.conclusions] == [True, False]
    assert "eq. 14" in str(result)


def test_a_check_that_raises_is_reported_and_not_raised():
    derivation = dataclasses.replace(derive("forward_variance"), experiment=None)
    broken = dataclasses.replace(derivation.steps[0], check=lambda claim, earlier: 1 / 0)
    result = dataclasses.replace(derivation, steps=(broken, *derivation.steps[1:])).verify()
    assert not result
    assert "ZeroDivisionError" in str(result)
    assert [outcome.passed for outcome in result.steps] == [False, True, True, True, True]


def test_a_failed_trial_is_a_failed_verification():
    right = Trial("a mean", predicted=2.0, measured=2.1, standard_error=0.1)
    wrong = dataclasses.replace(right, measured=4.0)
    assert Verification("example", (), (), (right,))
    assert not Verification("example", (), (), (right, wrong))
