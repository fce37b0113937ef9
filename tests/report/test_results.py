"""The reports of a run, a sweep and a comparison: self-contained, escaped, with every number as CSV and provenance."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from html_pages import NASTY, check
from small_results import DATA, LAYERS, small_comparison, small_run, small_sweep, write_data

import glorotlab as gl
from glorotlab.measurement.compare import SECOND_MOMENTS
from glorotlab.report.comparison import comparison_report
from glorotlab.report.inspection import inspection_report
from glorotlab.report.picture import LARGEST_ALONE, Picture
from glorotlab.report.report import Report
from glorotlab.report.run import run_report
from glorotlab.report.spec_text import spec_text
from glorotlab.report.sweep import sweep_report
from glorotlab.report.symbols import symbol


def tables(text):
    """Return the tables of numbers that a page has, by file name."""
    found = re.findall(r'<a href="data:text/csv;base64,([^"]*)" download="([^"]*)"', text)
    return {name: pd.read_csv(io.BytesIO(base64.b64decode(content))) for content, name in found}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def page(run):
    return run_report(run, f"glorotlab train {NASTY}").to_html()


def test_the_report_of_a_run(run, page):
    checker = check(page)
    assert len(checker.images) == 3
    assert "Finished after 20 of 20 updates, each on 4 examples of own &lt;b&gt;.npz" in page
    assert "glorotlab train &lt;script&gt;" in page
    curves = tables(page)["curves_by_step.csv"]
    np.testing.assert_array_equal(curves["test_error"], run.curves["test_error"])
    quantiles = tables(page)["layers_by_step_layer_quantile.csv"]
    assert len(quantiles) == run.statistics["activation_quantile"].size
    assert f"<td>{run.provenance[0]['host']}</td>" not in page  # the page can be given away
    assert run.provenance[0]["processor"] in page
    assert page.count("<math") >= 8  # heads of the two tables of layers
    first, last = run.curves["test_error"].values[[0, -1]]
    assert checker.images[0]["alt"].endswith(f"is {first:.2%} before training and {last:.2%} after 20 updates.")
    for name in ("glorotlab", "Python", "numpy", "machine", "kernel threads"):
        assert f'<th scope="row">{name}</th><td>' in page


def test_the_spec_of_a_report_is_read_back(run, page):
    spec = re.search(r"<h3>Spec</h3>\n<pre>(.*?)</pre>", page, flags=re.DOTALL)[1]
    read = gl.RunSpec.from_toml(spec.replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">"))
    assert read.data == DATA  # not where it lies
    assert read.network.layers == LAYERS
    assert read.content_hash == run.spec.content_hash


def test_an_interrupted_run_is_described_as_far_as_it_is_recorded(tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    spec = gl.RunSpec(
        network=gl.NetworkSpec.parse(LAYERS),
        training=gl.TrainingSpec(updates=100_000, batch_size=4, validation_every=100_000, monitor_every=100_000),
        data=write_data(tmp_path),
    )
    with pytest.raises(KeyboardInterrupt):
        gl.train(spec, out=tmp_path / "run", progress=interrupt)
    interrupted = gl.load_run(tmp_path / "run")
    text = run_report(interrupted).to_html()
    error = float(interrupted.curves["test_error"][0])
    assert check(text).images[0]["alt"].endswith(f"the test error is {error:.2%} before training.")
    assert f"Interrupted after {interrupted.updates} of 100000 updates" in text
    assert "training cost" not in text.partition("</p>")[0]  # none is recorded
    assert "The layers before training" in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"activation": "relu", "learning_rate": 1e6}, "Diverged after"),
        ({"layers": "6,6", "autoencoder": True, "output": "linear"}, "Finished after"),
    ],
)
def test_runs_of_other_kinds(tmp_path, network, words):
    """A run that diverged, and one without hidden layers, whose errors are squared distances."""
    text = run_report(small_run(tmp_path, **network)).to_html()
    check(text)
    assert words in text
    assert ("squared distance" in text) == ("autoencoder" in network)


def test_the_report_of_a_sweep(tmp_path):
    results = small_sweep(tmp_path)
    status = results.folder / results.runs[0] / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"validation_error": 0.0}))  # less than any mean
    results.errors[results.runs[0]] = f"OSError: {NASTY}, {results.folder / 'case'}"
    text = sweep_report(results, "glorotlab sweep study.toml").to_html()
    checker = check(text)
    assert len(checker.images) == 1
    assert "8 runs that differ in case and learning rate and seed: 1 failed, 7 finished." in text
    least = float(results.final()["validation_error"].mean("seed").min())
    assert checker.images[0]["alt"].endswith(f"; the least is {least:.2%}.")
    assert "Cost and errors at the end: mean ± standard deviation over the seeds" in text
    assert "OSError: &lt;script&gt;" in text
    final = tables(text)["runs_by_case_learning_rate_seed.csv"]
    assert sorted(final["run"]) == sorted(results.runs)
    assert final["validation_error"].mean() == pytest.approx(float(results.final()["validation_error"].mean()))
    assert str(tmp_path) not in text


def test_a_sweep_of_many_lines_has_several_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("glorotlab.report.sweep.MOST", 1)
    monkeypatch.setattr("glorotlab.report.sweep.MOST_PICTURES", 2)
    results = small_sweep(tmp_path, cases=3)
    (tmp_path / "study" / results.runs[0] / "status.json").unlink()  # as of a run that has not ended
    text = sweep_report(results).to_html()
    assert len(check(text).images) == 2
    assert "The first 2 pictures are shown." in text
    assert "12 runs that differ in case and learning rate and seed: 11 finished, 1 missing." in text
    shown = tables(text)["runs_by_case_learning_rate_seed.csv"]
    assert set(shown["case"]) == {"case 1"}


def test_a_sweep_of_one_seed_of_which_no_run_has_ended(tmp_path):
    results = small_sweep(tmp_path, repeats=1)
    for run in results.runs:
        (tmp_path / "study" / run / "status.json").unlink()
    text = sweep_report(results).to_html()
    assert check(text).images[0]["alt"].endswith("; none is known.")
    assert "4 runs that differ in case and learning rate: 4 missing." in text
    assert "<caption>Cost and errors at the end</caption>" in text
    assert "standard" not in text


def test_the_report_of_a_comparison():
    spec, prediction, measurement, comparison = small_comparison()
    text = comparison_report(spec, prediction, measurement, comparison, f"glorotlab compare {NASTY}").to_html()
    check(text)
    assert "3 networks were measured on 20 examples." in text
    assert "Band: the mean of 3 networks lies inside with probability 0.95" in text
    assert ">5 to 7<" in text  # the seeds
    verdicts = [entry.verdict for name in SECOND_MOMENTS for entry in comparison.select(name)]
    assert text.count("✓ agrees") == verdicts.count("agrees")
    assert text.count("✗ differs") == verdicts.count("differs")
    assert len(tables(text)["comparison.csv"]) == len(comparison.entries)
    assert "What the prediction assumes" in text


def test_the_report_of_an_inspection_says_where_prediction_ends_and_why():
    _, prediction, measurement, comparison = small_comparison()
    prediction.attrs["refused"] = json.dumps({f"block {NASTY}": "an LSTM <b>"})
    measurement.attrs["model"] = f"Model {NASTY}"
    text = inspection_report(f"mine:{NASTY}", prediction, measurement, comparison).to_html()
    check(text)
    assert "<p>Not predicted from block &lt;script&gt;" in text
    assert ": an LSTM &lt;b&gt;</p>" in text
    assert "<p>Model &lt;script&gt;" in text


def test_a_table_that_is_too_large_is_left_out_and_said():
    data = {"small.csv": "x\n1\n", "large.csv": "x\n" + "1\n" * LARGEST_ALONE}
    text = Report("Title", [], [Picture(b"\0" * 24, b"<svg/>", "A dot.", "A dot.", data)]).to_html()
    assert list(tables(text)) == ["small.csv"]
    assert "large.csv is left out: 1.0 MB" in text


def test_symbols_are_mathml_and_other_names_words():
    assert symbol("backprop_gradient_second_moment").count("<mo>&#x02202;</mo>") == 2
    assert symbol("weight_variance").startswith("<math")
    assert symbol("activation_saturation") == "activation saturation"


def test_layers_of_a_spec_are_folded_wherever_they_stand():
    text = spec_text({"network": {"layer_sizes": [4, 3, 3, 2]}, "missing": None, "sweep": {"draws": 2}})
    assert text == '[network]\nlayers = "4,3x2,2"\n\n[sweep]\ndraws = 2\n'
