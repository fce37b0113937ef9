"""The cost of a step against the number of weights, with the roofline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from glorotlab.benchmarking.bench import Benchmark
from glorotlab.benchmarking.step import CaseTiming, SideTiming
from glorotlab.plotting.style import OKABE_ITO, finish, log_ticks, new_figure

MARKERS = "osD^vPX*"
"""Markers of the implementations, one for each color."""


def draw_costs(benchmark: Benchmark) -> Figure:
    """Draw milliseconds a step of every side against the weights, and below them the CPU time of all threads.

    There is a column of two panels for each number of threads. Only cases of the batch and dtype that most cases have
    are drawn, which the title names; cases at all SIMD levels are drawn only where there are no others. Bars are
    quartiles of the ratio to glorotlab, times glorotlab's median.

    Parameters
    ----------
    benchmark : Benchmark
        At least one case has been timed.
    """
    timings = [timing for timing in benchmark.timings if not timing.case.every_level] or benchmark.timings
    (batch, dtype), _ = Counter((timing.case.batch, timing.case.dtype) for timing in timings).most_common(1)[0]
    chosen = [timing for timing in timings if (timing.case.batch, timing.case.dtype) == (batch, dtype)]
    threads = sorted({timing.threads for timing in chosen})
    figure = new_figure(2, len(threads), (1.5 + 4.5 * len(threads), 8), sharex=True, sharey=True, squeeze=False)
    above, below = figure.axes[: len(threads)], figure.axes[len(threads) :]
    for wall, cpu, count in zip(above, below, threads, strict=True):
        panel = sorted((timing for timing in chosen if timing.threads == count), key=lambda timing: timing.case.weights)
        _draw_times(wall, panel)
        _draw_bound(wall, panel, [benchmark.bound(timing) for timing in panel])
        _draw_cpu_times(cpu, panel)
        noun = "thread" if count == 1 else "threads"
        finish(wall, f"{count} {noun}, batch {batch}, {dtype}", "weights", "time of a training step (ms)")
        finish(cpu, "", "weights", "CPU time of a step, all threads (ms)")
    for ax in figure.axes:
        ax.set_xscale("log")
        log_ticks(ax)
        ax.label_outer()
    bound, *sides = zip(*above[0].get_legend_handles_labels(), strict=True)
    handles, labels = zip(*sides, bound, strict=True)
    figure.legend(handles, labels, loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _draw_times(ax: Any, panel: Sequence[CaseTiming]) -> None:
    for index, (name, sides) in enumerate(_sides(panel).items()):
        middle, low, high = [], [], []
        for timing, side in zip(panel, sides, strict=True):
            own = timing.sides[0].seconds
            middle.append(1e3 * side.seconds)
            low.append(1e3 * max(0.0, side.seconds - own * side.ratio_low))
            high.append(1e3 * max(0.0, own * side.ratio_high - side.seconds))
        ax.errorbar(_weights(panel), middle, (low, high), label=name, capsize=2.5, **_style(index))


def _draw_cpu_times(ax: Any, panel: Sequence[CaseTiming]) -> None:
    for index, sides in enumerate(_sides(panel).values()):
        ax.plot(_weights(panel), [1e3 * side.cpu_seconds for side in sides], **_style(index))


def _draw_bound(ax: Any, panel: Sequence[CaseTiming], bounds: Sequence[float]) -> None:
    milliseconds = [1e3 * bound for bound in bounds]
    ax.plot(_weights(panel), milliseconds, "x--", color="0.3", linewidth=1.4, markersize=5, label="roofline bound")


def _sides(panel: Sequence[CaseTiming]) -> dict[str, list[SideTiming]]:
    """Return by name the timings of each side, one for each case."""
    names = dict.fromkeys(side.name for timing in panel for side in timing.sides)
    return {name: [side for timing in panel for side in timing.sides if side.name == name] for name in names}


def _weights(panel: Sequence[CaseTiming]) -> list[int]:
    return [timing.case.weights for timing in panel]


def _style(index: int) -> dict[str, Any]:
    color, marker = OKABE_ITO[index % len(OKABE_ITO)], MARKERS[index % len(MARKERS)]
    return {"color": color, "marker": marker, "markersize": 4.5, "linewidth": 1.2}
