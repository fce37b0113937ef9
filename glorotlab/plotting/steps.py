"""Statistics over training updates: activations as mean and standard deviation, or 98th percentile."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator
from matplotlib.typing import ColorType

from glorotlab.arrays import Array


def draw_mean_and_std(
    ax: Axes, steps: Array, mean: Array, std: Array, *, color: ColorType, label: str | None = None
) -> None:
    """Draw means (step,) as points joined by a line, with bars of one standard deviation (figure 2 of the paper)."""
    draw_with_bars(ax, steps, mean, std, color=color, label=label, markersize=4, linewidth=0.8)


def draw_with_bars(ax: Axes, steps: Array, values: Array, bars: Array, **style: Any) -> None:
    """Draw values (step,) as points joined by a line, with bars of the given half-lengths."""
    ax.errorbar(steps, values, yerr=bars, marker="o", elinewidth=0.9, capsize=2, **style)


def draw_percentile_and_std(
    ax: Axes, steps: Array, percentile: Array, std: Array, *, color: ColorType, label: str | None = None
) -> None:
    """Draw 98th percentiles (step,) as markers and standard deviations as a line (figures 3 and 10 of the paper)."""
    ax.plot(steps, percentile, color=color, label=label, linestyle="none", marker="o", markersize=4)
    ax.plot(steps, std, color=color, linewidth=1.4)


def draw_start(ax: Axes, place: float, value: float, *, color: ColorType) -> None:
    """Draw what theory predicts before the first update as a cross, at ``place`` on the axis of updates."""
    ax.plot([place], [value], color=color, marker="x", markersize=8, markeredgewidth=2, zorder=5)


def update_ticks(ax: Axes) -> None:
    """Write updates as 0, 5 k, 10 k, at a handful of places."""
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.xaxis.set_major_formatter(EngFormatter(sep=" "))
