"""The best SIMD level of this machine: the widest, unless a narrower one has been measured to be clearly faster.

A CPU may have AVX-512 and gain nothing by it: with one unit for it instead of two it does no more multiply-adds in a
cycle than with AVX2, and its clock is lower meanwhile. So both are measured, once for a CPU and a build, on a layer of
the paper's kind that stays in the second cache. The measurement is kept beside the user's other state.

Another level means other bits, so chance must not choose: AVX2 is taken only where it is faster by ``CLEARLY`` in every
one of several rounds, and each round counts the best of many passes, which other programs would all have to disturb.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from glorotlab import __version__
from glorotlab.kernels import simd
from glorotlab.kernels.network import dense
from glorotlab.kernels.network.buffers import READ_TOGETHER, padded_matrix

WIDE, NARROW = "avx512", "avx2"
"""Levels that are compared if a machine has both; SSE2 is faster on no known CPU."""

ROUNDS = 5
CLEARLY = 1.05
"""Least ratio of the times of ``WIDE`` and ``NARROW``, in every round, for which ``NARROW`` is chosen."""

WARM_UP, SPAN = 1e-3, 2e-3
"""Time in seconds that a level runs before it is timed, until the clock has settled, and while it is timed."""

PASSES = 8
"""Least number of timed passes, because a clock that jumps may leave none in ``SPAN``."""

UNITS, BATCH = 256, 10
"""The layer: 256 KB of weights, which the second cache of every CPU with AVX-512 holds."""

_reason = ""
_chosen = ""


def choose_level() -> None:
    """Use the best level, unless ``GLOROTLAB_SIMD`` names one."""
    global _reason, _chosen
    _reason = "the widest of this machine"
    if simd.NAMED:
        _reason = "named by GLOROTLAB_SIMD"
    elif WIDE in simd.LEVELS:
        ratios = _recall() or _remember(measure())
        simd.set_level(NARROW if is_clearly_slower(ratios) else WIDE)
        _reason = _said(ratios)
    _chosen = simd.get_level()


def reason() -> str:
    """Return the reason for the current level."""
    return _reason if simd.get_level() == _chosen else "set by this program"


def is_clearly_slower(ratios: Sequence[float]) -> bool:
    """Return whether the times of ``WIDE`` over those of ``NARROW``, round by round, favor ``NARROW``."""
    return all(ratio > CLEARLY for ratio in ratios)


def measure() -> list[float]:
    """Return the time of ``WIDE`` over that of ``NARROW`` in each round; this takes about 30 ms and keeps the level."""
    before, step = simd.get_level(), _step_of_a_layer()
    try:
        return [_least_seconds(WIDE, step) / _least_seconds(NARROW, step) for _ in range(ROUNDS)]
    finally:
        simd.set_level(before)


def _least_seconds(level: str, step: Callable[[], None]) -> float:
    """Return the least time of a pass at a level, in CPU time of this thread."""
    simd.set_level(level)
    passes: list[float] = []
    before = time.thread_time()
    begin = before + WARM_UP
    while before < begin + SPAN or len(passes) < PASSES:
        step()
        now = time.thread_time()
        if before >= begin:
            passes.append(now - before)
        before = now
    return min(passes)


def _step_of_a_layer() -> Callable[[], None]:
    """Return a function that makes the forward pass, backward pass and update of a layer on one thread, at rate 0."""
    weight, bias = padded_matrix(UNITS, UNITS, "float32"), padded_matrix(1, UNITS, "float32")[0]
    z, s, out = (padded_matrix(BATCH, UNITS, "float32") for _ in range(3))
    d, below = (padded_matrix(BATCH, UNITS, "float32", READ_TOGETHER) for _ in range(2))
    for array in (weight, bias, z, s, d):
        array[...] = 0.5

    def step() -> None:
        dense.forward(z, weight, bias, 0, s, out, 1)
        dense.backward_update(d, weight, bias, s, z, 0, below, None, None, 0.0, 0.0, 0.0, False, 1)

    return step


def _said(ratios: Sequence[float]) -> str:
    return (
        f"measured: {WIDE} takes {min(ratios):.2f} to {max(ratios):.2f} times as long as {NARROW}, "
        f"which is used where that is more than {CLEARLY} in each of {ROUNDS} rounds"
    )


# What is kept: the ratios, in a file that is named after the CPU and the build


def _recall() -> list[float]:
    """Return the stored ratios, or none if they cannot be read or are invalid."""
    with suppress(OSError, ValueError):
        descriptor = os.open(_place(), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            ratios = [float(word) for word in os.read(descriptor, 1000).split()]
        finally:
            os.close(descriptor)
        if len(ratios) == ROUNDS and all(0 < ratio < float("inf") for ratio in ratios):
            return ratios
    return []


def _remember(ratios: list[float]) -> list[float]:
    """Store the ratios if possible; return what is stored, which may be those of another process."""
    from glorotlab import files  # takes longer to import than what was kept to read
    from glorotlab.errors import RunError

    ratios = [round(ratio, 4) for ratio in ratios]
    with suppress(OSError, ValueError, RunError):
        place = Path(_place())
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (first := _recall()):
            files.write_whole(place, " ".join(map(str, ratios)) + "\n", sync=False)
        return first or ratios
    return ratios


def _place() -> str:
    """Return the path of the file; ValueError if the user has no state folder.

    It is platformdirs' folder of Linux, whose import takes longer than all of this.
    """
    state = os.environ.get("XDG_STATE_HOME", "").strip() or os.path.expanduser("~/.local/state")
    if not os.path.isabs(state):
        raise ValueError(f"no folder of state: {state!r}")
    build = f"{simd.cpu()} {__version__} {os.stat(dense.__file__).st_size}"
    return os.path.join(state, "glorotlab", "simd", re.sub(r"[^\w.]+", "-", build).strip("-"))
