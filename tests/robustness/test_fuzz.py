"""What reads files and texts of others: the targets of benchmarks/robustness, a few hundred inputs each.

Every input is refused by an error of the package in one short line, or accepted and right. Inputs depend on seed and
number alone; ``python benchmarks/robustness/fuzz.py TARGET`` runs many more, and shows one again.
"""

import pytest
from benchmark_scripts import benchmark

TARGETS = {
    "idx": ("Idx", 800),
    "npz": ("Npz", 300),
    "cifar10": ("Cifar10", 150),
    "spec": ("SpecText", 300),
    "sweep": ("SweepText", 50),
    "run_folder": ("RunFolders", 100),
    "checkpoint": ("Checkpoints", 60),
    "expression": ("Expressions", 120),
    "names": ("Names", 2000),
    "command": ("Commands", 80),
}
"""Class of each target and its number of inputs, which take about a quarter of a second."""


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_is_refused_in_one_line_or_accepted_and_right(name, tmp_path):
    kind, inputs = TARGETS[name]
    target = getattr(benchmark(f"fuzz_{name}"), kind)(tmp_path)
    target.seconds = 60.0  # a hang fails; how long an input takes is no property of the code
    report = target.fuzz(inputs, megabytes=None)
    assert not report.findings, "\n\n".join(
        f"{one.kind}: {one.input!r:.1000}\n{one.details}" for one in report.findings
    )
    assert report.accepted > inputs // 50, "mutations so wild that nothing is accepted test little"
    assert report.refused > inputs // 50


class _Broken:
    """What an input does, by its number, in place of a target's work."""

    def __init__(self, harness, folder):
        class Broken(harness.Target):
            seconds = 0.05

            def make(self, rng):
                return rng.random()

            def run(self, made):
                self.deeds.pop(0)(self)

        self.target = Broken(folder)


def _raise(error):
    def deed(target):
        raise error

    return deed


def test_the_harness_sees_what_no_input_may_do(tmp_path):
    """Each deed is found, with its kind and its number, and the inputs after it still run."""
    from glorotlab.errors import InvalidValueError

    benchmark("fuzz_names")  # whose neighbors are then modules
    import harness

    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside / "victim")

    def spin(target):
        while True:
            pass

    def warn(target):
        import warnings

        warnings.warn("careful", RuntimeWarning, stacklevel=1)

    deeds = [
        (_raise(KeyError("x")), "KeyError"),
        (_raise(InvalidValueError("one line")), None),
        (_raise(InvalidValueError("two\nlines")), "several lines"),
        (_raise(InvalidValueError("9" * 2000)), "too long"),
        (_raise(InvalidValueError("")), "empty"),
        (_raise(MemoryError()), "MemoryError"),
        (spin, "Hang"),
        (warn, "RuntimeWarning: careful"),
        (lambda target: (inside / "file").write_text("x"), None),
        (lambda target: (outside / "file").write_text("x"), "outside its folder"),
        (lambda target: (inside / "link").write_text("x"), "outside its folder"),
        (lambda target: (inside / "link").unlink(), None),
        (lambda target: (outside / "file").unlink(), "outside its folder"),
        (lambda target: None, None),
    ]
    target = _Broken(harness, inside).target
    target.deeds = [deed for deed, _ in deeds]
    report = target.fuzz(len(deeds), megabytes=None)
    expected = {number: kind for number, (_, kind) in enumerate(deeds) if kind}
    assert {finding.number for finding in report.findings} == set(expected)
    for finding in report.findings:
        assert expected[finding.number] in finding.kind
    assert (report.inputs, report.accepted) == (len(deeds), 7)
