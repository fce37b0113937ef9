"""Error curves of the paper's networks, each in a color and line style of its own."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glorotlab.experiments.experiment import Results
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.glorot_bengio.common.training import Trained
from glorotlab.plotting import curves, steps
from glorotlab.plotting.style import OKABE_ITO, finish, handle, new_figure

Styles = Mapping[str, tuple[str, str]]
"""Color and line style of networks by name."""

STYLES: dict[str, tuple[str, str]] = {
    "sigmoid": (OKABE_ITO[6], "-"),
    "sigmoid_4": (OKABE_ITO[6], ":"),
    "tanh": (OKABE_ITO[1], "-"),
    "tanh_normalized": (OKABE_ITO[1], "--"),
    "softsign": (OKABE_ITO[0], "-"),
    "softsign_normalized": (OKABE_ITO[0], "--"),
    "pretrained": (OKABE_ITO[2], "-."),
}
"""Color (the activation) and line style (the initializer) of each network."""


def draw_curves(ax: Axes, results: Results, styles: Styles, dataset: str = "shapeset") -> None:
    """Draw test errors over updates, the points of the networks a little apart."""
    for place, (name, (color, linestyle)) in enumerate(styles.items()):
        key = training.key_of(name, dataset)
        updates = training.steps(results, key, "curves")
        errors = results[f"{key}_curves"]["test_error"].transpose("seed", "step").values
        shift = 0.005 * updates[-1] * (place - (len(styles) - 1) / 2)
        curves.draw_error_curve(ax, updates + shift, errors, color=color, linestyle=linestyle)
    steps.update_ticks(ax)


def legend(figure: Figure, networks: Mapping[str, Trained], styles: Styles, *more: Artist) -> None:
    """Put a legend of networks below a figure."""
    handles = [
        handle(networks[name].label, color, linestyle=linestyle, linewidth=1.6)
        for name, (color, linestyle) in styles.items()
    ]
    points = handle("measured, with standard error", marker="o", linestyle="none", markersize=3)
    figure.legend(handles=[*handles, points, *more], loc="outside lower center", ncols=3, fontsize=9, frameon=False)


def draw_one_panel(results: Results, networks: Mapping[str, Trained], styles: Styles) -> Figure:
    """Draw the error curves of networks on Shapeset-3x2 over the best constant guess."""
    figure = new_figure(size=(7.6, 5.0))
    (ax,) = figure.axes
    draw_curves(ax, results, styles)
    ax.axhline(100 * training.CHANCE, color="0.6", linewidth=1, zorder=0)
    finish(ax, "Shapeset-3x2, online training", "mini-batch updates", "test error (%)")
    legend(figure, networks, styles, handle("best constant guess", "0.6", linewidth=1))
    return figure
