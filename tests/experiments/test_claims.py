"""How claims are decided: intervals, verdicts, controls, runs that are too short."""

import math

import numpy as np
import pytest

from glorotlab.experiments import claims, experiment


def test_the_interval_is_students():
    found = claims.estimate([1.0, 2.0, 3.0])
    assert found.value == 2.0
    assert found.margin == pytest.approx(9.924843 / math.sqrt(3), rel=1e-6)  # t(0.995; 2) from printed tables


def test_the_interval_covers_as_often_as_it_says():
    """False-failure rate: a binomial(20000, .99) further than 5.5 sd from its mean, about 4e-8; detects .986."""
    samples = np.random.default_rng(3).normal(size=(20_000, 4))
    covered = np.mean([abs(e.value) <= e.margin for e in map(claims.estimate, samples)])
    assert abs(covered - claims.CONFIDENCE) < 5.5 * math.sqrt(0.99 * 0.01 / 20_000)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"a": (1.5, 0.1), "b": (1.2, 0.1)}, "pass"),
        ({"a": (1.5, 0.1), "b": (0.8, 0.1)}, "fail"),
        ({"a": (1.5, 0.1), "b": (1.05, 0.1)}, "undecided"),
        ({"a": (2.2, 0.1)}, "fail"),
        ({"a": (1.5, math.inf)}, "undecided"),
        ({"a": (math.nan, math.inf)}, "undecided"),
        ({}, "undecided"),
    ],
)
def test_verdicts(values, said):
    found = {name: claims.Estimate(*pair) for name, pair in values.items()}
    assert claims.verdict(found, 1.0, 2.0) == said
    assert all(math.isfinite(number) for number in claims.numbers(found).values())


@pytest.mark.parametrize("values", [[1.0], [], [1.0, math.nan, 2.0]])
def test_too_little_decides_nothing(values):
    assert claims.estimate(values).margin == math.inf


def test_all_parts_of_a_claim_hold_as_often_as_it_says():
    """False-failure rate: a binomial(4000, .99) below 4000 * .99 - 5.5 sd, about 1e-7; detects .981 or less (ten
    intervals of 99 % each hold together at .904)."""
    samples = np.random.default_rng(5).normal(size=(4_000, 10, 4))
    judged = [
        claims.judge("x", "y", dict(zip("abcdefghij", parts, strict=True)), low=0.0, high=0.0, rule="z")
        for parts in samples
    ]
    failed = np.mean([claim.verdict == "fail" for claim in judged])
    assert failed < 0.01 + 5.5 * math.sqrt(0.99 * 0.01 / 4_000)
    assert "99% intervals over networks for all 10 together" in judged[0].explanation


def test_a_number_and_its_margin_share_a_text():
    texts = claims.number_texts({"a": 1.23456, "a ±": 0.0123, "b": 2.0, "c ±": 3.0})
    assert texts == {"a": "1.235 ± 0.012", "b": "2", "c ±": "3"}


@pytest.mark.parametrize(
    ("verdict", "updates", "said"),
    [("fail", 99, "undecided"), ("fail", 100, "fail"), ("pass", 99, "pass"), ("undecided", 99, "undecided")],
)
def test_a_run_that_is_too_short_leaves_a_doubted_verdict_open(verdict, updates, said):
    claim = claims.unless_too_short(experiment.Claim("x", "y", verdict, {"a": 1.0}, "rule"), ["fail"], updates, 100)
    assert (claim.verdict, claim.numbers) == (said, {"a": 1.0, "updates": updates})
    reason = "; so far fail, but to decide takes 100 updates"
    assert claim.explanation == "rule" + reason * (verdict != said)


def test_parts_of_a_work_report_to_the_whole():
    calls = []
    part = experiment.part_of(lambda *call: calls.append(call), 1, 3)
    part(0, 4)
    part(4, 4)
    assert calls == [(4, 12), (8, 12)]
    experiment.part_of(None, 0, 1)(1, 1)


# --- negative controls ---


def decide(results):
    return experiment.Claim("x", "y", "pass" if results["a_b"] > results["c_b"] else "fail", {}, "rule")


@pytest.mark.parametrize(
    ("swap", "control", "text"),
    [
        (experiment.exchange("a", "c", "b"), "fail", "a and c exchanged"),
        (experiment.substitute("a", "c", "b"), "fail", "c in place of a"),
        (experiment.substitute("c", "d", "b"), "pass", "d in place of c"),
        (experiment.demote("a", "c", "d", "b"), "pass", "c in place of a, d in place of c"),
        (experiment.demote("c", "a", "d", "b"), "fail", "a in place of c, d in place of a"),
    ],
)
def test_a_control_decides_the_swapped_results(swap, control, text):
    results = {"a_b": 2, "c_b": 1, "d_b": 0}
    claim = experiment.Finding(decide, swap).claim(results)
    assert (claim.verdict, claim.control, claim.swap) == ("pass", control, text)
    assert results == {"a_b": 2, "c_b": 1, "d_b": 0}


def test_what_is_exchanged_changes_places():
    results = {"a_b": 2, "c_b": 1, "a_d": 3, "c_d": 4}
    assert experiment.exchange("a", "c", "b", "d")(results) == {"a_b": 1, "c_b": 2, "a_d": 4, "c_d": 3}


def test_only_the_claim_is_left_open_not_its_control():
    def qualify(claim, results):
        return claims.left_open(claim, f"too few: {len(results)}")

    claim = experiment.Finding(decide, experiment.exchange("a", "c", "b"), qualify).claim({"a_b": 2, "c_b": 1})
    assert (claim.verdict, claim.control) == ("undecided", "fail")
    assert claim.explanation == "rule; too few: 2"


@pytest.mark.parametrize(
    ("values", "said"),
    [([1.0, 2.0], "pass"), ([1.0, 2.1], "fail"), ([0.9], "fail"), ([1.5, math.nan], "undecided")],
)
def test_what_is_computed_needs_no_interval(values, said):
    numbers = {str(place): value for place, value in enumerate(values)}
    claim = claims.judge_computed("x", "y", numbers, low=1.0, high=2.0, rule="in [1, 2]")
    assert claim.verdict == said
    assert claim.explanation.startswith("in [1, 2] (computed, not sampled")
    assert all(math.isfinite(number) for number in claim.numbers.values())
