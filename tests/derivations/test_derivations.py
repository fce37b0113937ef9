import dataclasses
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
import sympy as sp

from glorotlab.derivations import derive
from glorotlab.derivations.engine import notation as q
from glorotlab.derivations.engine.algebra import equation
from glorotlab.errors import UnknownNameError

NAMES = (
    "forward_variance",
    "backward_variance",
    "weight_gradient_variance",
    "forward_condition",
    "backward_condition",
    "compromise",
    "equal_width",
    "standard_initialization",
    "normalized_initialization",
    "mean_singular_value",
    "lecun_initialization",
    "he_initialization",
    "nonlinear_gain",
    "finite_width_fluctuation",
    "gradient_fluctuation",
    "softmax_output_gradient",
    "single_neuron_chain",
    "explosion_interval",
)
STEPS = [(name, index) for name in NAMES for index in range(len(derive(name).steps))]


# The list of names


def test_derive_lists_every_name():
    assert derive() == NAMES
    assert all(derive(name).name == name for name in NAMES)


def test_unknown_name_is_named_with_what_is_allowed():
    with pytest.raises(UnknownNameError, match="unknown derivation 'eq5': allowed are forward_variance, "):
        derive("eq5")


def test_theory_imports_without_sympy():
    code = "import sys, glorotlab.theory; sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


# Verification


@pytest.mark.parametrize("name", NAMES)
def test_every_step_and_every_comparison_with_the_paper_is_verified(name):
    verification = derive(name).verify()
    assert verification, str(verification)
    assert len(verification.steps) == len(derive(name).steps)
    assert len(verification.conclusions) == len(derive(name).conclusions) >= 1


def verify_changed(name, index, change):
    """Verify one step with its equation changed; the steps before it are trusted, those after it left out."""
    derivation = derive(name)
    trusted = tuple(dataclasses.replace(step, check=lambda *_: True) for step in derivation.steps[:index])
    step = derivation.steps[index]
    wrong = dataclasses.replace(step, equation=equation(*change(step.equation.lhs, step.equation.rhs)))
    return dataclasses.replace(derivation, steps=(*trusted, wrong), conclusions=(), experiment=None).verify()


@pytest.mark.parametrize(
    "change",
    [
        lambda left, right: (left, 2 * right),
        lambda left, right: (left, right + 1),
        lambda left, right: (left, right * q.Width(q.i)),
        lambda left, right: (3 * left, right),
    ],
    ids=["doubled", "added", "width", "left"],
)
@pytest.mark.parametrize(("name", "index"), STEPS)
def test_a_wrong_step_fails(name, index, change):
    verification = verify_changed(name, index, change)
    assert not verification
    assert [outcome.passed for outcome in verification.steps] == [True] * index + [False]


@pytest.mark.parametrize(("name", "index"), STEPS)
def test_an_unchanged_step_passes_alone(name, index):
    assert verify_changed(name, index, lambda left, right: (left, right))


@pytest.mark.parametrize("name", ["backward_variance", "weight_gradient_variance"])
def test_the_printed_equation_in_the_place_of_the_result_fails(name):
    derivation = derive(name)
    last = len(derivation.steps) - 1
    assert not verify_changed(name, last, lambda left, right: derivation.printed.args)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_comparison_with_the_paper_fails(name):
    derivation = derive(name)
    equations = tuple(step.equation for step in derivation.steps)
    for conclusion in derivation.conclusions:
        doubled = equation(conclusion.result.lhs, 2 * conclusion.result.rhs)
        changes = [
            {"result": doubled, "factor": conclusion.factor / 2},
            {"printed": doubled},
            {"factor": 2 * conclusion.factor},
        ]
        if conclusion.printed is not None:
            changes.append({"difference": "a difference that is none" if conclusion.difference is None else None})
        for wrong in changes:
            assert not dataclasses.replace(conclusion, **wrong).holds(equations)


def test_a_wrong_comparison_is_reported():
    derivation = derive("equal_width")
    wrong = dataclasses.replace(derivation.conclusions[1], printed=derivation.printed)
    verification = dataclasses.replace(derivation, conclusions=(derivation.conclusions[0], wrong)).verify()
    assert not verification
    assert [outcome.passed for outcome in verification.conclusions] == [True, False]
    assert "eq. 14" in str(verification)


def test_a_check_that_raises_is_reported_and_not_raised():
    derivation = derive("forward_variance")
    broken = dataclasses.replace(derivation.steps[0], check=lambda claim, earlier: 1 / 0)
    verification = dataclasses.replace(derivation, steps=(broken, *derivation.steps[1:])).verify()
    assert not verification
    assert "ZeroDivisionError" in str(verification)
    assert [outcome.passed for outcome in verification.steps] == [False, True, True, True, True]


@pytest.mark.parametrize("name", NAMES)
def test_assumptions_are_cited_and_what_is_cited_is_assumed(name):
    derivation = derive(name)
    reasons = " ".join(step.reason for step in derivation.steps)
    known = {item.name for other in NAMES for item in derive(other).assumptions}
    own = {item.name for item in derivation.assumptions}
    cited = {word for word in re.findall(r"\w+", reasons) if word in known}
    inherited = set()
    for other in NAMES:
        if re.search(rf"\b{other}\b", reasons):
            inherited |= {item.name for item in derive(other).assumptions}
    assert cited <= own
    assert inherited <= own
    assert own == cited | inherited


# Output


@pytest.mark.parametrize("name", NAMES)
def test_json_round_trip(name):
    record = derive(name).to_dict()
    assert json.loads(json.dumps(record)) == record
    assert record["name"] == name
    assert len(record["steps"]) == len(derive(name).steps)


@pytest.mark.parametrize("name", NAMES)
def test_mathml_parses_and_holds_every_equation(name):
    root = ET.fromstring(derive(name).mathml())  # noqa: S314
    space = "{http://www.w3.org/1998/Math/MathML}"
    assert root.tag == f"{space}math"
    equations = [row for row in root.iter(f"{space}mtd") if row[0].tag != f"{space}mtext"]
    compared = sum(item.printed is not None and item.difference is not None for item in derive(name).conclusions)
    assert len(equations) == len(derive(name).steps) + 3 * compared
    assert "product" not in "".join(text for row in equations for text in row.itertext())


@pytest.mark.parametrize("name", NAMES)
def test_latex_is_balanced_and_words_hold_no_raw_mathematics(name):
    fragment = derive(name).latex()
    assert fragment.count("{") == fragment.count("}")
    assert fragment.count(r"\left") == fragment.count(r"\right")
    assert re.findall(r"\\begin{(\w+)}", fragment) == re.findall(r"\\end{(\w+)}", fragment)
    words = re.sub(r"\\\[.*?\\\]|\$.*?\$", "", fragment)
    assert "$" not in words
    assert not re.search(r"[_^%#]|(?<!\\)&", words)


@pytest.mark.parametrize("name", NAMES)
def test_text_and_notebook_show_the_result(name):
    derivation = derive(name)
    shown = derivation._repr_latex_()
    assert all(sp.latex(item.result) in shown for item in derivation.conclusions)
    text = derivation.text()
    assert all(item.label in text for item in derivation.conclusions)
    assert all(assumption.name in text for assumption in derivation.assumptions)
