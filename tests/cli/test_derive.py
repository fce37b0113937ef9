"""glorotlab derive, held against the Python face."""

import pytest
from command_line import parsed

from glorotlab.cli.main import main
from glorotlab.derivations import Derivation, Outcome, Verification, derive


def test_derive_lists_names_and_titles(run):
    listing = run("derive")
    rows = parsed(run("derive", "--format", "json"))["derivations"]
    assert [row["name"] for row in rows] == list(derive())
    for row in rows:
        assert row["name"] in listing
        assert row["title"] in listing


@pytest.mark.parametrize("format", ["text", "latex", "mathml"])
def test_derive_writes_the_derivation(run, format):
    name = "backward_variance"
    assert run("derive", name, "--format", format) == getattr(derive(name), format)()


def test_sentences_fit_the_terminal(run, monkeypatch):
    """Formulas, whose lines begin further in, are as wide as they are."""
    whole = run("derive", "backward_variance")
    monkeypatch.setenv("COLUMNS", "60")
    narrow = run("derive", "backward_variance")
    assert narrow.split() == whole.split()
    assert max(len(line) for line in narrow.splitlines() if not line.startswith(" " * 7)) <= 60


def test_derive_shows_printed_and_derived_where_they_differ(run):
    differing = [name for name in derive() if derive(name).printed is not None and derive(name).difference is not None]
    assert differing
    for name in differing:
        text = run("derive", name)
        assert "printed:" in text
        assert "follows:" in text


def test_derive_verifies(run, capsys):
    assert main(["derive", "forward_variance", "--verify"]) == 0
    assert capsys.readouterr().err.startswith("forward_variance: 10 of 10 checks passed\n")
    found = parsed(run("derive", "forward_variance", "--verify", "--format", "json"))
    assert found["verification"]["passed"] is True
    assert found["steps"] == derive("forward_variance").to_dict()["steps"]


def test_a_failed_verification_is_exit_code_1(run, monkeypatch):
    failed = Verification("forward_variance", (Outcome("a statement", False),), ())
    monkeypatch.setattr(Derivation, "verify", lambda self: failed)
    found = parsed(run("derive", "forward_variance", "--verify", "--format", "json", code=1))
    assert found["verification"] == {
        "passed": False,
        "checks": [{"statement": "a statement", "passed": False}],
    }
