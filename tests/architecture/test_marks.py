"""The list of marks names tests that exist, and the seeds of GLOROTLAB_TEST_SEED are what it says."""

from pathlib import Path

import pytest
from marks import MARKS
from seeds import test_seeds as seeds

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("mark", MARKS)
def test_marked_tests_exist(mark):
    places = [place.partition("::") for place in MARKS[mark]]
    text = {file: (TESTS / file).read_text(encoding="utf-8") for file, _, _ in places}
    assert [(file, name) for file, _, name in places if name and f"def {name}(" not in text[file]] == []


def test_every_mark_is_registered(pytestconfig):
    registered = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    assert set(MARKS) <= registered


@pytest.mark.parametrize(
    ("text", "expected"), [(None, [0]), ("7", [7]), ("3-5", [3, 4, 5]), ("all", list(range(100)))], ids=str
)
def test_seeds(text, expected):
    assert seeds(text) == expected
    assert seeds("any")[0] in range(100)


@pytest.mark.parametrize("text", ["", "100", "5-3", "-1", "none"])
def test_other_seeds_are_refused(text):
    with pytest.raises(ValueError, match="GLOROTLAB_TEST_SEED"):
        seeds(text)
