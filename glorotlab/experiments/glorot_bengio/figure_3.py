"""Figure 3: saturation of tanh and softsign networks during training."""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.experiments.claims import Estimate, estimate, judge, left_open, verdict
from glorotlab.experiments.experiment import Claim, Experiment, Results
from glorotlab.experiments.glorot_bengio import _trained
from glorotlab.experiments.scales import Scale
from glorotlab.plotting import steps
from glorotlab.plotting.style import finish, handle, layer_colors, new_figure

NAME, NETWORKS = "figure_3", ("tanh", "softsign")

SATURATED = 0.95
"""A tanh layer has begun to saturate where its 98th percentile exceeds this: tanh' is then below a tenth."""


def run(scale: Scale, progress: Progress | None = None) -> Results:
    """Train both networks; predict what they start from."""
    trained = _trained.trained(scale, NETWORKS, "statistics", progress)
    return trained | {f"{name}_predicted": _trained.predicted_start(scale, name) for name in NETWORKS}


def claims(results: Results) -> list[Claim]:
    """Decide what the paper says of both panels at the end of the run, once tanh has begun to saturate."""
    tanh, softsign = (_trained.percentiles(results, name)[:, -1] for name in NETWORKS)
    first = estimate(tanh[:, 0])
    order = {
        f"layer {layer + 1} - {layer + 2}": tanh[:, layer] - tanh[:, layer + 1] for layer in range(tanh.shape[1] - 1)
    }
    less = {f"layer {layer + 1}": tanh[:, layer] - softsign[:, layer] for layer in range(tanh.shape[1])}
    together = {"spread over layers": np.ptp(tanh, axis=1) - np.ptp(softsign, axis=1)}
    sentences = (
        (
            "Tanh, standard initialisation: layer 1 saturates first, then layer 2, and so on.",
            order,
            "every difference between neighbouring layers",
        ),
        ("Softsign saturates less than tanh in every layer.", less, "every difference tanh - softsign"),
        (
            "Softsign's layers move together, more than tanh's.",
            together,
            "the difference tanh - softsign of the spread over layers",
        ),
    )
    return [_once_saturated(sentence, differences, what, first) for sentence, differences, what in sentences]


def _once_saturated(sentence: str, differences: dict[str, Array], what: str, first: Estimate) -> Claim:
    """Decide that differences of 98th percentiles are above 0, provided that tanh's ``first`` layer is saturated."""
    claim = judge(NAME, sentence, differences, low=0.0, rule=f"{what} of final 98th percentiles is above 0")
    claim = dataclasses.replace(claim, numbers={"tanh, layer 1": first.value} | claim.numbers)
    if verdict({"tanh, layer 1": first}, SATURATED, np.inf) == "pass":
        return claim
    return left_open(claim, f"tanh's layer 1 must have passed {SATURATED} first, and has not in this run")


def draw(results: Results) -> Figure:
    """Draw 98th percentiles and standard deviations over updates."""
    figure = new_figure(1, 2, size=(9.2, 4.8), sharey=True)
    for ax, name in zip(figure.axes, NETWORKS, strict=True):
        updates = _trained.steps(results, name)
        percentile, std = (part(results, name).mean(axis=0) for part in (_trained.percentiles, _trained.stds))
        colors = layer_colors(percentile.shape[-1])
        place = -0.5 * updates[-1] / max(len(updates) - 1, 1)
        for layer, color in enumerate(colors):
            steps.draw_percentile_and_std(ax, updates, percentile[:, layer], std[:, layer], color=color)
            start = float(results[f"{name}_predicted"]["activation_percentile"].values[layer])
            steps.draw_start(ax, place, start, color=color)
        steps.update_ticks(ax)
        ax.set_ylim(0, 1)
        finish(ax, f"{name.capitalize()}, standard initialisation", "mini-batch updates", "activation z")
    figure.axes[1].set_ylabel("")
    handles = [handle(f"layer {layer}", color, linewidth=4) for layer, color in enumerate(colors, 1)]
    handles += [
        handle("measured 98th percentile", marker="o", linestyle="none", markersize=4),
        handle("measured standard deviation", linewidth=1.4),
        handle("predicted 98th percentile", marker="x", linestyle="none", markersize=8, markeredgewidth=2),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Saturation during training, tanh and softsign",
    source="Glorot & Bengio (2010), figure 3",
    caption=(
        "Signed 98th percentile (points) and standard deviation (lines) of the activations of each hidden layer on 300 "
        "test images, averaged over networks; crosses left of 0 are the percentiles predicted before training."
    ),
    effort=5,
    run=run,
    claims=claims,
    draw=draw,
)
