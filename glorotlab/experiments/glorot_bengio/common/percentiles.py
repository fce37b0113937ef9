"""Figures 3 and 10 share this: 98th percentiles and standard deviations of activations over updates."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glorotlab.experiments.experiment import Results
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.plotting import steps
from glorotlab.plotting.style import finish, handle, layer_colors


def draw_percentiles(ax: Axes, results: Results, name: str, title: str) -> None:
    """Draw one network: percentiles as markers, standard deviations as lines, predictions as crosses left of 0."""
    updates = training.steps(results, name)
    percentile, std = (part(results, name).mean(axis=0) for part in (training.percentiles, training.stds))
    place = -0.5 * updates[-1] / max(len(updates) - 1, 1)
    for layer, color in enumerate(layer_colors(percentile.shape[-1])):
        steps.draw_percentile_and_std(ax, updates, percentile[:, layer], std[:, layer], color=color)
        start = float(results[f"{name}_predicted"]["activation_percentile"].values[layer])
        steps.draw_start(ax, place, start, color=color)
    steps.update_ticks(ax)
    ax.set_ylim(0, 1)
    finish(ax, title, "mini-batch updates", "activation z")


def legend(figure: Figure, results: Results, name: str) -> None:
    """Put a legend of layers and marks below a figure."""
    colors = layer_colors(training.percentiles(results, name).shape[-1])
    handles = [handle(f"layer {layer}", color, linewidth=4) for layer, color in enumerate(colors, 1)]
    handles += [
        handle("measured 98th percentile", marker="o", linestyle="none", markersize=4),
        handle("measured standard deviation", linewidth=1.4),
        handle("predicted 98th percentile", marker="x", linestyle="none", markersize=8, markeredgewidth=2),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
