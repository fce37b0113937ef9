"""The public face: every name it lists exists and is described, it imports nothing, and README and CI agree."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from public_face import NAMES

import glorotlab

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_exists_and_is_described(name):
    assert inspect.getdoc(getattr(glorotlab, name)), f"{name} has no docstring"
    assert name in dir(glorotlab)


def test_the_face_has_no_logic():
    """An import of lazy_loader, the version, and one assignment: nothing else."""
    body = ast.parse((ROOT / "glorotlab" / "__init__.py").read_text(encoding="utf-8")).body
    kinds = [type(node) for node in body[1:]]  # after the docstring
    assert kinds == [ast.Import, ast.Assign, ast.Assign]


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
        for name in re.findall(r"\bgl\.([A-Za-z_]+)", page.read_text(encoding="utf-8")):
            assert name in NAMES, f"{page.name}: gl.{name}"
