"""Every name of the public face, and every public method of its classes, describes all that goes in and comes out."""

import inspect
from operator import attrgetter

import pytest
from public_face import NAMES, TORCH_NAMES

import glorotlab

numpydoc = pytest.importorskip("numpydoc.validate", reason="the check of docstrings belongs to the ci extra")

CHECKS = {"GL03", "GL06", "GL07", "GL08", "PR01", "PR02", "PR03", "PR04", "PR05", "PR06", "PR10", "RT01", "SS03"}


def objects(name):
    """The dotted names of a public function or class, and of the methods that a class of glorotlab defines itself."""
    yield (place := f"glorotlab.{name}")
    value = attrgetter(name)(glorotlab)
    if inspect.isclass(value):
        yield from (f"{place}.{key}" for key, it in vars(value).items() if key[0] != "_" and inspect.isfunction(it))


def errors_of(place):
    report = numpydoc.validate(place)
    errors = [f"{place} {code} {text}" for code, text in report["errors"] if code in CHECKS]
    one_sentence = len(report["docstring"].strip().splitlines()) == 1 and place.count(".") > 1
    left_out = {f"{place} {code}" for code in ("PR01", "RT01")} if one_sentence else set()
    return [error for error in errors if " ".join(error.split()[:2]) not in left_out]


FUNCTIONS_AND_CLASSES = [name for name in NAMES if not inspect.ismodule(getattr(glorotlab, name))]


@pytest.mark.parametrize("name", [*FUNCTIONS_AND_CLASSES, *TORCH_NAMES])
def test_parameters_and_results_are_described(name):
    assert [error for place in objects(name) for error in errors_of(place)] == []
