"""Fixtures of the command line's tests."""

import math

import pytest

from glorotlab.cli import progress
from glorotlab.cli.main import main


@pytest.fixture(autouse=True)
def _no_lines_of_progress(monkeypatch):
    """Print no line of progress, however slow the machine is: test_progress.py has a clock of its own."""
    monkeypatch.setattr(progress, "PATIENCE", math.inf)
    monkeypatch.setattr(progress, "INTERVAL", math.inf)


@pytest.fixture
def run(capsys):
    """Return a caller of ``main`` that gives its output, having checked exit code and an empty standard error."""

    def call(*arguments, code=0):
        status = main(list(map(str, arguments)))
        captured = capsys.readouterr()
        assert (status, captured.err) == (code, "")
        return captured.out

    return call
