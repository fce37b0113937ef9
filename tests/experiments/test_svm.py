"""The support-vector machine beside a network: kernel, kept results, claims, and the whole at a tiny size."""

import dataclasses
import sys
import types

import numpy as np
import pytest
from optional import optional

from glorotlab.data.catalogue import load_dataset
from glorotlab.errors import DataError, RunError
from glorotlab.experiments.glorot_bengio import svm
from glorotlab.experiments.glorot_bengio.common import support_vectors
from glorotlab.experiments.kept import kept
from glorotlab.experiments.scales import SCALES
from glorotlab.training.loop import train

import xarray as xr  # isort: skip

TINY = dataclasses.replace(
    SCALES["quick"], name="tiny", trained_width=8, updates=12, records=3, monitored=1, seeds=2, validation=20, test=30,
    svm_images=40,
)  # fmt: skip

DATA = "shapeset(train=40, validation=20, test=30)"

SCATTER = 1e-3 * np.array([1, -1, 1, -1, 1])


# --- results that are kept ---


def test_a_result_is_made_once_for_its_content(tmp_path):
    made = []

    def make():
        made.append(1)
        return xr.Dataset({"value": ((), float(len(made)))})

    folder = tmp_path / "new"
    first, again = (kept(folder, "thing", {"b": 1, "a": [2.0]}, make) for _ in range(2))
    assert float(first["value"]) == float(again["value"]) == 1
    assert first.attrs["content"] == '{"a": [2.0], "b": 1}'
    assert float(kept(folder, "thing", {"b": 2, "a": [2.0]}, make)["value"]) == 2
    files = sorted(folder.iterdir())
    assert len(files) == 2
    assert all(path.name.startswith("thing-") and path.suffix == ".nc" for path in files)


def test_a_result_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        kept(tmp_path, "thing", {}, lambda: 1 / 0)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_result_is_named(tmp_path):
    kept(tmp_path, "thing", {}, lambda: xr.Dataset({"value": ((), 1.0)}))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(RunError, match=path.name):
        kept(tmp_path, "thing", {}, lambda: xr.Dataset())


# --- the machine ---


def test_the_kernel_is_that_of_its_formula():
    random = np.random.default_rng(0)
    x, centres = random.normal(size=(4, 6)).astype(np.float32), random.normal(size=(3, 6))
    expected = [[np.exp(-0.2 * ((row - centre) ** 2).sum()) for centre in centres] for row in x]
    np.testing.assert_allclose(support_vectors.gaussian(0.2, x, centres), expected, rtol=1e-12)


def test_a_machine_is_the_same_with_and_without_its_matrix(monkeypatch):
    optional("sklearn", "SVM")
    data = load_dataset("shapeset(train=120, validation=150)", seed=1)
    x, y = data.train.batch(0, 120)
    whole = support_vectors._fit(x, y, 10.0, 0.01)
    monkeypatch.setattr(support_vectors, "MATRIX_AT_MOST", 119)
    single = support_vectors._fit(x, y, 10.0, 0.01)
    assert single.kernel == "rbf"
    images, labels = data.validation.batch(0, 150)
    np.testing.assert_array_equal(whole.predict(images), single.predict(images))
    wrong = (single.predict(images) != labels).mean()
    monkeypatch.setattr(support_vectors, "AT_ONCE", 40)
    assert support_vectors._error(whole, data.validation) == pytest.approx(wrong)
    first = (single.predict(images[:90]) != labels[:90]).mean()
    assert support_vectors._error(whole, data.validation, 90) == pytest.approx(first)


def test_the_least_validation_error_chooses():
    table = [[0.5, 0.4, 0.3], [0.3, 0.6, 0.7]]
    tuning = xr.Dataset(
        {"validation_error": (("penalty", "gamma"), table)}, coords={"penalty": [1.0, 9.0], "gamma": [0.1, 0.2, 0.4]}
    )
    assert support_vectors.best(tuning) == (1.0, 0.4)
    assert support_vectors.best(tuning.transpose()) == (1.0, 0.4)


def test_without_scikit_learn_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(DataError, match=r"scikit-learn is not installed: pip install '\.\[svm\]' in glorotlab's"):
        svm.run(TINY, None)


# --- the network's error, and the claims ---


def test_the_update_of_the_least_validation_error_counts():
    def run(status, validation, test):
        values = {"validation_error": ("step", validation), "test_error": ("step", test)}
        return types.SimpleNamespace(status=status, curves=xr.Dataset(values))

    assert svm._at_least_validation_error(run("finished", [0.8, 0.5, 0.6], [0.8, 0.55, 0.4])) == (0.5, 0.55)
    assert svm._at_least_validation_error(run("diverged", [0.8, np.nan], [0.8, np.nan]))[0] == np.inf


def errors(machine, network, images):
    found = {}
    for name, value in (("svm", machine), ("network", network), ("constant", 0.83)):
        found[f"{name}_errors"] = xr.Dataset({"test_error": ("seed", value + SCATTER)}, attrs={"images": images})
    table = np.arange(6.0).reshape(2, 3) / 10
    found["tuning"] = xr.Dataset(
        {"validation_error": (("penalty", "gamma"), table)}, coords={"penalty": [1.0, 9.0], "gamma": [0.1, 0.2, 0.4]}
    )
    return found


@pytest.mark.parametrize(
    ("machine", "network", "images", "said", "controls"),
    [
        (0.5947, 0.5047, 100_000.0, ["pass", "pass"], ["fail", "fail"]),
        (0.62, 0.55, 100_000.0, ["pass", "fail"], ["fail", "fail"]),
        (0.45, 0.65, 100_000.0, ["fail", "fail"], ["fail", "fail"]),
        (0.76, 0.74, 1_000.0, ["pass", "undecided"], ["fail", "fail"]),
        (0.74, 0.76, 1_000.0, ["undecided", "undecided"], ["fail", "fail"]),
        (0.5947, 0.5047, 1_000.0, ["pass", "undecided"], ["fail", "fail"]),
    ],
)
def test_claims(machine, network, images, said, controls):
    claims = [finding.claim(errors(machine, network, images)) for finding in svm.FINDINGS]
    assert [claim.verdict for claim in claims] == said
    assert [claim.control for claim in claims] == controls
    assert all(claim.numbers["training images"] == images for claim in claims)
    assert all(("100,000 training images" in claim.explanation) == (claim.verdict == "undecided") for claim in claims)


def test_the_picture():
    figure = svm.draw(errors(0.6, 0.5, 1_000.0))
    assert all(ax.get_title(loc="left") and ax.get_xlabel() for ax in figure.axes)
    assert "1,000 images" in figure.axes[0].get_title(loc="left")


# --- the whole ---


class Store:
    """Runs that are made here, one after the other."""

    def __init__(self, folder):
        self.folder, self.specs = folder, []

    def get(self, specs, progress=None):
        self.specs += specs
        runs = [train(spec, out=self.folder / spec.content_hash[:8]) for spec in specs]
        progress(1, 1)
        return runs


def test_it_learns_from_the_same_images_and_does_not_fit_again(tmp_path, monkeypatch):
    optional("sklearn", "SVM")
    fits, fit, calls = [], support_vectors._fit, []
    monkeypatch.setattr(support_vectors, "_fit", lambda x, y, *setting: fits.append((x, y)) or fit(x, y, *setting))
    store = Store(tmp_path)
    results = svm.run(TINY, store, lambda done, total: calls.append(done / total))
    assert svm.data_of(TINY) == DATA
    assert {spec.data for spec in store.specs} == {DATA}
    assert [spec.seed for spec in store.specs] == [0, 1]
    assert len(fits) == len(support_vectors.PENALTIES) * len(support_vectors.GAMMAS) + 2
    streams = [load_dataset("shapeset", seed=seed).train.batch(0, 40) for seed in (0, 1)]
    both = {x.tobytes() + y.tobytes() for x, y in streams}
    assert {x.tobytes() + y.tobytes() for x, y in fits[:-2]} <= both
    assert {x.tobytes() + y.tobytes() for x, y in fits[-2:]} == both
    assert all(0 <= share <= 1 for share in calls)
    assert calls[-1] == 1
    monkeypatch.setattr(support_vectors, "_fit", None)
    again = svm.run(TINY, store)
    assert list(again) == list(results) == ["network_errors", "svm_errors", "constant_errors", "tuning"]
    for key in results:
        xr.testing.assert_identical(again[key], results[key])
