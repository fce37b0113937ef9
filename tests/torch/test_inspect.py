"""glorotlab inspect: a factory of the user's own, verdicts per module, JSON, the report, one line for what is wrong."""

import sys

import numpy as np
import pytest
from command_line import parsed

from glorotlab.cli.factory import made_by
from glorotlab.cli.main import main
from glorotlab.errors import InvalidValueError

pytestmark = pytest.mark.torch

MODEL = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 5))


class Wrong(nn.Module):
    def __init__(self):
        raise ValueError("no such <width>\\nand more")


NUMBER = 3
MADE = make()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the user's, with a module and a batch."""
    (tmp_path / "own_models.py").write_text(MODEL)
    (tmp_path / "angry_models.py").write_text("\nraise KeyError('width')\n")
    (tmp_path / "broken_models.py").write_text("import torch\nimport no_such_package_of_theirs\n")
    x, y = np.random.default_rng(0).normal(size=(40, 20)).astype("float32"), np.arange(40) % 5
    np.savez(tmp_path / "batch.npz", x=x, y=y)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("own_models", "angry_models", "broken_models"):
        sys.modules.pop(name, None)


def test_verdicts_of_every_module(torch, folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert (
        main(
            [
                "inspect",
                "own_models:make",
                "--data",
                "batch.npz",
                "--seeds",
                "3",
                "--audit",
                "--advise",
                "--out",
                "page.html",
            ]
        )
        == 0
    )
    printed = capsys.readouterr()
    assert max(map(len, printed.out.splitlines())) <= 80
    for word in (
        "Inspected: own_models:make (Sequential); 40 examples; 3 draws of its weights",
        "agrees",
        "initialize_(model",
    ):
        assert word in printed.out
    assert "running make, your own code" in printed.err
    assert "\nweight    initializer " in printed.out
    page = (folder / "page.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert page.count("✓ agrees") > 5


def test_json_has_every_module_and_only_numbers(torch, folder, capsys):
    assert main(["inspect", "own_models:MADE", "--data", "batch.npz", "--seeds", "3", "--json", "--quiet"]) == 0
    document = parsed(capsys.readouterr().out)
    modules = {entry["module"] for entry in document["entries"]}
    assert modules == {"0", "1", "2", "3", "4"}
    assert all(entry["standard_error"] > 0 for entry in document["entries"] if entry["variable"].endswith("moment"))


def test_without_a_loss_nothing_goes_back(torch, folder, capsys):
    assert main(["inspect", "own_models:make", "--data", "batch.npz", "--loss", "none", "--json", "--quiet"]) == 0
    assert not any("gradient" in entry["variable"] for entry in parsed(capsys.readouterr().out)["entries"])


WRONG = [
    ("own_models", "allowed is PACKAGE.MODULE:FACTORY"),
    ("own models:make", "allowed is PACKAGE.MODULE:FACTORY"),
    ("no_such_models:make", "no module no_such_models in this folder"),
    ("own_models.part:make", "no module own_models.part"),
    ("own_models:absent", "has no absent"),
    ("own_models:NUMBER", "is a int"),
    ("own_models:Wrong", r"ValueError at own_models.py:13: no such <width>"),
    ("angry_models:make", "importing angry_models: KeyError at angry_models.py:2: 'width'"),
    ("broken_models:make", "ModuleNotFoundError at broken_models.py:2"),
]


@pytest.mark.parametrize(("factory", "message"), WRONG)
def test_a_wrong_factory_is_one_line(torch, folder, capsys, factory, message):
    assert main(["inspect", factory, "--data", "batch.npz"]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert message in error[-1]


def test_an_argument_of_another_kind(torch, folder):
    with pytest.raises(InvalidValueError, match="PACKAGE"):
        made_by(":make")


def test_a_model_that_is_none(torch, folder, capsys):
    (folder / "other_models.py").write_text("def make():\n    return 3\n")
    assert main(["inspect", "other_models:make", "--data", "batch.npz"]) == 2
    assert "model of type int" in capsys.readouterr().err
    sys.modules.pop("other_models", None)
