"""A few commands in hard environments, as processes; ``benchmarks/robustness/environments.py`` runs all in all."""

import pytest
from benchmark_scripts import benchmark

environments = benchmark("environments")

CASES = (("dev", "data path"), ("no streams", "train --out"), ("read-only home", "info"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("environments")
    environments.lay_out(place, runs=False)
    return place


@pytest.mark.parametrize(("name", "command"), CASES)
def test_a_command_does_in_a_hard_environment_what_it_does_in_a_plain_one(name, command, folder):
    outcome = environments.run(command, name, folder)
    assert not outcome.problem, outcome
    assert (folder / "out" / "status.json").exists() or command != "train --out"


def test_what_is_wrong_is_seen():
    """Tracebacks, warnings, codes and lines that do not go together."""
    plain, judge = environments.Environment(), environments.judge
    assert judge("info", plain, 0, "facts", "") == ""
    assert "Traceback" in judge("info", plain, 1, "", "Traceback (most recent call last):\nKeyError: 1")
    assert "Warning" in judge("info", plain, 0, "facts", "x.py:1: RuntimeWarning: overflow")
    assert judge("info", plain, 0, "", "") == "nothing on stdout"
    assert judge("bad name", plain, 0, "x", "") == "exit code 0 in place of 2"
    assert judge("bad name", plain, 2, "", "one\ntwo\n") == "2 lines on stderr"
