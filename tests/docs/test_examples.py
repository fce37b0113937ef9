"""Every public name shows in an example what it is for, and every example prints what it says."""

import doctest
import inspect
import re
from operator import attrgetter
from pathlib import Path

import pytest
from optional import optional
from public_face import NAMES, TORCH_NAMES

import glorotlab

OURS = [name for name in NAMES if name != "torch"]
FINDER = doctest.DocTestFinder()
PROMPT = re.compile(r"^ *>>> ", re.MULTILINE)


def docstrings(name):
    """Return what doctest reads in the docstrings of a public name, and of the methods where it is a class."""
    place = f"glorotlab.{name}"
    return {test.name: test for test in FINDER.find(attrgetter(name)(glorotlab), place, globs={})}


def methods_of(name):
    """Return the names of the public methods that a class of glorotlab defines itself."""
    value = attrgetter(name)(glorotlab)
    kinds = (classmethod, staticmethod)
    members = vars(value).items() if inspect.isclass(value) else ()
    return [key for key, it in members if key[0] != "_" and (inspect.isfunction(it) or isinstance(it, kinds))]


@pytest.mark.parametrize("name", [*OURS, *TORCH_NAMES])
def test_a_name_and_its_methods_are_shown(name):
    """A name has an example of its own; a method is called there, or in one of its own."""
    found = docstrings(name)
    assert found[f"glorotlab.{name}"].examples
    code = "\n".join(example.source for test in found.values() for example in test.examples)
    assert [method for method in methods_of(name) if not re.search(rf"\.{method}\(", code)] == []


@pytest.mark.parametrize("name", OURS)
def test_the_examples_of_a_name_run(name, tmp_path, monkeypatch):
    run(name, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", TORCH_NAMES)
def test_the_examples_of_gl_torch_run(name, tmp_path, monkeypatch):
    optional("torch", "TORCH")
    run(name, tmp_path, monkeypatch)


def test_no_example_is_left_out():
    sources = Path(glorotlab.__file__).parent.rglob("*.py*")
    written = sum(len(PROMPT.findall(path.read_text(encoding="utf-8"))) for path in sources if path.suffix != ".pyc")
    assert written == sum(len(test.examples) for name in [*OURS, *TORCH_NAMES] for test in docstrings(name).values())


def run(name, folder, monkeypatch):
    """Run each docstring's examples by themselves, as a user would type them; they leave no file behind."""
    monkeypatch.chdir(folder)
    runner, said = doctest.DocTestRunner(verbose=False), []
    for test in docstrings(name).values():
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)
    assert list(folder.iterdir()) == []
