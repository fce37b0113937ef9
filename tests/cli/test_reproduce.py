"""glorotlab reproduce; the experiments are stood in for, so that this tests the command alone."""

import math
import sys
import types

import pytest
from command_line import parsed

from glorotlab.cli.main import main


@pytest.fixture
def experiments(monkeypatch):
    """Two experiments, one of which fails a claim."""
    calls, makers = [], []
    item = types.SimpleNamespace
    names = ("figure6", "table1")
    catalogue = {name: item(name=name, title=f"Title of {name}", source="a paper", effort=1) for name in names}

    def reproduce(targets, scale, out, progress, *, workers, scheduler):
        calls.append((list(targets), scale, out))
        makers.append((workers, scheduler))
        for name in targets:
            progress(name, 1, 2)
        verdicts, numbers = {"figure6": "pass", "table1": "fail"}, {"ratio": 1.25, "z": math.nan}
        claims = [
            item(
                experiment=name,
                sentence=f"{name} holds",
                verdict=verdict,
                numbers=numbers,
                explanation="because",
                control="fail",
                swap="a and b exchanged",
            )
            for name, verdict in verdicts.items()
            if name in targets
        ]
        return item(claims=claims, page=out / "report.html", seconds=1.5)

    monkeypatch.setitem(sys.modules, "glorotlab.experiments.catalogue", item(CATALOGUE=catalogue))
    monkeypatch.setitem(sys.modules, "glorotlab.report.reproduce", item(reproduce=reproduce))
    return calls


def test_reproduce_runs_every_target_and_prints_the_claims(run, experiments, tmp_path):
    text = run("reproduce", "--out", tmp_path)
    assert experiments == [(["figure6", "table1"], "quick", tmp_path)]
    for part in (
        "figure6 holds",
        "pass",
        "table1 holds",
        "fail",
        "ratio: 1.25",
        "1.5 s",
        str(tmp_path / "report.html"),
    ):
        assert part in text
    assert "1 pass, 1 fail, 0 undecided" in text


def test_reproduce_is_strict_when_asked(run, experiments, tmp_path):
    run("reproduce", "--out", tmp_path, "--strict", code=1)
    run("reproduce", "figure6", "--out", tmp_path, "--strict")
    assert experiments[-1][0] == ["figure6"]


def test_reproduce_as_json(run, experiments, tmp_path):
    found = parsed(run("reproduce", "table1", "--out", tmp_path, "--json"))
    assert found["claims"][0]["numbers"] == {"ratio": 1.25, "z": None}
    assert (found["seconds"], found["page"]) == (1.5, str(tmp_path / "report.html"))


def test_reproduce_lists_its_targets(run, experiments):
    assert "Title of table1" in run("reproduce", "--list")
    assert [row["name"] for row in parsed(run("reproduce", "--list", "--json"))["targets"]] == ["figure6", "table1"]
    assert experiments == []


def test_reproduce_refuses_what_there_is_not(experiments, capsys):
    for arguments, said in ((["figure9"], "unknown target 'figure9'"), (["--scale", "vast"], "unknown scale 'vast'")):
        assert main(["reproduce", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith(f"glorotlab: error: {said}: allowed are")
        assert (captured.err.count("\n"), captured.out) == (1, "")
    assert experiments == []
