"""The program in a process of its own, and strict reading of the JSON it prints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import glorotlab

# Found from any folder, and with an output that is buffered, as users have it.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(glorotlab.__file__).parents[1]), "PYTHONUNBUFFERED": ""}


def python(*arguments):
    """Run Python and return the finished process with its output as text."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)  # noqa: S603


def parsed(text):
    """Read JSON as a strict reader does: NaN and infinities are refused."""
    return json.loads(text, parse_constant=_refuse)


def _refuse(name):
    raise AssertionError(f"{name} in JSON")
