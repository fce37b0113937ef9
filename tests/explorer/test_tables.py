"""Tables of the explorer: their interpolation errs as little as they say, and the page is small and escaped."""

import html.parser
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from glorotlab.activations.named import RECORDS
from glorotlab.cli.main import main
from glorotlab.explorer import moment_tables, page
from glorotlab.explorer.interpolation import Axis, at_middles
from glorotlab.explorer.javascript import function
from glorotlab.theory.gaussian.moments import moments

KNOWN = {"x", "erf", "Math", "max", "min", "sin", "exp", "log", "tanh", "atan", "abs", "sqrt"}
"""What the code of an activation may name."""


def test_cubics_are_exact_and_the_error_falls_with_the_fourth_power():
    x = np.linspace(-1, 1, 21)
    middles = (x[1:] + x[:-1]) / 2
    np.testing.assert_allclose(at_middles(x**2 - x), middles**2 - middles, atol=1e-14)
    np.testing.assert_allclose(at_middles(x**3)[2:-2], middles[2:-2] ** 3, atol=1e-14)
    errors = []
    for nodes in (41, 81):
        x = np.linspace(-4, 4, nodes)
        middles = (x[1:] + x[:-1]) / 2
        errors.append(np.abs(at_middles(np.exp(x)) / np.exp(middles) - 1)[2:-2].max())
    assert 12 < errors[0] / errors[1] < 20


def test_nodes_are_equally_spaced_in_the_logarithm():
    axis = Axis(1e-2, 1e4, 12)
    np.testing.assert_allclose(np.log(axis.nodes), axis.start + axis.step * np.arange(13), atol=1e-14)
    np.testing.assert_allclose(np.log(axis.middles), axis.start + axis.step * (np.arange(12) + 0.5), atol=1e-14)


@pytest.mark.parametrize("name", RECORDS)
def test_interpolated_moments_are_the_moments(name):
    """Against ``moments`` in the middle of every cell; lines of 100 layers then err by less than 1 %."""
    record, q = RECORDS[name], moment_tables.AXIS.middles
    table, exact = moment_tables.moment_table(record), moments(record, q)
    rows = dict(zip(moment_tables.ROWS, at_middles(table.values), strict=True))
    square, derivative_square = q * np.exp(rows["square"]), np.exp(rows["derivative_square"])
    for shown, known in (
        (square, exact.second_moment),
        (derivative_square, exact.derivative_second_moment),
        (np.exp(rows["fourth"]) * square**2, exact.fourth_moment),
        (np.exp(rows["derivative_fourth"]) * derivative_square**2, exact.derivative_fourth_moment),
        (np.exp(rows["product_square"]) * square * derivative_square, exact.product_second_moment),
    ):
        np.testing.assert_allclose(shown, known, rtol=4 * table.scatter_error + 1e-9)
    assert table.error <= table.scatter_error
    assert page.DEEPEST * table.error < 0.01


def test_functions_are_javascript():
    """No function that JavaScript lacks, but for ``erf``, which the page has."""
    for record in RECORDS.values():
        code = function(record)
        words = "".join(letter if letter.isalpha() else " " for letter in code.replace("Math.", " Math_")).split()
        assert set(words) <= {"x", "erf", "Math", "max", "min", "sin", "exp", "log", "tanh", "atan", "abs", "sqrt"}, (
            code
        )


class Scripts(html.parser.HTMLParser):
    """Keeps what stands in scripts, and every attribute that would load something."""

    def __init__(self):
        super().__init__()
        self.scripts, self.loads, self.inside = [], [], False

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "script"
        self.loads += [value for key, value in attrs if key in ("src", "href", "action")]

    def handle_data(self, data):
        if self.inside:
            self.scripts.append(data)

    def handle_endtag(self, tag):
        self.inside = False


def test_the_command_writes_a_page_that_loads_nothing(tmp_path, monkeypatch):
    """Of two activations; all of them take 20 s, and less than 1 MB."""
    monkeypatch.setattr(page, "RECORDS", {name: RECORDS[name] for name in ("relu", "erf")})
    path = tmp_path / "page.html"
    assert main(["explorer", "--out", str(path), "--quiet"]) == 0
    text = path.read_text(encoding="utf-8")
    parsed = Scripts()
    parsed.feed(text)
    tables, code = parsed.scripts
    assert parsed.loads == ["data:,"]
    assert set(json.loads(tables)["activations"]) == {"relu", "erf"}
    assert "eval(" not in code
    assert "Function(" not in code
    assert "http" not in code.replace("http://www.w3.org/2000/svg", "")
    one = len(json.dumps(json.loads(tables)["activations"]["erf"]))
    assert len(text) + (len(RECORDS) - 2) * one < 1e6


def test_installs_contain_the_templates():
    """The folder is in the package data, and in the source distribution's manifest."""
    root = Path(__file__).parents[2]
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert settings["glorotlab.explorer"] == ["templates/*"]
    assert "graft glorotlab/explorer/templates" in (root / "MANIFEST.in").read_text()
    assert {path.name for path in page.TEMPLATES.iterdir()} == {*page.SCRIPTS, "explorer.html.jinja", "explorer.css"}
