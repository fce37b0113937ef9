"""Progress where there is no terminal: few lines, each with the time left, none for quick work."""

import re

import pytest

from glorotlab.cli import progress
from glorotlab.cli.main import main
from glorotlab.cli.progress import ProgressLines, duration, progress_bar, progress_bars

EXAMPLES = ("--dataset", "shapeset", "--examples", "3", "--seeds", "2")


class Clock:
    """Seconds that pass only where a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """A clock, and the module's own constants instead of conftest's."""
    monkeypatch.setattr(progress, "PATIENCE", 2.0)
    monkeypatch.setattr(progress, "INTERVAL", 10.0)
    return Clock()


def follow(clock, calls, efforts=None):
    """Return the lines of (seconds that pass, name, done, total)."""
    lines = []
    update = ProgressLines(lines.append, clock, efforts)
    for seconds, *call in calls:
        clock.now += seconds
        update(*call)
    return lines


def test_quick_work_prints_nothing(clock):
    assert follow(clock, [(0, "measuring", 0, 2), (0.9, "measuring", 1, 2), (0.9, "measuring", 2, 2)]) == []


def test_a_part_that_ends_is_a_line(clock):
    calls = [(0, "predicting", 0, 1), (75, "predicting", 1, 1), (0, "measuring", 0, 2), (3, "measuring", 2, 2)]
    assert follow(clock, calls) == ["predicting: finished in 1 min 15 s", "measuring: finished in 3 s"]


def test_a_part_that_is_long_is_a_line_every_ten_seconds(clock):
    """1,000 steps of .1 s, each reported: nine lines and one at the end, by hand 9 left after 1 of 10 and so on."""
    lines = follow(clock, [(0, "training", 0, 1000)] + [(0.1, "training", done, 1000) for done in range(1, 1001)])
    assert len(lines) == 10
    assert lines[0].startswith("training: 10")
    assert lines[0].endswith(" of 1000 in 10 s, about 1 min 30 s left")
    assert lines[-1] == "training: finished in 1 min 40 s"


def test_what_was_done_before_is_no_speed(clock):
    """A resumed run begins at 900 of 1,000: 20 steps took 20 s, 80 are left."""
    lines = follow(clock, [(0, "training", 900, 1000), (20, "training", 920, 1000)])
    assert lines == ["training: 920 of 1000 in 20 s, about 1 min 20 s left"]
    assert follow(clock, [(0, "training", 900, 1000), (20, "training", 900, 1000)]) == ["training: 900 of 1000 in 20 s"]


def test_steps_of_another_kind_have_a_speed_of_their_own(clock):
    """The first half took 30 s, whatever its steps; then 500 steps took 10 s, and 4,501 are left."""
    calls = [(0, "a", 0, 1), (30, "a", 500, 1000), (0, "a", 5000, 10001), (10, "a", 5500, 10001)]
    assert follow(clock, calls)[-1] == "a: 5500 of 10001 in 40 s, about 1 min 30 s left"


def test_lines_become_rarer(clock):
    """A step a second for a day: ten lines, then one for every tenth added to the time, ln 864 / ln 1.1 = 71."""
    lines = follow(clock, [(0, "a", 0, 10**6)] + [(1, "a", done, 10**6) for done in range(1, 86_401)])
    assert 70 < len(lines) < 85


def test_the_time_left_in_all_follows_the_efforts(clock):
    """The first target takes 3 of 10 units: after its 30 s 70 are left; the second's half, 2 of the 7, took 20 s."""
    calls = [(0, "a", 0, 1), (30, "a", 1, 1), (0, "b", 0, 2), (20, "b", 1, 2), (20, "b", 2, 2), (30, "c", 1, 1)]
    assert follow(clock, calls, {"a": 3, "b": 4, "c": 3}) == [
        "a: finished in 30 s; about 1 min 10 s left in all",
        "b: 1 of 2 in 20 s, about 20 s left; about 50 s left in all",
        "b: finished in 40 s; about 30 s left in all",
        "c: finished in 0 s",
    ]


def test_a_part_ends_once(clock):
    assert len(follow(clock, [(0, "a", 0, 1), (5, "a", 1, 1), (5, "a", 1, 1), (50, "a", 0, 1)])) == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.6, "1 h 0 min"), (7380, "2 h 3 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("json", [False, True])
def test_compare_reports_prediction_and_measurement(json, monkeypatch, capsys):
    """Lines go to standard error alone, and results are the same without them."""
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    arguments = ["compare", "1024,5,9", *EXAMPLES, "--no-bands", *["--json"] * json]
    assert main(arguments) == 0
    output, lines = capsys.readouterr()
    assert [line.partition(":")[0] for line in lines.splitlines()] == ["predicting", "measuring"]
    assert main([*arguments, "--quiet"]) == 0
    assert capsys.readouterr() == (output, "")


def bars(monkeypatch, capsys, **variables):
    """Return what a terminal is sent of two parts, for environment variables."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    with progress_bars() as update:
        update("figure_6", 1, 4)
        update("figure_7", 0, 1)
    return capsys.readouterr().err


def test_a_terminal_gets_bars(monkeypatch, capsys):
    error = bars(monkeypatch, capsys)
    assert "figure_6" in error
    assert "1/4" in error
    assert "\x1b[32m" in error


def test_bars_without_colour_still_move(monkeypatch, capsys):
    """The cursor goes up (A), lines are erased (K), the cursor is hidden and shown (l, h); no code has a color (m)."""
    error = bars(monkeypatch, capsys, NO_COLOR="1")
    assert "1/4" in error
    assert set(re.findall(r"\x1b\[[0-9;?]*([A-Za-z])", error)) == set("AKlh")


def test_a_terminal_that_knows_no_codes_gets_lines(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    assert bars(monkeypatch, capsys, TERM="dumb") == "figure_6: 1 of 4 in 0 s\nfigure_7: 0 of 1 in 0 s\n"


def test_one_bar_has_one_name(clock, monkeypatch, capsys):
    monkeypatch.setattr("time.monotonic", clock)
    with progress_bar("training") as report:
        report(0, 4)
        clock.now += 12
        report(3, 4)
    assert capsys.readouterr().err == "training: 3 of 4 in 12 s, about 4 s left\n"
