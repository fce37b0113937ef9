"""The catalogue of experiments runs at a tiny size, is drawn from saved results alone, and shares its runs."""

import concurrent.futures as cf
import dataclasses
import math

import numpy as np
import pytest
from experiment_results import TINY, verdicts
from optional import optional

from glorotlab.data import catalogue
from glorotlab.data.dataset import Dataset
from glorotlab.errors import InvalidValueError
from glorotlab.experiments import experiment
from glorotlab.experiments.catalogue import CATALOGUE
from glorotlab.experiments.glorot_bengio import figure_5
from glorotlab.experiments.scales import SCALES, get_scale
from glorotlab.report.reproduce import load, save
from glorotlab.schema import COUNTERS
from glorotlab.training.sweeps.store import RunStore
from glorotlab.training.sweeps.workers import Workers


def test_names_and_scales():
    assert list(CATALOGUE) == [entry.name for entry in CATALOGUE.values()]
    assert all(name.isidentifier() and entry.source and entry.caption for name, entry in CATALOGUE.items())
    assert get_scale("quick") is SCALES["quick"]
    assert all(scale.bins % 2 == 0 for scale in SCALES.values())  # so that 0 is an edge
    with pytest.raises(InvalidValueError, match="unknown scale 'huge': allowed are quick, medium, long, paper"):
        get_scale("huge")


def _images(count):
    rng = np.random.default_rng(4)
    return rng.random((count, 784), dtype=np.float32), np.arange(count) % 10


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store whose runs are made in a thread of this process."""
    with cf.ThreadPoolExecutor(1) as executor:
        yield RunStore(tmp_path_factory.mktemp("runs"), Workers(executor=executor))


@pytest.fixture(scope="module", autouse=True)
def _small_data(tmp_path_factory):
    """A small MNIST, and no other stored dataset: what is missing must not stop the rest."""
    x, y = _images(60)
    small = Dataset.from_arrays(x, y, name="mnist")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLOROTLAB_DATA", str(tmp_path_factory.mktemp("data")))
        record = dataclasses.replace(catalogue.describe_dataset("mnist"), available=True)
        patch.setitem(catalogue._STORED, "mnist", catalogue._BuiltIn(lambda seed: small, lambda: record))
        yield


WIDER = {"failed_replication": 200}
"""Widths of targets for which the tiny one is too narrow: theory refuses uniform biases that weigh much."""


@pytest.mark.usefixtures("bands_by_expansion")
@pytest.mark.parametrize("name", CATALOGUE)
def test_an_experiment_runs_and_is_drawn_from_its_files_alone(name, tmp_path, store, monkeypatch):
    entry = CATALOGUE[name]
    monkeypatch.setattr(figure_5, "DRAWS", 4)  # the one size that no scale has
    if name == "svm":
        optional("sklearn", "SVM")
    calls = []
    scale = dataclasses.replace(TINY, width=WIDER.get(name, TINY.width))
    asked, get = [], RunStore.get
    monkeypatch.setattr(RunStore, "get", lambda *arguments: asked.append(name) or get(*arguments))
    results = entry.run(scale, store, lambda done, total: calls.append((done, total)))
    assert bool(asked) == entry.trains
    assert all(0 <= done <= total for done, total in calls)
    save(results, tmp_path)
    reloaded = load(tmp_path, list(results))
    for key, dataset in reloaded.items():
        for variable, values in dataset.variables.items():
            assert values.attrs.get("long_name"), f"{key}.nc does not say what {variable} is"
            assert values.attrs.get("units"), f"{key}.nc does not say the unit of {variable}"
            assert values.dtype.kind in "iu" or variable not in COUNTERS, f"{variable} of {key} is no whole number"
        for variable in dataset.variables:  # a histogram is of no use without the edges of its bins
            if str(variable).endswith(("_count", "_mass")):
                assert f"{str(variable).rpartition('_')[0]}_edge" in dataset
    claims = entry.claims(reloaded)
    assert verdicts(claims) == verdicts(entry.claims(results))
    assert {claim.experiment for claim in claims} == ({name} if entry.findings else set())
    assert entry.findings or name == "figure_1"  # which shows pictures alone
    assert all(claim.numbers or claim.verdict == "undecided" for claim in claims)
    assert all(claim.explanation for claim in claims)
    assert all(claim.control and claim.swap for claim in claims if claim.numbers)
    assert all(math.isfinite(number) for claim in claims for number in claim.numbers.values())
    assert len({claim.sentence for claim in claims}) == len(claims)
    figure = entry.draw(reloaded)
    for ax in figure.axes:
        assert ax.get_title(loc="left")
        assert ax.get_xlabel() or ax.get_ylabel()
    if entry.table:
        table = entry.table(reloaded)
        assert all(len(row) == len(table.head) for row in table.rows)


def test_runs_are_shared_and_made_once(store, monkeypatch):
    """A second experiment that asks for the same networks trains nothing."""
    CATALOGUE["figure_11"].run(TINY, store, None)
    monkeypatch.setattr(store.workers, "_open", lambda count: pytest.fail("a run was made again"))
    CATALOGUE["figure_10"].run(TINY, store, None)


def test_shared_work_is_done_once():
    made = []
    work = experiment.shared(lambda scale, progress: made.append(scale) or len(made))
    assert (work(TINY, None), work(TINY, None), work(SCALES["quick"], None), work(TINY, None)) == (1, 1, 2, 3)
