"""Every error travels between processes, with what it says and what it carries."""

import copy
import importlib
import inspect
import multiprocessing
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import glorotlab as gl
from glorotlab.errors import GlorotlabError, InvalidValueError, RunFailedError, UnknownNameError

EXCEPTION = re.compile(r"^\s*class \w+\([^)]*(Error|Exception|Interrupt|Undefined|NotFound)\b", re.MULTILINE)


def own_exceptions():
    """Every exception that a module of the package defines; only modules that may have one are imported."""
    root, found = Path(gl.__file__).parent, set()
    for path in root.rglob("*.py"):
        if EXCEPTION.search(path.read_text(encoding="utf-8")):
            name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            values = vars(importlib.import_module(name)).values()
            found |= {value for value in values if inspect.isclass(value) and issubclass(value, BaseException)}
    return sorted((kind for kind in found if kind.__module__.startswith("glorotlab")), key=lambda kind: kind.__name__)


def made(kind):
    """An exception of a kind, whatever its parameters."""
    parameters = [
        parameter
        for parameter in inspect.signature(kind.__init__).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "self"
    ]
    texts = {"known": ("a", "b")}
    arguments = [texts.get(parameter.name, f"some {parameter.name}") for parameter in parameters]
    return kind(*(arguments or ["what is wrong"]))


@pytest.mark.parametrize("travel", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])  # noqa: S301
def test_every_exception_travels(travel):
    kinds = own_exceptions()
    assert {GlorotlabError, InvalidValueError, UnknownNameError, RunFailedError} <= set(kinds)
    for kind in kinds:
        error = made(kind)
        error.seen = ["where"]
        error.add_note("a note")
        again = travel(error)
        assert type(again) is kind
        assert str(again) == str(error), kind
        assert (again.args, vars(again)) == (error.args, vars(error)), kind


def test_an_error_comes_back_from_a_pool_of_processes():
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(UnknownNameError, match="unknown activation 'rleu'") as caught:
            pool.submit(gl.moments, "rleu", 1.0).result(60)
        assert (caught.value.kind, caught.value.name) == ("activation", "rleu")
        assert "relu" in caught.value.known


@pytest.mark.parametrize(
    ("asked", "known", "meant"),
    [
        ("GELU", ("relu", "gelu"), "gelu"),
        ("glorot-uniform", ("glorot_uniform", "glorot_normal"), "glorot_uniform"),
        ("shapset", ("shapeset", "mnist"), "shapeset"),
        ("xavier", ("xavier_uniform", "he_normal"), "xavier_uniform"),
        ("zzz", ("relu", "gelu"), None),
    ],
)
def test_an_unknown_name_is_answered_with_the_one_that_was_meant(asked, known, meant):
    hint = "" if meant is None else f"; did you mean {meant!r}?"
    assert (
        str(UnknownNameError("name", asked, known)) == f"unknown name {asked!r}: allowed are {', '.join(known)}{hint}"
    )
