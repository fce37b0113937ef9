"""The written forms: text, LaTeX, MathML and JSON."""

import dataclasses
import json
import re
import xml.etree.ElementTree as ET

import pytest
import sympy as sp

from glorotlab.derivations import derive
from glorotlab.derivations.engine import notation as q
from glorotlab.derivations.engine.rendering import _latex

SPACE = "{http://www.w3.org/1998/Math/MathML}"
CARRIED = [(name, item) for name in derive() for item in (None, *sorted(derive(name).carries))]
STOPPED = [
    (name, item.name) for name in derive() for item in derive(name).assumptions if item.name not in derive(name).carries
]


def without(name, assumption):
    return derive(name) if assumption is None else derive(name, without=assumption)


def formulas(derivation):
    """Return every formula that a written form holds, in its order."""
    yield from (step.equation for step in derivation.steps)
    for conclusion in derivation.conclusions:
        if conclusion.printed is not None and conclusion.difference is not None:
            yield from (conclusion.printed, conclusion.result, conclusion.factor)


@pytest.mark.parametrize("name", derive())
def test_json_round_trip(name):
    record = derive(name).to_dict()
    assert json.loads(json.dumps(record)) == record
    assert record["name"] == name
    steps = derive(name).steps
    assert [step["name"] for step in record["steps"]] == [step.name for step in steps]
    assert [step["reason"] for step in record["steps"]] == [step.reason for step in steps]
    assert [step["uses"] for step in record["steps"]] == [[item.name for item in step.uses] for step in steps]
    assert [tuple(step["follows"]) for step in record["steps"]] == [step.follows for step in steps]


def counts(latex):
    """Return how often elements stand for what a formula in LaTeX holds."""
    return {
        "mfrac": latex.count(r"\frac"),
        "msqrt": latex.count(r"\sqrt"),
        "∏": latex.count(r"\prod"),
        "∑": latex.count(r"\sum"),
        "∫": latex.count(r"\int"),
        "Var": latex.count("{Var}"),
        "(": latex.count(r"\left("),
        "[": latex.count(r"\left["),
        "=": latex.count("="),
    }


@pytest.mark.parametrize(("name", "assumption"), CARRIED)
def test_mathml_is_well_formed_and_holds_every_equation(name, assumption):
    derivation = without(name, assumption)
    root = ET.fromstring(derivation.mathml())  # noqa: S314
    assert root.tag == f"{SPACE}math"
    assert len(list(root.iter(f"{SPACE}math"))) == 1
    cells = root.findall(f"./{SPACE}mtable/{SPACE}mtr/{SPACE}mtd")  # a sum over two indices is a table of its own
    rows = [row for row in cells if row[0].tag != f"{SPACE}mtext"]
    expected = list(formulas(derivation))
    assert len(rows) == len(expected)
    for row, formula in zip(rows, expected, strict=True):
        texts = [element.text for element in row.iter() if element.text]
        assert not any("\\" in text or "{" in text for text in texts)
        found = {tag: len(list(row.iter(SPACE + tag))) for tag in ("mfrac", "msqrt")}
        found |= {sign: texts.count(sign) for sign in ("∏", "∑", "∫", "Var", "(", "[", "=")}
        assert found == counts(_latex(formula))


def test_mathml_of_equation_6_is_written_under_and_over_its_product_sign():
    derivation = derive("backward_variance")
    root = ET.fromstring(derivation.mathml())  # noqa: S314
    (product, *_) = [node for node in root.iter(f"{SPACE}munderover") if node[0].text == "∏"]
    assert ["".join(part.itertext()) for part in product] == ["∏", "i′=i+1", "d"]


def test_indices_that_are_words_are_set_as_words():
    formula = sp.Symbol("u_larger") * q.Width(q.i) / sp.Symbol("mu_log")
    assert _latex(formula) == r"\frac{u_{\text{larger}} n_{i}}{\mu_{\text{log}}}"


def check_latex(fragment):
    """Check that a fragment is displays alone, which LaTeX and MathJax set, of formulas and words without escapes."""
    assert fragment.count("{") == fragment.count("}")
    assert fragment.count(r"\left") == fragment.count(r"\right")
    assert re.findall(r"\\begin{(\w+)}", fragment) == re.findall(r"\\end{(\w+)}", fragment)
    displays = re.findall(r"\\\[\n\\begin{aligned}\n(.*?)\n\\end{aligned}\n\\\]\n", fragment, flags=re.DOTALL)
    assert sum(map(len, displays)) + len(displays) * len("\\[\n\\begin{aligned}\n\n\\end{aligned}\n\\]\n") == len(
        fragment
    )
    lines = [line for display in displays for line in display.split(" \\\\\n")]
    assert all(re.match(r"& (\\quad )?\\text{.*}$|& \\qquad ", line) for line in lines), lines
    words = [re.sub(r"\$.*?\$", "", line.partition(r"\text{")[2]) for line in lines if not line.startswith(r"& \qquad")]
    assert not re.search(r"[_^%#$&~<>|\\]", "".join(words)), words
    assert max(len(line) for line in words) < 110  # a page holds it


@pytest.mark.parametrize(("name", "assumption"), CARRIED)
def test_latex_is_balanced_and_words_hold_no_raw_mathematics(name, assumption):
    check_latex(without(name, assumption).latex())


@pytest.mark.parametrize(("name", "assumption"), STOPPED)
def test_why_a_derivation_stops_is_written_in_every_form(name, assumption):
    """Its steps are those of the full derivation, which are written above: they are left out."""
    stopped = dataclasses.replace(derive(name, without=assumption), steps=())
    check_latex(stopped.latex())
    root = ET.fromstring(stopped.mathml())  # noqa: S314
    assert stopped.stopped in "".join(root.itertext())
    assert stopped.to_dict()["stopped"] == stopped.stopped


@pytest.mark.parametrize("name", derive())
def test_text_and_notebook_show_the_result(name):
    derivation = derive(name)
    shown = derivation._repr_latex_()
    assert shown.count("$$") == 2 * (1 + len(derivation.steps) + len(derivation.conclusions))
    assert all(_latex(item.result) in shown for item in derivation.conclusions)
    assert all(_latex(step.equation) in shown for step in derivation.steps)
    assert all(f"{number}. {step.name.replace('_', ' ')}" in shown for number, step in enumerate(derivation.steps, 1))
    text = derivation.text()
    assert all(item.label in text for item in derivation.conclusions)
    assert all(assumption.name in text for assumption in derivation.assumptions)
    words = " ".join(text.split())
    for number, step in enumerate(derivation.steps, start=1):
        assert f"{number}. {step.name}: {' '.join(step.statement.split())}" in words
        assert f"[{step.reason}]" in words
