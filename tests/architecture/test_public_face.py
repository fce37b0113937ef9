"""The public face: every name it lists exists and is described, it imports nothing, and README and CI agree."""

import ast
import inspect
import re
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest
from public_face import NAMES, TORCH_NAMES

import glorotlab

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", [*NAMES, *TORCH_NAMES])
def test_a_public_name_exists_and_is_described(name):
    assert inspect.getdoc(attrgetter(name)(glorotlab)), f"{name} has no docstring"
    assert name in dir(glorotlab) or name.removeprefix("torch.") in dir(glorotlab.torch)


def test_the_face_has_no_logic():
    """An import of lazy_loader, the version, and one assignment: nothing else."""
    for folder, expected in (("", [ast.Import, ast.Assign, ast.Assign]), ("torch", [ast.Import, ast.Assign])):
        body = ast.parse((ROOT / "glorotlab" / folder / "__init__.py").read_text(encoding="utf-8")).body
        assert [type(node) for node in body[1:]] == expected  # after the docstring


def test_the_names_of_gl_torch_are_there_without_pytorch():
    names = ", ".join(f"gl.{name}" for name in ("torch", *TORCH_NAMES))
    program = f"import glorotlab as gl, sys; {names}; print('torch' in sys.modules)"
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    assert result.stdout == "False\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = glorotlab.no_such_name


def test_ci_runs_the_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python -m pip install .*$", readme, flags=re.MULTILINE)
    assert len(commands) == 2
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in commands:
        assert command in script


def test_the_examples_of_the_readme_name_what_exists():
    """Every ``gl.name`` of the README and the docs is in the public face."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for name in re.findall(r"\bgl\.((?:torch\.)?[A-Za-z_]+)", page.read_text(encoding="utf-8")):
            assert name in NAMES + TORCH_NAMES, f"{page.name}: gl.{name}"
