"""The look of every picture: colors that color-blind readers tell apart, sizes, finished axes."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.typing import ColorType

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")
"""Palette of Okabe & Ito (2008) for categories; yellow comes last, as it is faint on white."""

DPI = 130
"""Dots per inch of every picture."""

MOST_LAYERS = 12
"""Largest number of layers in a legend."""

PREDICTION: dict[str, Any] = {"linestyle": "-", "linewidth": 1.6}
MEASUREMENT: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 4.5, "elinewidth": 1.2, "capsize": 2.5}
PAPER: dict[str, Any] = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 8,
    "markerfacecolor": "none",
    "markeredgewidth": 1.4,
}


class Picture(Figure):
    """A figure that draws without a display, and shows itself in a notebook without further imports."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        target = BytesIO()
        self.savefig(target, format="png")
        return target.getvalue()


def new_figure(rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.5, 4.5), **grid: Any) -> Figure:
    """Return a figure of rows x columns axes that draws without a display; ``figure.axes`` lists them row by row."""
    figure = Picture(figsize=size, dpi=DPI, layout="constrained")
    figure.subplots(rows, columns, **grid)
    return figure


def layer_colors(layers: int) -> list[ColorType]:
    """Return one color a layer, from dark (next to the input) to light, equally spaced in lightness (viridis)."""
    return [colormaps["viridis"](at) for at in np.linspace(0.0, 0.85, max(layers, 2))][:layers]


def layer_handles(layers: int, shown: Sequence[int]) -> list[Artist]:
    """Return legend entries of layers, the places ``shown`` of as many, thinned out where they are many."""
    colors = layer_colors(layers)
    thinned = shown[:: max(1, -(-len(shown) // MOST_LAYERS))]
    return [handle(f"layer {place + 1}", colors[place], linewidth=4) for place in thinned]


def finish(ax: Axes, title: str, xlabel: str, ylabel: str) -> Axes:
    """Label axes, thin the frame, draw a faint grid."""
    ax.set_title(title, fontsize=10.5, loc="left")
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def log_ticks(ax: Axes) -> None:
    """Make the y axis logarithmic with plain numbers at 1, 2 and 5 of every decade."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def layer_ticks(ax: Axes, layers: int) -> None:
    """Put whole numbers on the x axis, one a layer."""
    step = max(1, layers // 10)
    ax.set_xticks(range(1, layers + 1, step))
    ax.set_xlim(0.6, layers + 0.4)


def handle(label: str, color: ColorType = "0.25", **style: Any) -> Line2D:
    """Return a legend entry of its own, drawn nowhere."""
    return Line2D([], [], color=color, label=label, **style)
