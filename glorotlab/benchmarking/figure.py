"""The cost of a step against the number of weights, with the roofline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from glorotlab.benchmarking.bench import Benchmark
from glorotlab.benchmarking.step import CaseTiming
from glorotlab.plotting.style import OKABE_ITO, finish, log_ticks, new_figure

MARKERS = "osD^vPX*"
"""Markers of the sides: as many as there are colours."""


def draw_costs(benchmark: Benchmark) -> Figure:
    """Draw milliseconds a step of every side against the weights, with a panel for each number of threads.

    Only cases of the batch and dtype that most cases have are drawn, which the title names; cases at all SIMD levels
    are drawn only where there are no others. Bars are quartiles of the ratio to glorotlab, times glorotlab's median.

    Parameters
    ----------
    benchmark : Benchmark
        At least one case has been timed.
    """
    timings = [timing for timing in benchmark.timings if not timing.case.every_level] or benchmark.timings
    (batch, dtype), _ = Counter((timing.case.batch, timing.case.dtype) for timing in timings).most_common(1)[0]
    chosen = [timing for timing in timings if (timing.case.batch, timing.case.dtype) == (batch, dtype)]
    threads = sorted({timing.threads for timing in chosen})
    figure = new_figure(1, len(threads), (1.5 + 4.5 * len(threads), 4.5), sharey=True, squeeze=False)
    for ax, count in zip(figure.axes, threads, strict=True):
        panel = sorted((timing for timing in chosen if timing.threads == count), key=lambda timing: timing.case.weights)
        _draw_panel(ax, panel, [benchmark.bound(timing) for timing in panel])
        noun = "thread" if count == 1 else "threads"
        finish(ax, f"{count} {noun}, batch {batch}, {dtype}", "weights", "time of a training step (ms)")
        ax.label_outer()
    bound, *sides = zip(*figure.axes[0].get_legend_handles_labels(), strict=True)
    handles, labels = zip(*sides, bound, strict=True)
    figure.legend(handles, labels, loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _draw_panel(ax: Any, panel: Sequence[CaseTiming], bounds: Sequence[float]) -> None:
    weights = [timing.case.weights for timing in panel]
    ax.set_xscale("log")
    log_ticks(ax)
    names = dict.fromkeys(side.name for timing in panel for side in timing.sides)
    for index, name in enumerate(names):
        middle, low, high = [], [], []
        for timing in panel:
            (side,) = (side for side in timing.sides if side.name == name)
            own = timing.sides[0].seconds
            middle.append(1e3 * side.seconds)
            low.append(1e3 * max(0.0, side.seconds - own * side.ratio_low))
            high.append(1e3 * max(0.0, own * side.ratio_high - side.seconds))
        style = {"marker": MARKERS[index % len(MARKERS)], "markersize": 4.5, "linewidth": 1.2, "capsize": 2.5}
        ax.errorbar(weights, middle, (low, high), label=name, color=OKABE_ITO[index % len(OKABE_ITO)], **style)
    ax.plot(
        weights,
        [1e3 * bound for bound in bounds],
        "x--",
        color="0.3",
        linewidth=1.4,
        markersize=5,
        label="roofline bound",
    )
