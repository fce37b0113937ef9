"""Pages of the built site in a browser: nothing is loaded from elsewhere, formulas are laid out, phones and the dark.

The folder of the site is that of GLOROTLAB_SITE: it takes minutes to build, so `.ci/run` builds it once for all.
"""

import os
from pathlib import Path

import pytest
from browsing import brightness, fits

SITE = os.environ.get("GLOROTLAB_SITE")

PAGES = ("index.html", "theory/gradients.html", "gallery/1_depth/plot_bands.html", "your_model.html")
"""The start, a page of theory, a picture of the gallery and a page of the user's guide with wide tables."""

LAID_OUT = {"math", "block math"}
"""How a browser displays formulas that it sets itself."""

pytestmark = pytest.mark.skipif(not SITE, reason="GLOROTLAB_SITE names no built site: sphinx-build docs build/site")


def open_page(visit, name, **settings):
    """Open a page of the site, which may ask for the files beside it."""
    path = Path(SITE) / name
    assert path.is_file(), f"GLOROTLAB_SITE has no {name}"
    return visit(path, within=SITE, **settings)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_read_on_a_telephone_and_in_the_dark(visit, name):
    """No page scrolls sideways at 390 pixels, its style is there, pictures are drawn and have words."""
    page = open_page(visit, name, viewport={"width": 390, "height": 844})
    assert fits(page)
    assert brightness(page) > 240
    assert page.locator("article").evaluate("article => getComputedStyle(article).fontFamily").count(",") > 1
    for picture in page.locator("article img").all():
        assert picture.evaluate("image => image.complete && image.naturalWidth > 100")
        assert len(picture.get_attribute("alt")) > 20
        assert picture.bounding_box()["width"] <= 390
    page.emulate_media(color_scheme="dark")
    assert brightness(page) < 60
    assert _brightness_of_text(page) > 150


def _brightness_of_text(page):
    """Return the brightness of the letters of the page's first heading, from 0 to 255."""
    color = page.locator("h1").evaluate("heading => getComputedStyle(heading).color")
    return sum(map(int, color.removeprefix("rgb(").removesuffix(")").split(","))) / 3


def test_formulas_of_theory_are_laid_out(visit):
    """Each is MathML that the browser sets itself: fractions have their parts one over the other."""
    page = open_page(visit, "theory/gradients.html")
    assert page.locator("math").count() > 50
    assert page.locator("math").evaluate_all(
        "all => all.every(math => getComputedStyle(math).display.endsWith('math'))"
    )
    fractions = page.locator("math[display=block] mfrac").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().height)"
    )
    assert len(fractions) > 10
    assert min(fractions) > 20  # letters of an index, one over the other
