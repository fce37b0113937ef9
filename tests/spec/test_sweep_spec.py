"""SweepSpec: which runs a sweep has, and one line for what is wrong with it."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glorotlab.errors import InvalidValueError
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec, TrainingSpec
from glorotlab.spec.sweep import SweepSpec
from glorotlab.spec.sweep_axes import FIELDS, Range

RUN = {"network": {"layers": "6,4,3"}, "training": {"updates": 10}}


def test_every_field_of_a_run_can_be_swept_by_its_own_name():
    """Were two fields of one name to come, one would be lost."""
    every = [
        name
        for model in (NetworkSpec, TrainingSpec, RunSpec)
        for name in model.model_fields
        if name not in ("network", "training")
    ]
    assert len(every) == len(set(every))
    assert set(FIELDS) == {*every, "layers"} - {"layer_sizes", "data_digest", "regression"}
    run = RunSpec(network=NetworkSpec.parse("6,4,3"), training=TrainingSpec(updates=1))
    assert set(run.by_field()) == {*FIELDS, "data_digest", "regression"}


def test_the_example_of_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")
    spec = SweepSpec.from_toml(page.partition("```toml\n")[2].partition("```")[0])
    assert (spec.shape, spec.choose) == ((2, 2, 8, 5), ["learning_rate"])
    assert all(f"`{name}`" in page for name in FIELDS)


def test_a_grid_has_every_combination():
    spec = SweepSpec(
        run=RUN, grid={"activation": ["tanh", "relu"], "learning_rate": [0.1, 1], "layers": ["6,3", "6,2x4,3"]}
    )
    points = list(spec.points())
    assert spec.shape == (2, 2, 2)
    assert [tuple(labels.values()) for labels, _ in points] == [
        (activation, rate, layers)
        for activation in ("tanh", "relu")
        for rate in (0.1, 1)
        for layers in ("6,3", "6,2x4,3")
    ]
    for labels, run in points:
        assert run == RunSpec(
            network=NetworkSpec.parse(labels["layers"], activation=labels["activation"]),
            training=TrainingSpec(updates=10, learning_rate=labels["learning_rate"]),
        )


def test_cases_set_fields_that_go_together_and_seeds_are_repeated():
    cases = [
        {"name": "sigmoid", "activation": "sigmoid", "initializer": "standard", "learning_rate": 0.3},
        {"name": "tanh N", "initializer": "glorot_uniform"},
    ]
    spec = SweepSpec(run=RUN | {"seed": 7}, cases=cases, repeats=3)
    points = list(spec.points())
    assert [tuple(labels.values()) for labels, _ in points] == [
        (name, seed) for name in ("sigmoid", "tanh N") for seed in (7, 8, 9)
    ]
    assert {run.seed for _, run in points} == {7, 8, 9}
    first, last = points[0][1], points[-1][1]
    assert (first.network.activation, first.network.initializer) == ("sigmoid", "standard_uniform")
    assert (first.training.learning_rate, last.training.learning_rate) == (0.3, 0.05)
    assert (last.network.activation, last.network.initializer) == ("tanh", "glorot_uniform")


@pytest.mark.parametrize("name", [name for name, (_, kind) in FIELDS.items() if kind is bool])
def test_fields_that_are_true_or_false_are_swept(name):
    run = {"network": {"layers": "6,4,6", "output": "linear"}, "training": {"updates": 10, "momentum": 0.5}}
    spec = SweepSpec(run=run, grid={name: [True, False]})
    assert [(labels[name], point.by_field()[name]) for labels, point in spec.points()] == [(True, True), (False, False)]
    (first, _), (second, _) = SweepSpec(run=run, cases=[{"name": "a", name: True}, {"name": "b"}]).points()
    assert (first, second) == ({"case": "a"}, {"case": "b"})


def test_seeds_cost_no_check_of_their_own(monkeypatch):
    """Twenty thousand runs are two specs, each checked once; the seeds of each are counted, not built."""
    checked = []
    check = SweepSpec._run
    monkeypatch.setattr(SweepSpec, "_run", lambda self, *given: checked.append(given[0]) or check(self, *given))
    spec = SweepSpec(run=RUN | {"seed": 5}, grid={"l2": [0, 0.1]}, repeats=10_000)
    assert spec.shape == (2, 10_000)
    assert checked == [{"l2": 0}, {"l2": 0.1}]
    labels, run = next(itertools.islice(spec.points(), 10_001, None))
    assert labels == {"l2": 0.1, "seed": 6}
    expected = RunSpec(network=NetworkSpec.parse("6,4,3"), training=TrainingSpec(updates=10, l2=0.1), seed=6)
    assert (run, run.content_hash) == (expected, expected.content_hash)


def test_a_sweep_that_is_too_large_is_refused_before_its_other_axes_are_made(monkeypatch):
    made = []
    at = Range.at
    monkeypatch.setattr(Range, "at", lambda self, places: made.append(len(places)) or at(self, places))
    whole = Range(low=0.1, high=0.9, points=1000)
    numbers = ("learning_rate", "momentum", "l2", "damping", "corruption", "pretraining_learning_rate")
    with pytest.raises(InvalidValueError, match="a sweep of 1000000 runs or more: allowed are at most 20000"):
        SweepSpec(run=RUN, grid=dict.fromkeys(numbers, whole))
    assert made == [1000, 1000]


@pytest.mark.parametrize("seed", [True, -1, 2**64 - 1, "0"])
def test_seeds_stay_in_their_range(seed):
    with pytest.raises(InvalidValueError, match=rf"seed {seed!r}: allowed are whole numbers from 0 to 2\*\*64 - 2"):
        SweepSpec(run=RUN | {"seed": seed}, repeats=2)


def test_what_goes_with_a_swept_field_follows_it():
    """A dict leaves bias and cost open; a RunSpec has said them."""
    grid = {"initializer": ["glorot_uniform", "nielsen_default"]}
    biases = [run.network.bias for _, run in SweepSpec(run=RUN, grid=grid).points()]
    assert biases == ["zeros", "normal(std=1)"]
    whole = RunSpec(network=NetworkSpec.parse("6,4,3"), training=TrainingSpec(updates=10))
    assert [run.network.bias for _, run in SweepSpec(run=whole, grid=grid).points()] == ["zeros", "zeros"]


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_ranges_of_a_grid_are_evenly_spaced(scale):
    spec = SweepSpec(run=RUN, grid={"learning_rate": Range(low=1e-3, high=1e2, scale=scale, points=6)})
    expected = np.geomspace(1e-3, 1e2, 6) if scale == "log" else np.linspace(1e-3, 1e2, 6)
    assert spec.axes[0].labels == pytest.approx(expected, rel=1e-5)
    whole = SweepSpec(run=RUN, grid={"batch_size": {"low": 1, "high": 3, "points": 5}})
    assert whole.axes[0].labels == (1, 2, 3)


def draws(**fields):
    return SweepSpec(run=RUN, **fields).axes[0].places


def test_more_draws_or_fields_keep_those_there_are():
    rate = {"learning_rate": {"low": 1e-4, "high": 1, "scale": "log"}}
    alone = draws(random=rate, draws=5)
    both = draws(random={"momentum": {"low": 0, "high": 0.9}} | rate, draws=9)
    assert alone == tuple({"learning_rate": place["learning_rate"]} for place in both[:5])
    assert alone != draws(random=rate, draws=5, draw_seed=1)
    assert len({place["momentum"] for place in both}) == 9


def test_draws_are_uniform():
    """2,000 logarithms, Kolmogorov-Smirnov.

    False failure 1e-6 for any seed (the largest distance is below 2.69 / sqrt(n)); a range that is 13 % too narrow is
    found as surely.
    """
    low, high = 1e-4, 1e2
    places = draws(random={"learning_rate": Range(low=low, high=high, scale="log")}, draws=2000, draw_seed=3)
    logs = sorted(math.log(place["learning_rate"] / low) / math.log(high / low) for place in places)
    distance = max(abs(value - (rank + 0.5) / len(logs)) for rank, value in enumerate(logs))
    assert distance < 2.69 / math.sqrt(len(logs)) + 0.5 / len(logs)


@given(
    st.floats(1e-6, 1e5), st.floats(1e-3, 10), st.lists(st.floats(0, 1), max_size=5), st.sampled_from(["linear", "log"])
)
def test_a_range_keeps_its_ends(low, width, places, scale):
    values = Range(low=low, high=low + width * low, scale=scale).at([0, 1, *places])
    assert all(low <= value <= low + width * low for value in values)
    assert values[:2] == pytest.approx([low, low + width * low], rel=1e-5)


WRONG = {
    "an unknown field": (
        "[sweep.grid]\nlearnig_rate = [1]",
        "unknown field 'learnig_rate' to sweep: allowed are layers,",
    ),
    "an unknown field of a case": ("[[sweep.cases]]\nname = 'a'\nx = 1", "unknown field 'x' to sweep"),
    "an unknown key": ("[sweep]\nrepeat = 2", "unknown field 'repeat': allowed are run, grid, cases, random, draws"),
    "a bad value": (
        "[sweep.grid]\nlearning_rate = [0.1, -1]",
        "learning_rate -1: input should be greater than or equal",
    ),
    "and its run": (
        "[sweep.grid]\nmomentum = [0, 2]\nl2 = [0]",
        "momentum 2: input should be less than 1; in the run of momentum=2, l2=0",
    ),
    "and its run in one line": (
        '[sweep.grid]\nlayers = ["6,\\n3,0"]',
        r"in the run of layers='6,\n3,0'",
    ),
    "and its run in short": (
        f"[sweep.grid]\nlayers = ['{'6,' * 2000}0']",
        "in the run of layers='" + ("6," * 30)[:59],
    ),
    "an unknown name": ("[sweep.grid]\nactivation = ['tanhh']", "unknown activation 'tanhh': allowed are"),
    "no list": ("[sweep.grid]\nlearning_rate = 3", "learning_rate '3': allowed is a list, or a range"),
    "a list in a list": ("[sweep.grid]\nlayers = [[6, 3]]", "layers '[6, 3]': allowed are numbers and texts"),
    "a truth that is none": ("[sweep.grid]\nnesterov = [0, 1]", "nesterov '0': allowed are true and false"),
    "a number that is none": ("[sweep.grid]\nupdates = [true]", "updates 'True': allowed are numbers and texts"),
    "a truth of a case": (
        "[[sweep.cases]]\nname = 'a'\nnesterov = 'yes'",
        "nesterov 'yes': allowed are true and false",
    ),
    "a truth twice": ("[sweep.grid]\nnesterov = [true, true]", "nesterov True: given 2 times"),
    "a seed twice": ("[sweep.grid]\nseed = [0, 1, 0, 0]", "seed 0: given 3 times, allowed is once"),
    "an empty list": ("[sweep.grid]\nl2 = []", "l2 []: allowed are 1 value or more"),
    "no points": ("[sweep.grid]\nl2 = {low = 0, high = 1}", "l2 []: allowed are 1 value or more"),
    "a value twice": ("[sweep.grid]\nl2 = [0, 0.0]", "l2 0: given 2 times, allowed is once"),
    "a field twice": ("[sweep]\nrepeats = 2\n[sweep.grid]\nseed = [1]", "seed: swept twice, allowed is once"),
    "a range backwards": (
        "[sweep.grid]\nl2 = {low = 1, high = 0, points = 2}",
        "l2: range from 1 to 0: allowed is low < high",
    ),
    "a log range from 0": (
        "[sweep]\ndraws = 2\n[sweep.random]\nl2 = {low = 0, high = 1, scale = 'log'}",
        "log range from 0: allowed are numbers above 0",
    ),
    "no draws": ("[sweep.random]\nl2 = {low = 0, high = 1}", "0 draws of 1 random fields"),
    "nothing to draw": ("[sweep]\ndraws = 3", "3 draws of 0 random fields"),
    "a case without a name": ("[[sweep.cases]]\nl2 = 0", "a case without a name, "),
    "no repeats": ("[sweep]\nrepeats = 0", "repeats 0: input should be greater than or equal to 1"),
    "a choice of nothing": (
        "[sweep]\nchoose = ['l2']\n[sweep.grid]\nmomentum = [0]",
        "choose 'l2': allowed are momentum",
    ),
    "a choice of seeds": (
        "[sweep]\nrepeats = 2\nchoose = ['seed']",
        "choose 'seed': allowed are fields that are swept",
    ),
    "too many runs": (
        "[sweep]\nrepeats = 20000\n[sweep.grid]\nl2 = [0, 1]",
        "a sweep of 40000 runs or more: allowed are at most",
    ),
    "no table": ("", "it has no table [sweep]"),
    "a table that is none": ("[sweep]\ngrid = 3", "grid 3"),
    "not TOML": ("[sweep", "not TOML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_sweep_is_refused_in_one_line(case):
    text, said = WRONG[case]
    with pytest.raises(InvalidValueError) as caught:
        SweepSpec.from_toml('[network]\nlayers = "6,3"\n[training]\nupdates = 1\n' + text, origin="a.toml")
    message = str(caught.value)
    assert message.startswith("a.toml: ")
    assert said in message
    assert "\n" not in message
    assert len(message) < 1000
