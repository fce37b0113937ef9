"""The program as a whole: a module that runs, pipes that close, JSON without NaN."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from command_line import ENVIRONMENT, parsed, python

import glorotlab
from glorotlab.cli import json_output


def test_runs_as_a_module():
    found = python("-m", "glorotlab", "--version")
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{glorotlab.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["data", "list"], ["info"]])
def test_a_closed_pipe_is_met_quietly(arguments):
    """One command prints by rich, the other plainly."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "glorotlab", *arguments]
        found = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120, env=ENVIRONMENT)  # noqa: S603
    finally:
        os.close(writer)
    assert (found.returncode, found.stderr) == (0, "")


def test_json_has_no_number_that_is_not_finite(capsys):
    json_output.print_json({"a": [math.nan, {"b": -math.inf}, 1.5, np.float64("nan")], "c": (1, None, True)})
    found = parsed(capsys.readouterr().out)
    assert found == {"schema_version": 1, "a": [None, {"b": None}, 1.5, None], "c": [1, None, True]}
