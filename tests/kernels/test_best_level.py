"""The level that is chosen from measured times, which are given here, and what is kept of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glorotlab.kernels import best_level, simd

FAST, SLOW = [0.7, 0.71, 0.7, 0.69, 0.7], [1.2, 1.21, 1.19, 1.3, 1.2]
"""Times at AVX-512 over those at AVX2."""


@pytest.fixture(autouse=True)
def state(monkeypatch, tmp_path):
    """A machine that has both levels, and a folder of state; the level in use and its reason are put back."""
    before = simd.get_level()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(simd, "NAMED", "")
    for name in ("_reason", "_chosen"):
        monkeypatch.setattr(best_level, name, getattr(best_level, name))
    if best_level.WIDE not in simd.LEVELS:  # any two of one that has fewer
        monkeypatch.setattr(best_level, "WIDE", simd.LEVELS[-1])
        monkeypatch.setattr(best_level, "NARROW", simd.LEVELS[0])
    yield tmp_path / "glorotlab" / "simd"
    simd.set_level(before)


def times(monkeypatch, ratios):
    """Let the machine measure these; return the list of measurements."""
    measured = []

    def measure():
        measured.append(ratios)
        return list(ratios)

    monkeypatch.setattr(best_level, "measure", measure)
    return measured


@pytest.mark.parametrize(
    ("ratios", "is_narrow"),
    [
        (FAST, False),
        (SLOW, True),
        ([1.0] * 5, False),
        ([1.05] * 5, False),
        ([1.06] * 5, True),
        ([9.0, 9.0, 1.04, 9.0, 9.0], False),  # one round that other programs did not disturb
        ([0.1, 9.0, 9.0, 9.0, 9.0], False),
    ],
    ids=str,
)
def test_the_widest_is_used_unless_the_narrower_is_clearly_faster_in_every_round(monkeypatch, ratios, is_narrow):
    times(monkeypatch, ratios)
    best_level.choose_level()
    assert simd.get_level() == (best_level.NARROW if is_narrow else best_level.WIDE)
    assert f"{best_level.WIDE} takes {min(ratios):.2f} to {max(ratios):.2f} times as long" in best_level.reason()


@pytest.mark.parametrize("ratios", [FAST, SLOW], ids=["fast", "slow"])
def test_it_is_measured_once_for_a_cpu_and_a_build(monkeypatch, state, ratios):
    measured = times(monkeypatch, ratios)
    chosen = []
    for _ in range(3):
        simd.set_level(simd.LEVELS[0])
        best_level.choose_level()
        chosen.append((simd.get_level(), best_level.reason()))
    assert len(measured) == 1
    assert len(set(chosen)) == 1
    [kept] = state.iterdir()
    assert kept.read_text() == " ".join(map(str, ratios)) + "\n"
    monkeypatch.setattr(simd, "cpu", lambda: "another/CPU (R) @ 2 GHz")
    best_level.choose_level()
    monkeypatch.setattr(best_level, "__version__", "9.9")
    best_level.choose_level()
    assert len(measured) == len(list(state.iterdir())) == 3
    assert all(path.parent == state for path in state.iterdir())


def link_to_numbers(path):
    """Whoever may write there decides, and it is not our file."""
    elsewhere = path.parents[1] / "elsewhere"
    elsewhere.write_text(" ".join(map(str, SLOW)))
    path.symlink_to(elsewhere)


DAMAGE = {
    "empty": lambda path: path.write_text(""),
    "one round less": lambda path: path.write_text("1.2 1.2 1.2 1.2\n"),
    "one round more": lambda path: path.write_text("1.2 " * 6),
    "no numbers": lambda path: path.write_text("a b c d e"),
    "not a number": lambda path: path.write_text("nan 1.2 1.2 1.2 1.2"),
    "infinite": lambda path: path.write_text("inf 1.2 1.2 1.2 1.2"),
    "negative": lambda path: path.write_text("-1.2 1.2 1.2 1.2 1.2"),
    "bytes": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "a named pipe": os.mkfifo,
    "a link": link_to_numbers,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_damaged_is_measured_anew(monkeypatch, state, damage):
    measured = times(monkeypatch, FAST)
    best_level.choose_level()
    [kept] = state.iterdir()
    kept.unlink()
    DAMAGE[damage](kept)
    best_level.choose_level()
    best_level.choose_level()
    assert len(measured) == 2
    assert kept.read_text().split() == [str(ratio) for ratio in FAST]


@pytest.mark.parametrize("place", ["a file", "a folder", "a relative path", "nobody's home"])
def test_where_nothing_can_be_kept_it_is_measured_each_time(monkeypatch, state, place, tmp_path):
    """Root may write anywhere, so something is in the way."""
    measured = times(monkeypatch, SLOW)
    monkeypatch.chdir(tmp_path)
    match place:
        case "a file":
            state.parent.write_text("")
        case "a folder":
            Path(best_level._place()).mkdir(parents=True)
        case "a relative path":
            monkeypatch.setenv("XDG_STATE_HOME", "somewhere")
        case "nobody's home":
            monkeypatch.delenv("XDG_STATE_HOME")
            monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    for _ in range(2):
        best_level.choose_level()
        assert simd.get_level() == best_level.NARROW
    assert len(measured) == 2
    assert not (tmp_path / "~").exists()
    assert not (tmp_path / "somewhere").exists()


def test_of_two_processes_that_measure_the_first_decides_for_both(monkeypatch):
    def measure():
        best_level._remember(SLOW)  # another process, meanwhile
        return FAST

    monkeypatch.setattr(best_level, "measure", measure)
    best_level.choose_level()
    assert simd.get_level() == best_level.NARROW


def test_a_level_that_is_named_is_used_and_nothing_measured(monkeypatch, state):
    measured = times(monkeypatch, SLOW)
    simd.set_level(best_level.WIDE)
    monkeypatch.setattr(simd, "NAMED", best_level.WIDE)
    best_level.choose_level()
    assert (simd.get_level(), best_level.reason()) == (best_level.WIDE, "named by GLOROTLAB_SIMD")
    assert not measured
    assert not state.exists()


def test_without_avx512_the_widest_is_used_and_nothing_measured(monkeypatch):
    measured, before = times(monkeypatch, SLOW), simd.get_level()
    monkeypatch.setattr(best_level, "WIDE", "avx512 that this machine lacks")
    best_level.choose_level()
    assert (simd.get_level(), best_level.reason(), measured) == (before, "the widest of this machine", [])


@pytest.mark.skipif(len(simd.LEVELS) == 1, reason="this machine has one level")
def test_a_level_that_a_program_sets_is_said_to_be_so(monkeypatch):
    times(monkeypatch, FAST)
    best_level.choose_level()
    simd.set_level(best_level.NARROW)
    assert best_level.reason() == "set by this program"


def test_levels_take_turns_while_they_are_measured_and_the_one_in_use_stays(monkeypatch):
    """However the measurement ends."""
    seen, inner, before = [], simd.set_level, simd.get_level()
    monkeypatch.setattr(simd, "set_level", lambda level: (seen.append(level), inner(level)))
    monkeypatch.setattr(best_level, "WARM_UP", 0.0)
    monkeypatch.setattr(best_level, "SPAN", 1e-6)
    ratios = best_level.measure()
    assert seen == [best_level.WIDE, best_level.NARROW] * best_level.ROUNDS + [before]
    assert len(ratios) == best_level.ROUNDS
    assert all(0 < ratio < float("inf") for ratio in ratios)

    def interrupt(level, step):
        inner(simd.LEVELS[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(best_level, "_least_seconds", interrupt)
    with pytest.raises(KeyboardInterrupt):
        best_level.measure()
    assert simd.get_level() == before


def test_the_time_of_a_level_is_that_of_its_best_pass_after_the_warm_up(monkeypatch):
    """On a clock that advances by given seconds at each pass: the shortest is in the warm-up, and does not count.

    Nor does what comes after the span, and where one pass takes all of it, others are timed nevertheless.
    """
    clock = [7.0]
    monkeypatch.setattr(best_level.time, "thread_time", lambda: clock[0])

    def least(*passes):
        left = iter(passes)

        def step():
            clock[0] += next(left)

        return best_level._least_seconds(simd.get_level(), step)

    assert least(1e-6, 9e-4, 2e-4, *[3e-4] * 6, 5e-4, 4e-4, 1e-9) == pytest.approx(3e-4)
    assert least(1e-6, 1.0, 5e-4, 4e-4, *[6e-4] * 6, 1e-9) == pytest.approx(4e-4)


@pytest.mark.skipif("avx512" not in simd.LEVELS, reason="this CPU has no AVX-512")
@pytest.mark.parametrize("named", ["", "avx512", "sse2"])
def test_a_process_begins_at_the_level_that_was_kept_unless_another_is_named(monkeypatch, named):
    times(monkeypatch, SLOW)
    best_level.choose_level()
    code = "from glorotlab.kernels import best_level, simd; print(simd.get_level(), best_level.reason())"
    environment = os.environ | {"GLOROTLAB_SIMD": named}
    answer = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)  # noqa: S603
    assert answer.split()[:2] == ([named, "named"] if named else ["avx2", "measured:"])
