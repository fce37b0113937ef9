"""The site's extensions on small sites: what they write, and what makes ``sphinx-build -W`` fail."""

import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="pages belong to the docs extra")
pytest.importorskip("myst_parser", reason="pages belong to the docs extra")

EXTENSIONS = Path(__file__).parents[2] / "docs/extensions"
CONF = """
extensions = ["myst_parser", "complete", "derivation", "experiment", "mathml", "printed_numbers", "run"]
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"
glorotlab_reproduction = "nowhere"
"""
INCOMPLETE = re.compile(r"WARNING: the (public name|derivation|experiment) \S+ is on no page")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Build a site of one page; return the page as HTML, and the warnings but those of all that it leaves out."""
    monkeypatch.syspath_prepend(str(EXTENSIONS))

    def build(text):
        from io import StringIO

        from sphinx.application import Sphinx
        from sphinx.util.docutils import docutils_namespace

        (tmp_path / "conf.py").write_text(CONF)
        (tmp_path / "index.md").write_text(f"# A page\n\n{text}", encoding="utf-8")
        warnings = StringIO()
        out = tmp_path / "out"
        with docutils_namespace():
            Sphinx(tmp_path, tmp_path, out, tmp_path / "trees", "html", status=None, warning=warnings).build()
        lines = re.sub(r"\x1b\[[\d;]*m", "", warnings.getvalue()).splitlines()
        return (out / "index.html").read_text(encoding="utf-8"), lines

    yield build
    for name in ("complete", "derivation", "experiment", "figures", "mathml", "printed_numbers", "run", "words"):
        sys.modules.pop(name, None)


def own(warnings):
    return [line for line in warnings if not INCOMPLETE.search(line)]


def test_a_page_of_every_directive(build):
    page, warnings = build(
        "$x^2$ and $$\\left(1\\right) [\\frac{1}{2}]$$\n\n"
        "```{derivation} equal_width\n```\n\n"
        "```{experiment} figure_6\n```\n\n"
        "```{run} python\na = 20\nprint(a + 1)\na + 2\n```\n"
    )
    assert own(warnings) == []
    assert not re.search(r"<script[^>]*mathjax", page, re.IGNORECASE)
    assert page.count("<math") > 20
    for text in ("21\n22", "equal_width", "checks passed", "Activations at initialization, tanh"):
        assert text in page
    assert "the derivation forward_variance is on no page" in "\n".join(warnings)
    assert "the derivation equal_width" not in "\n".join(warnings)
    assert "the public name glorotlab.predict" in "\n".join(warnings)


def test_what_fails_is_a_warning(build):
    _, warnings = build(
        "```{run} python\n1 / 0\n```\n\n"
        "```{run} console\nrm -r x\n```\n\n"
        "```{printed} nobody\n```\n\n"
        "![a picture](https://example.org/a.png)\n"
    )
    expected = (
        "ZeroDivisionError: division by zero",
        "rm is no command of the package",
        "nobody printed numbers of this name",
        "index.html loads",
    )
    assert len(own(warnings)) == len(expected)
    assert all(text in line for text, line in zip(expected, own(warnings), strict=True))


def test_brackets_grow_around_what_is_tall(monkeypatch):
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    from mathml import stretched

    assert stretched(r"f(x) [\frac{a}{b}]") == r"f(x) \left[\frac{a}{b}\right]"
    assert stretched(r"(1 + [\sum_i (i)])") == r"\left(1 + \left[\sum_i (i)\right]\right)"
    assert stretched(r"\left(\frac{a}{b}\right)") == r"\left(\frac{a}{b}\right)"
    assert stretched(r"[\frac{a}{b})") == r"[\frac{a}{b})"


def test_lines_of_a_display_and_formulas_within_their_words(monkeypatch):
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    from mathml import _mathml

    page = _mathml(r"\begin{aligned} & \text{sums over $n_1$ units} \\ & x \end{aligned}", "block")
    assert page.count("<mtr>") == 2
    assert page.count("<msub>") == 1
    assert "<mi>&</mi>" not in page
