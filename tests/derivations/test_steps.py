"""Named steps: what they rest on, by assumptions, earlier steps and lemmas, and where a derivation stops."""

import dataclasses
import itertools

import pytest
import sympy as sp

from glorotlab.derivations import Assumption, Conclusion, Derivation, Step, derive
from glorotlab.derivations.engine.algebra import equation
from glorotlab.errors import AssumptionError, UnknownNameError

DROPPED = [(name, item.name) for name in derive() for item in derive(name).assumptions]
A, B, C = (Assumption(name, f"{name} holds.", f"Nothing without {name}.") for name in ("first", "second", "third"))
X, Y = sp.symbols("x y")


def step(name, *, uses=(), follows=(), lemmas=(), rule="", right=X):
    return Step(name, f"{name}.", equation(Y, right), lambda *_: True, uses, follows, lemmas, rule)


def derivation(*steps, assumptions=(A, B, C)):
    conclusions = (Conclusion(None, steps[-1].equation),)
    return Derivation("example", "Example", "nowhere", assumptions, steps, conclusions)


EXAMPLE = derivation(
    step("one", uses=(A,)),
    step("two", uses=(B,), right=2 * X),
    step("three", follows=("one",), right=3 * X),
    step("four", uses=(C,), follows=("two", "three"), right=4 * X),
)


# A derivation refuses steps that do not fit together


def test_two_steps_of_one_name_are_refused():
    with pytest.raises(ValueError, match="example has two steps of the name one"):
        derivation(step("one"), step("one"))


@pytest.mark.parametrize("follows", [("two",), ("one",), ("unknown",)])
def test_a_step_that_follows_from_none_before_it_is_refused(follows):
    with pytest.raises(ValueError, match=f"one follows from {follows[0]}, which is no step before it"):
        derivation(step("one", follows=follows), step("two"))


def test_a_step_that_rests_on_what_is_not_assumed_is_refused():
    with pytest.raises(ValueError, match="one rests on second, which is not assumed"):
        derivation(step("one", uses=(B,)), assumptions=(A,))


def test_a_lemma_that_rests_on_what_is_not_assumed_is_refused():
    """The lemma brings what its own proof rests on, here the assumption of step one, and nothing else."""
    taken_over = step("five", lemmas=(EXAMPLE.lemma("three"),))
    derivation(taken_over, assumptions=(A,))
    with pytest.raises(ValueError, match="five rests on first, which is not assumed"):
        derivation(taken_over, assumptions=(B, C))


# What a step rests on


def test_the_basis_of_a_step_is_that_of_the_steps_it_follows_from_too():
    assert EXAMPLE.basis("three") == {A}
    assert EXAMPLE.basis("four") == {A, B, C}
    assert EXAMPLE.lemma().assumptions == {A, B, C}
    assert EXAMPLE.lemma().equation == EXAMPLE.result


def test_a_check_sees_the_steps_it_names_and_no_others():
    seen = {}

    def check(claim, earlier):
        seen.update(earlier)
        return True

    last = dataclasses.replace(EXAMPLE.steps[-1], check=check)
    dataclasses.replace(EXAMPLE, steps=(*EXAMPLE.steps[:-1], last)).verify()
    assert seen == {"two": equation(Y, 2 * X), "three": equation(Y, 3 * X)}


BY_NAME_ALONE = {"total_variance", "conditional_mean", "conditional_variance", "sampled_variance"}
"""Steps whose checks start from what the quantities of earlier steps mean, and need no equation of theirs."""


@pytest.mark.parametrize("name", derive())
def test_a_check_needs_every_step_it_names(name):
    equations = {item.name: item.equation for item in derive(name).steps}
    for item in derive(name).steps:
        for missing in () if item.name in BY_NAME_ALONE else item.follows:
            others = {earlier: equations[earlier] for earlier in item.follows if earlier != missing}
            with pytest.raises(KeyError, match=missing):
                item.check(item.equation, others)


def test_the_reason_is_written_from_what_a_step_rests_on():
    assert EXAMPLE.step("four").reason == "from two and three; by third"
    words = step("five", uses=(A, B, C), lemmas=(EXAMPLE.lemma(), EXAMPLE.lemma("one")), rule="a rule").reason
    assert words == "with the result of example and step one of example; by first, second and third; a rule"
    without = derive("forward_variance", without=("zero_bias", "zero_mean_inputs")).lemma("sum")
    assert without.description == "step sum of forward_variance without zero_bias and zero_mean_inputs"


@pytest.mark.parametrize("name", derive())
def test_every_assumption_is_one_that_a_step_rests_on(name):
    """With as many as can be dropped too: else a derivation could not say where it stops."""
    sizes = range(4)
    for without in itertools.chain.from_iterable(itertools.combinations(derive(name).carries, size) for size in sizes):
        variant = derive(name, without=without)
        bases = frozenset().union(*(variant.basis(item.name) for item in variant.steps))
        assert bases == set(variant.assumptions)
        assert all(item.reason for item in variant.steps)


# Without an assumption


def test_without_an_assumption_a_derivation_ends_before_the_first_step_that_rests_on_it():
    for dropped, kept in (((A,), 0), ((B,), 1), ((C,), 3), ((B, C), 1), ((), 4)):
        stopped = EXAMPLE.stop_without(dropped)
        assert stopped.steps == EXAMPLE.steps[:kept]
        assert (stopped.stopped is None) == (not dropped)


def test_a_step_stops_with_the_step_it_follows_from():
    """Step two rests on the second assumption through step one alone, and so does what takes it over as a lemma."""
    lemma = derivation(step("one", uses=(B,)), step("two", follows=("one",), right=2 * X)).lemma("two")
    inheriting = derivation(step("free"), step("three", lemmas=(lemma,), right=3 * X))
    assert [item.name for item in inheriting.stop_without((B,)).steps] == ["free"]


def test_which_assumptions_are_carried():
    """A derivation that loses an extra term would stop, which no other test minds."""
    variance = {"linear_regime", "zero_bias", "zero_mean_inputs"}
    assert {name: derive(name).carries for name in derive() if derive(name).carries} == {
        "forward_variance": variance,
        "backward_variance": {"linear_regime"},
        "weight_gradient_variance": variance,
        "equal_width": {"equal_widths"},
        "lecun_initialization": {"linear_regime"},
        "he_initialization": {"relu_units"},
        "nonlinear_gain": {"zero_bias"},
        "finite_width_fluctuation": {"zero_bias", "gaussian_weights", "equal_widths"},
        "gradient_fluctuation": {"zero_bias", "gaussian_weights", "given_output_gradient", "equal_widths"},
        "softmax_output_gradient": {"small_logits"},
        "single_neuron_chain": {"sigmoid_neurons", "equal_weights"},
        "learning_speed_ratio": {"alike_examples", "fan_in_variance", "sigmoid_neurons"},
    }


@pytest.mark.parametrize(("name", "assumption"), DROPPED)
def test_without_an_assumption_a_derivation_goes_on_or_says_why_not(name, assumption):
    full, variant = derive(name), derive(name, without=assumption)
    assert assumption not in {item.name for item in variant.assumptions}
    assert assumption not in {item.name for given in variant.steps for item in variant.basis(given.name)}
    if variant.stopped is None:
        assert assumption in full.carries
        assert variant.text() != full.text()
    else:
        with pytest.raises(AssumptionError, match="has no result"):
            _ = variant.result
        assert " ".join(variant.stopped.split()) in " ".join(variant.text().split())
        assert variant.steps == full.steps[: len(variant.steps)]
        assert len(variant.steps) < len(full.steps)


def test_what_a_variant_no_longer_assumes_cannot_stop_it():
    """Outside the linear regime second moments travel, and inputs need no mean of 0."""
    without = derive("lecun_initialization", without=("linear_regime", "zero_mean_inputs"))
    assert without.result == derive("lecun_initialization", without="linear_regime").result


def test_unknown_assumptions_are_named_with_what_is_allowed():
    with pytest.raises(UnknownNameError, match="unknown assumption of forward_variance 'linear': allowed are linear_"):
        derive("forward_variance", without="linear")


def test_several_assumptions_at_once_stop_with_every_reason():
    variant = derive("forward_variance", without=["zero_bias", "independent_weights", "zero_mean_weights"])
    assert not variant.conclusions
    assert "E[W_l W_m]" in variant.stopped
    assert "E[z_l z_m]" in variant.stopped
    assert [item.name for item in variant.steps] == ["sum"]
    assert variant.steps[0].equation == derive("forward_variance", without="zero_bias").steps[0].equation
