"""Claims decide hand-made results of both kinds; the catalogue runs at a tiny size and from saved results alone."""

import dataclasses
import math

import numpy as np
import pytest
from experiment_results import SEEDS, TINY, curves, initialization, scatter, statistics

from glorotlab.errors import InvalidValueError
from glorotlab.experiments import claims, experiment
from glorotlab.experiments.catalogue import CATALOGUE
from glorotlab.experiments.glorot_bengio import _initialization as shared_initialization
from glorotlab.experiments.glorot_bengio import (
    _trained,
    figure_2,
    figure_3,
    figure_6,
    figure_7,
    figure_8,
    figure_11,
    jacobian,
    table_1,
)
from glorotlab.experiments.scales import SCALES, get_scale
from glorotlab.report.reproduce import load, save
from glorotlab.threads import num_threads, set_num_threads

import xarray as xr  # isort: skip

SHRINKING, EVEN = [0.4, 0.3, 0.2, 0.12, 0.08, 1.0], [0.3, 0.28, 0.26, 0.25, 0.24, 1.0]
GROWING = [0.08, 0.12, 0.2, 0.3, 0.4, 1.0]


def verdicts(claims):
    return [claim.verdict for claim in claims]


# --- decide ---


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


# --- each claim, true and false ---


@pytest.mark.parametrize(
    ("module", "standard", "normalised", "said"),
    [
        (figure_6, SHRINKING, EVEN, ["pass", "pass", "pass"]),
        (figure_6, GROWING, SHRINKING, ["fail", "fail", "pass"]),
        (figure_7, GROWING, EVEN, ["pass", "pass", "pass"]),
        (figure_7, SHRINKING, GROWING, ["fail", "fail", "pass"]),
    ],
)
def test_figures_6_and_7(module, standard, normalised, said):
    results = initialization(module.TENSOR, standard, normalised) | backprop([[1, 2], [2, 1]], updates=6_000)
    assert verdicts(module.claims(results))[:3] == said


def backprop(variances, updates):
    return {f"{figure_7.TRAINED}_statistics": statistics(backprop=variances, updates=updates)}


@pytest.mark.parametrize(
    ("variances", "updates", "said"),
    [
        ([[1, 2, 4], [3, 2, 2.5]], 6_000, "pass"),
        ([[1, 2, 4], [1, 2, 2]], 6_000, "undecided"),
        ([[1, 2, 4], [1, 2, 2]], 20_000, "fail"),
        ([[1, 2, 4], [1, 2, 2], [4, 2, 1]], 60_000, "fail"),  # after 30,000 updates: not soon
        ([[4, 2, 1], [4, 2, 1]], 20_000, "fail"),  # nothing to reverse
    ],
)
def test_back_propagated_gradients_reverse_soon(variances, updates, said):
    results = initialization(figure_7.TENSOR, GROWING, EVEN) | backprop(variances, updates)
    claim = figure_7.claims(results)[3]
    assert claim.verdict == said
    assert claim.numbers["updates"] == updates


@pytest.mark.parametrize("module", [figure_6, figure_7])
def test_a_wrong_prediction_fails(module):
    wrong = [1.03 * spread for spread in EVEN]  # 6 % in the second moment
    results = initialization(module.TENSOR, EVEN, EVEN, predicted=wrong) | backprop([[1, 2], [2, 1]], updates=6_000)
    assert module.claims(results)[2].verdict == "fail"


@pytest.mark.parametrize(("spreads", "said"), [(EVEN, "pass"), (GROWING, "fail")])
def test_figure_8(spreads, said):
    results = initialization(figure_8.TENSOR, spreads, spreads)
    for key, dataset in initialization(figure_8.EXAMPLE, spreads, spreads).items():
        results[key] = results[key].merge(dataset[[f"{figure_8.EXAMPLE}_second_moment"]])
    assert verdicts(figure_8.claims(results)) == [said, said, "pass", "pass", "pass"]


def test_a_profile_is_decided_where_the_scatter_that_layers_share_leaves_the_whole_open():
    results = initialization(figure_8.TENSOR, EVEN, EVEN, predicted=[1.02 * spread for spread in EVEN])
    for key, dataset in initialization(figure_8.EXAMPLE, EVEN, EVEN).items():
        results[key] = results[key].merge(dataset[[f"{figure_8.EXAMPLE}_second_moment"]])
    shared = np.array([0.7, 1.3, 0.8, 1.2, 1.0])[:, None]
    for name in ("standard", "normalised"):
        results[f"{name}_measured"][f"{figure_8.TENSOR}_second_moment"] *= shared
    assert verdicts(figure_8.claims(results))[3:] == ["undecided", "pass"]
    results["standard_predicted"][f"{figure_8.TENSOR}_second_moment"][2] *= 1.2
    assert verdicts(figure_8.claims(results))[3:] == ["undecided", "fail"]


def jacobian_results(standard, normalised, predicted=1.0):
    found = {}
    for name, value in (("standard", standard), ("normalised", normalised)):
        layers = np.array([value - 0.01, value, value + 0.01, np.nan])
        images = np.linspace(0.9, 1.1, SEEDS)[:, None]  # every network has an image of its own
        rows = {"measured": images * scatter(layers), "predicted": predicted * images * layers}
        for key, values in rows.items():
            found[f"{name}_{key}"] = xr.Dataset({jacobian.VARIABLE: (("seed", "layer"), values)})
        found[f"{name}_all_predicted"] = xr.Dataset({jacobian.VARIABLE: ("layer", predicted * layers)})
    return found


@pytest.mark.parametrize(
    ("standard", "normalised", "predicted", "said"),
    [
        (0.48, 0.79, 1.0, ["pass", "pass", "pass"]),
        (0.58, 0.70, 1.05, ["fail", "fail", "fail"]),
        (0.5499, 0.7501, 1.0095, ["undecided", "undecided", "undecided"]),
    ],
)
def test_jacobian(standard, normalised, predicted, said):
    assert verdicts(jacobian.claims(jacobian_results(standard, normalised, predicted))) == said


def test_a_networks_own_image_is_carried_to_all():
    """Images that alone would move the mean of two networks by 10 % leave it where it is, whatever theory's error."""
    found = jacobian.claims(jacobian_results(0.49, 0.78, predicted=1.001))
    assert found[1].numbers["mean of layers"] == pytest.approx(0.78, rel=2e-3)
    assert found[1].numbers["mean of layers ±"] < 0.01
    assert "0.849 would be the linear regime" in found[1].explanation


def sigmoid(lower, top, updates):
    means = np.column_stack([np.tile(lower, (len(top), 1)), top])
    return {f"{figure_2.NETWORK}_statistics": statistics(means=means, updates=updates)}


STEPS = 501  # of 10,000 updates each in a run as long as the paper's


@pytest.mark.parametrize(
    ("lower", "top", "updates", "said"),
    [
        ([0.5, 0.5, 0.52], [0.5] + [0.02] * 250 + [0.4] * 250, 5_000_000, ["pass", "pass", "pass"]),
        ([0.5, 0.5, 0.70], [0.5] * STEPS, 5_000_000, ["fail", "fail", "fail"]),
        ([0.5, 0.5, 0.52], [0.5, 0.3, 0.2], 8_000, ["undecided"] * 3),
        ([0.5, 0.5, 0.70], [0.5, 0.02, 0.3], 8_000, ["pass", "fail", "pass"]),
    ],
)
def test_figure_2(lower, top, updates, said):
    assert verdicts(figure_2.claims(sigmoid(lower, top, updates))) == said


@pytest.mark.parametrize(
    ("tanh", "softsign", "said"),
    [
        ([0.99, 0.9, 0.8], [0.7, 0.68, 0.66], ["pass", "pass", "pass"]),
        ([0.99, 0.995, 0.3], [0.9, 0.1, 0.95], ["fail", "fail", "fail"]),
        ([0.8, 0.6, 0.4], [0.7, 0.5, 0.3], ["undecided"] * 3),  # tanh has not saturated yet
    ],
)
def test_figure_3(tanh, softsign, said):
    rows = {"tanh": tanh, "softsign": softsign}
    results = {f"{name}_statistics": statistics(percentiles=[[0.1] * 3, row]) for name, row in rows.items()}
    assert verdicts(figure_3.claims(results)) == said


PAPER_LIKE = {
    "sigmoid": 0.826,
    "sigmoid_4": 0.6,
    "tanh": 0.2715,
    "tanh_normalised": 0.156,
    "softsign": 0.1627,
    "softsign_normalised": 0.1606,
}
REVERSED = {
    "sigmoid": 0.10,
    "sigmoid_4": 0.83,
    "tanh": 0.15,
    "tanh_normalised": 0.2715,
    "softsign": 0.3,
    "softsign_normalised": 0.2,
}


def test_figure_11():
    assert verdicts(figure_11.claims(curves(PAPER_LIKE))) == ["pass"] * 6
    assert verdicts(figure_11.claims(curves(REVERSED))) == ["fail"] * 6


def test_a_short_run_does_not_decide_what_never_happens():
    at_chance = PAPER_LIKE | {"sigmoid_4": 0.83}
    assert verdicts(figure_11.claims(curves(at_chance, updates=8_000)))[:2] == ["undecided", "undecided"]


def test_table_1():
    assert verdicts(table_1.claims(curves(PAPER_LIKE))) == ["pass", "pass"]
    assert verdicts(table_1.claims(curves(REVERSED))) == ["fail", "fail"]
    assert verdicts(table_1.claims(curves(PAPER_LIKE, updates=8_000))) == ["pass", "undecided"]
    rows = {row[0]: row for row in table_1.table(curves(PAPER_LIKE)).rows}
    assert rows["tanh N"][1] == "15.60"
    assert rows["tanh N"][-1] == "15.60"


# --- the catalogue ---


def test_names_and_scales():
    assert list(CATALOGUE) == [entry.name for entry in CATALOGUE.values()]
    assert all(name.isidentifier() and entry.source and entry.caption for name, entry in CATALOGUE.items())
    assert get_scale("quick") is SCALES["quick"]
    assert SCALES["quick"].bins % 2 == 0  # so that 0 is an edge
    with pytest.raises(InvalidValueError, match="unknown scale 'paper': allowed are quick"):
        get_scale("paper")


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_experiment_runs_and_is_drawn_from_its_files_alone(name, tmp_path):
    entry = CATALOGUE[name]
    calls = []
    results = entry.run(TINY, lambda done, total: calls.append((done, total)))
    assert all(0 <= done <= total for done, total in calls)
    save(results, tmp_path)
    reloaded = load(tmp_path, list(results))
    claims = entry.claims(reloaded)
    assert verdicts(claims) == verdicts(entry.claims(results))
    assert {claim.experiment for claim in claims} == {name}
    assert all(claim.numbers and claim.explanation for claim in claims)
    assert all(math.isfinite(number) for claim in claims for number in claim.numbers.values())
    assert len({claim.sentence for claim in claims}) == len(claims)
    figure = entry.draw(reloaded)
    for ax in figure.axes:
        assert ax.get_title(loc="left")
        assert ax.get_xlabel() or ax.get_ylabel()
    if entry.table:
        table = entry.table(reloaded)
        assert all(len(row) == len(table.head) for row in table.rows)


def test_shared_work_is_done_once():
    made = []
    work = experiment.shared(lambda scale, progress: made.append(scale) or len(made))
    assert (work(TINY, None), work(TINY, None), work(SCALES["quick"], None), work(TINY, None)) == (1, 1, 2, 3)


def test_training_leaves_the_number_of_threads_alone():
    before = num_threads()
    try:
        set_num_threads(3)
        _trained.trained(dataclasses.replace(TINY, name="of its own"), ("tanh",), "curves")
        assert num_threads() == 3
    finally:
        set_num_threads(before)


# --- theory behind the curves ---


def test_peaks_are_read_next_to_zero():
    results = initialization("activation", [0.1, 0.2, 1.0], [0.1, 0.2, 1.0])
    height = shared_initialization.peaks(results, "standard", "activation")
    np.testing.assert_allclose(height[0, 0] / height[0, 1], 2, rtol=0.03)
