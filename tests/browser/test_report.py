"""The report of a small reproduction in a browser: formulas, phones, the dark, paper, and data a click away."""

import pytest
from browsing import brightness, fits
from experiment_results import TINY

from glorotlab.experiments.catalogue import CATALOGUE
from glorotlab.report.reproduce import run_experiments
from glorotlab.training.sweeps.store import RunStore
from glorotlab.training.sweeps.workers import Workers


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduction")
    targets = [CATALOGUE["single_neuron"], CATALOGUE["explosion_interval"]]
    return run_experiments(targets, TINY, folder, RunStore(folder / "runs", Workers())).page


def test_formulas_are_laid_out(visit, path):
    """A fraction is higher than a line of text, and names are not shown as tags."""
    page = visit(path)
    formulas = page.locator("math")
    assert formulas.count() == 2
    for formula in formulas.all():
        size = formula.bounding_box()
        assert size["height"] > 25
        assert size["width"] > 40


def test_pictures_have_words_and_data(visit, path):
    """Every picture is drawn, says what it shows, and its smallest table is in the page itself."""
    page = visit(path)
    for picture in page.locator("img").all():
        assert picture.evaluate("image => image.complete && image.naturalWidth > 100")
        assert len(picture.get_attribute("alt")) > 100
    page.get_by_text("data of the picture").first.click()
    link = page.locator("a[download]").first
    assert link.is_visible()
    with page.expect_download() as download:
        link.click()
    saved = path.parent / "saved.csv"
    download.value.save_as(saved)
    assert saved.read_bytes() == (path.parent / "single_neuron" / link.inner_text()).read_bytes()


def test_claims_are_read_on_a_telephone(visit, path):
    """At 390 pixels no page scrolls sideways, and sentences and settings have the width of the page."""
    page = visit(path, viewport={"width": 390, "height": 844})
    for summary in page.locator("summary").all():
        summary.click()
    assert fits(page)
    for sentence in page.locator(".claims td:nth-child(2)").all():
        assert sentence.bounding_box()["width"] > 300
    for name in page.locator(".settings th").all():
        assert name.bounding_box()["height"] < 100  # words are not broken into letters


def test_it_is_dark_in_the_dark_and_white_on_paper(visit, path):
    page = visit(path, color_scheme="dark")
    assert brightness(page) < 60
    page.emulate_media(media="print")
    assert brightness(page) == 255
    assert page.locator(".printed").first.is_visible()
    assert not page.locator("details").first.is_visible()
    assert len(page.pdf()) > 10_000
    assert path.stat().st_size < 5e6
