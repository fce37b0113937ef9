"""The report: one self-contained page, files written whole, bad input refused before any work."""

import base64
import dataclasses
import functools
import os
import re
import threading
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from experiment_results import TINY
from html_pages import NASTY, check

from glorotlab.derivations.catalogue import CATALOGUE as DERIVATIONS
from glorotlab.errors import DataError, InvalidValueError, RunFailedError, UnknownNameError
from glorotlab.experiments.catalogue import CATALOGUE
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Swap, Table
from glorotlab.plotting.style import finish, new_figure
from glorotlab.report import reproduce as module
from glorotlab.report.csv_tables import csv_tables
from glorotlab.report.page import Section, page
from glorotlab.report.picture import LARGEST_DATA, Picture, to_png, to_svg
from glorotlab.report.report import TEMPLATES
from glorotlab.report.reproduce import reproduce, run_experiments, save
from glorotlab.training.sweeps.store import RunStore
from glorotlab.training.sweeps.workers import Workers

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8 + b"\0\0\0\x10\0\0\0\x10"
DOT = Picture(PNG, b"<svg/>", "A dot.", "A dot.", {})


def draw(results):
    figure = new_figure(size=(2, 2))
    figure.axes[0].plot(results["a"]["x"].values)
    finish(figure.axes[0], "a", "b", "c")
    return figure


def decide(name, verdict, results):
    numbers = {f"one {NASTY}": float(results["a"]["x"][1]), f"one {NASTY} ±": 0.5}
    return Claim(name, f"Sentence {NASTY}", verdict, numbers, f"Rule {NASTY}")


def run_all(experiments, scale, folder):
    """Run experiments that train nothing."""
    return run_experiments(experiments, scale, folder, RunStore(folder / "runs", Workers()))


def fake(name="fake", verdict="fail", run=None, *, trains=False, effort=1):
    return Experiment(
        name=name,
        title=f"Title {NASTY}",
        source=f"Source {NASTY}",
        caption=f"Caption {NASTY}",
        run=run or (lambda scale, store, progress: {"a": xr.Dataset({"x": ("n", np.arange(3.0))})}),
        effort=effort,
        trains=trains,
        findings=(Finding(functools.partial(decide, name, verdict), Swap(f"Swap {NASTY}", {"a": "a"})),),
        draw=draw,
        table=lambda results: Table(f"Table {NASTY}", ("head <b>", "x"), ((f"cell {NASTY}", "1"),)),
    )


def test_a_page_is_self_contained_balanced_and_escaped(tmp_path):
    experiments = [fake("first", "pass"), fake("second", "fail"), fake("third", "undecided")]
    made = run_all(experiments, dataclasses.replace(TINY, name=NASTY), tmp_path)
    text = made.page.read_text(encoding="utf-8")
    checker = check(text)
    assert "alert(" not in re.sub(r"&lt;script&gt;alert\(&#34;x&#34;\)", "", text)
    assert len(checker.images) == 3
    assert [claim.verdict for claim in made.claims] == ["pass", "fail", "undecided"]
    assert "3 claims: 1 pass, 1 fail, 1 undecided" in text
    assert "1 ± 0.5" in text
    assert made.seconds > 0


def test_results_and_pictures_are_saved(tmp_path):
    run_all([fake()], TINY, tmp_path)
    assert sorted(path.name for path in (tmp_path / "fake").iterdir()) == ["a.nc", "a_by_n.csv", "fake.png", "fake.svg"]
    np.testing.assert_array_equal(xr.load_dataset(tmp_path / "fake" / "a.nc")["x"], [0, 1, 2])
    assert (tmp_path / "fake" / "a_by_n.csv").read_text() == "n,x\n0,0.0\n1,1.0\n2,2.0\n"
    assert (tmp_path / "fake" / "fake.png").read_bytes().startswith(b"\x89PNG")
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def test_a_page_links_the_files_of_its_figures_and_prints_all_numbers(tmp_path):
    text = run_all([fake()], TINY, tmp_path).page.read_text(encoding="utf-8")
    links = [link for link in check(text).links if not link.startswith("#")]
    (table,) = (link for link in links if link.startswith("data:text/csv;base64,"))
    assert base64.b64decode(table.partition(",")[2]) == (tmp_path / "fake" / "a_by_n.csv").read_bytes()
    links.remove(table)
    assert sorted(links) == ["fake/a.nc", "fake/fake.png", "fake/fake.svg"]
    assert all((tmp_path / link).is_file() for link in links)
    svg = (tmp_path / "fake" / "fake.svg").read_bytes()
    assert b"<svg" in svg
    again = draw({"a": xr.load_dataset(tmp_path / "fake" / "a.nc")})
    to_png(again)  # settles the layout, as it did there, and no other drawing changes it
    again.set_layout_engine(None)
    assert svg == to_svg(again)  # no dates, no random names
    assert '<p class="small printed">Numbers: one' in text  # collapsed numbers are not in print


def test_the_page_fits_phones_dark_screens_and_paper():
    css = (TEMPLATES / "style.css").read_text()
    assert "@media (max-width: 40rem)" in css
    assert "@media (prefers-color-scheme: dark)" in css
    assert re.search(r"@media print \{\s+body.*\.printed \{ display: block; \}", css, flags=re.DOTALL)


def test_variables_of_other_dimensions_have_tables_of_their_own(tmp_path):
    data = {"x": ("n", [1.0, 2.0]), "y": (("m", "n"), [[3.0, 4.0]]), "z": ("n", [5.0, 6.0]), "scalar": 7.0}
    save({"a": xr.Dataset(data, {"m": [9]})}, tmp_path)
    assert (tmp_path / "a_by_n.csv").read_text() == "n,x,z\n0,1.0,5.0\n1,2.0,6.0\n"
    assert (tmp_path / "a_by_m_n.csv").read_text() == "m,n,y\n9,0,3.0\n9,1,4.0\n"
    assert len(list(tmp_path.iterdir())) == 3


def test_missing_data_stop_nothing(tmp_path):
    def missing(scale, store, progress):
        raise DataError(f"no such data: {NASTY}")

    made = run_all([fake("first", run=missing), fake("second", "pass")], TINY, tmp_path)
    assert [claim.experiment for claim in made.claims] == ["second"]
    text = made.page.read_text(encoding="utf-8")
    assert len(check(text).images) == 1
    assert "Not measured:</strong> no such data: &lt;script&gt;" in text
    assert not (tmp_path / "first").exists()


def test_the_control_of_every_claim_is_shown(tmp_path):
    text = run_all([fake("first", "pass"), fake("second", "fail")], TINY, tmp_path).page.read_text(encoding="utf-8")
    assert text.count("passes, and should not") == 2  # in the table of all claims, and below the claim
    assert text.count("fails, as it must") == 2
    assert "Control, Swap &lt;script&gt;" in text


def test_words_of_controls_tell_their_verdicts_apart():
    words = {"fail": "fails, as it must", "undecided": "undecided", "pass": "passes, and should not", "": "–"}
    for control, said in words.items():
        claim = Claim("fake", "It holds.", "pass", {}, "A rule", control, "Swap" if control else "")
        text = page([Section(fake(), [claim], DOT, None, 1.0)], TINY, 1.0, 1)
        assert f'<td class="small">{said}</td>' in text
        assert (f"Control, Swap: {said}." in text) == bool(control)


def test_large_variables_are_no_tables():
    data = xr.Dataset({"small": ("n", np.zeros(2)), "large": (("n", "m"), np.zeros((2, 2)))})
    assert list(csv_tables("a", data, largest=3)) == ["a_by_n.csv"]
    assert list(csv_tables("a", data, largest=4)) == ["a_by_n.csv", "a_by_n_m.csv"]


def test_bold_cells_are_strong(tmp_path):
    table = Table("Caption", ("a", "b"), (("1", "2"), ("3", "4")), frozenset({(1, 0)}))
    text = page([Section(fake(), [], DOT, table, 1.0)], TINY, 1.0, 1)
    check(text)
    assert "<td><strong>3</strong></td><td>4</td>" in text


def test_an_interrupt_keeps_what_was_finished(tmp_path):
    def interrupted(scale, store, progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all([fake("first"), fake("second", run=interrupted)], TINY, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    check(text)
    assert "Interrupted: 1 of 2" in text
    assert (tmp_path / "first" / "a.nc").exists()


def test_an_error_of_drawing_is_raised_once_the_others_are_on_the_page(tmp_path):
    def broken(results):
        raise ArithmeticError("no ink")

    with pytest.raises(ArithmeticError, match="no ink"):
        run_all([fake("first"), dataclasses.replace(fake("second"), draw=broken)], TINY, tmp_path)
    assert len(check((tmp_path / "report.html").read_text(encoding="utf-8")).images) == 1


def meeting(barrier):
    """Return the run of an experiment that ends once another has come as far."""

    def run(scale, store, progress):
        barrier.wait(timeout=10)
        return {"a": xr.Dataset({"x": ("n", np.arange(3.0))})}

    return run


def test_experiments_that_train_run_beside_the_others_and_the_page_keeps_its_order(tmp_path):
    barrier, calls = threading.Barrier(2), []
    work = [
        fake("short"),
        fake("trained", run=meeting(barrier), trains=True),
        fake("long", run=meeting(barrier), effort=9),
    ]
    store = RunStore(tmp_path / "runs", Workers())
    made = run_experiments(work, TINY, tmp_path, store, lambda *call: calls.append(call))
    assert [claim.experiment for claim in made.claims] == ["short", "trained", "long"]
    ended = [name for name, done, total in calls if done == total and name != "trained"]
    assert ended == ["long", "short"]  # what takes long begins first


@pytest.mark.parametrize("trains", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RunFailedError])
def test_an_error_in_one_lane_ends_the_other_and_is_raised(error, trains, tmp_path):
    begun, told = threading.Event(), []

    def failing(scale, store, progress):
        assert begun.wait(timeout=10)
        raise error("first")

    def endless(scale, store, progress):
        begun.set()
        for done in range(1000):
            time.sleep(0.01)
            try:
                progress(done, 1000)
            except KeyboardInterrupt:
                progress(done, 1000)  # as the store does while runs in hand write their checkpoints
                told.append(done)
                raise

    work = [fake("first", trains=not trains), fake("other", run=endless, trains=not trains)]
    work += [fake("fails", run=failing, trains=trains)]
    with pytest.raises(error, match="first"):
        run_all(work, TINY, tmp_path)
    assert len(told) == 1
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    check(text)
    assert "Interrupted: 1 of 3" in text


def test_an_interrupt_before_anything_is_finished_writes_no_page(tmp_path):
    def interrupted(scale, store, progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all([fake(run=interrupted)], TINY, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_targets_run_in_the_order_of_the_catalogue(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CATALOGUE", {name: fake(name) for name in ("first", "second", "third")})
    calls = []
    made = reproduce(["third", "first"], "quick", tmp_path, lambda *call: calls.append(call))
    assert [claim.experiment for claim in made.claims] == ["first", "third"]
    assert calls == [("first", 0, 1), ("first", 1, 1), ("third", 0, 1), ("third", 1, 1)]
    assert len(reproduce([], "quick", tmp_path / "all").claims) == 3


def test_an_unknown_target_or_scale_is_refused_before_any_work(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown target 'figure_99': allowed are figure_1, "):
        reproduce(["figure_6", "figure_99"], "quick", tmp_path / "out")
    with pytest.raises(InvalidValueError, match="unknown scale 'huge': allowed are quick, medium, long, paper"):
        reproduce([], "huge", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CATALOGUE", {"fake": fake(run=lambda scale, store, progress: pytest.fail("ran"))})
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidValueError, match="cannot be written"):
        reproduce([], "quick", tmp_path / "file")
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(InvalidValueError, match="cannot be written"):
            reproduce([], "quick", tmp_path / "closed")


def test_the_smaller_picture_is_taken_and_large_tables_are_linked():
    for svg, kind in ((b"<svg/>", "svg+xml"), (b"<svg>" + b" " * 100, "png")):
        data = {"small.csv": "x\n1\n", "large & wide.csv": "x\n" + "1\n" * LARGEST_DATA}
        section = Section(fake(), [], Picture(PNG, svg, "A dot.", "A dot.", data, "fake"), None, 1.0)
        checker = check(page([section], TINY, 1.0, 1))
        assert checker.loads[0].startswith(f"data:image/{kind};base64,")
        assert [link for link in checker.links if "csv" in link][1] == "fake/large%20%26%20wide.csv"


def test_equations_are_mathml_and_named():
    experiment = dataclasses.replace(fake(), derivations=("standard_initialization",))
    text = page([Section(experiment, [], DOT, None, 1.0)], TINY, 1.0, 1)
    check(text)
    assert "glorotlab derive standard_initialization" in text
    assert re.search(r'<math display="block">.*<mfrac>', text)
    assert all(name in DERIVATIONS for entry in CATALOGUE.values() for name in entry.derivations)


def test_numbers_are_folded_where_there_are_many():
    for count, summary in ((0, None), (4, "<details open>"), (5, "<details>")):
        claim = Claim("fake", "It holds.", "pass", {f"number {place}": 0.5 for place in range(count)}, "A rule")
        text = page([Section(fake(), [claim], DOT, None, 1.0)], TINY, 1.0, 1)
        check(text)
        assert re.findall("<details.*?>", text) == ([] if summary is None else [summary])


def test_installs_contain_the_templates():
    """Every file of the folder matches a pattern of the package data, and of the source distribution's manifest."""
    root = Path(__file__).parents[2]
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    manifest = (root / "MANIFEST.in").read_text()
    for path in TEMPLATES.iterdir():
        assert any(path.match(f"report/{pattern}") for pattern in settings["glorotlab.report"])
    assert "graft glorotlab/report/templates" in manifest


def test_the_page_of_the_catalogue_names_every_experiment():
    """Titles, captions and sources of the real experiments make a valid page."""
    sections = [Section(entry, [], DOT, None, 1.0) for entry in CATALOGUE.values()]
    text = page(sections, TINY, 1.0, len(sections))
    assert set(CATALOGUE) <= set(check(text).ids)
