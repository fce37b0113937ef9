"""The reports of a run, a sweep and a comparison in a browser: formulas, phones, the dark, paper, data a click away."""

import pytest
from browsing import brightness, fits
from small_results import small_comparison, small_run, small_sweep

from glorotlab.report.comparison import comparison_report
from glorotlab.report.run import run_report
from glorotlab.report.sweep import sweep_report

FORMULAS = {"run": 8, "sweep": 0, "comparison": 5}
"""Number of formulas of each report: heads of two tables of four variables, captions of five tables."""


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    command = f"glorotlab {'train --a-long-option ' * 12}"
    reports = {
        "run": run_report(small_run(folder), command),
        "sweep": sweep_report(small_sweep(folder), command),
        "comparison": comparison_report(*small_comparison(), command),
    }
    for name, report in reports.items():
        (folder / f"{name}.html").write_text(report.to_html(), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in reports}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_report_in_a_browser(visit, paths, name):
    """Formulas are laid out: a bracket with a square above it is higher than it is wide, and no tag is shown."""
    page = visit(paths[name])
    formulas = page.locator("math")
    assert formulas.count() == FORMULAS[name]
    for formula in formulas.all():
        size = formula.bounding_box()
        assert 12 < size["height"] < 40
        assert 20 < size["width"] < 200
        assert formula.evaluate("math => getComputedStyle(math).display") == "math"
    for picture in page.locator("img").all():
        assert picture.evaluate("image => image.complete && image.naturalWidth > 100")
        assert len(picture.get_attribute("alt")) > 40
    _fetch_a_table(page, paths[name])
    page.emulate_media(color_scheme="dark")
    assert brightness(page) < 60
    page.set_viewport_size({"width": 390, "height": 844})
    for summary in page.locator("summary").all():
        assert summary.is_visible()
    assert fits(page)
    for sentence in page.locator("body > p").all():
        assert sentence.bounding_box()["width"] > 300
    page.emulate_media(media="print")
    assert brightness(page) == 255
    assert page.locator("pre").first.evaluate("pre => pre.scrollWidth <= pre.clientWidth")  # nothing is cut off
    assert len(page.pdf()) > 10_000
    assert paths[name].stat().st_size < 5e6


def _fetch_a_table(page, path):
    """Open the data of the first picture and save a table of them."""
    page.get_by_text("data of the picture").first.click()
    link = page.locator("a[download]").first
    with page.expect_download() as download:
        link.click()
    saved = path.with_suffix(".csv")
    download.value.save_as(saved)
    assert saved.read_text(encoding="utf-8").count("\n") > 3
