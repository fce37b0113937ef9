"""Figure 4: histograms of activations at the end of training, tanh and softsign."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.experiments.claims import judge
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, substitute
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.scales import Scale
from glorotlab.plotting import histograms
from glorotlab.plotting.style import finish, handle, layer_colors, new_figure
from glorotlab.training.sweeps.store import RunStore

NAME, NETWORKS = "figure_4", ("tanh", "softsign")

SATURATED = 0.95
"""Least distance from 0 of the activation of a saturated tanh unit."""

KNEE = (0.5, 0.9)
"""Range of softsign's masses from 0: they lie around 0.6 to 0.8, with a margin of 0.1 on each side."""


LEAST = 1e-3
"""Least density that is drawn; lower bars come from single units."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train both networks and the control; keep the histograms of the last record."""
    return training.trained(scale, store, training.named(*NETWORKS, training.SATURATED), "histograms", progress)


def _shares(results: Results, name: str, low: float, high: float) -> Array:
    """Return the share of activations with a distance from 0 in [low, high], shape (seed, layer), hidden layers."""
    data = results[f"{name}_histograms"]
    counts = data["activation_count"].transpose("seed", "layer", "bin").values[:, :-1]
    edges = data["activation_edge"].transpose("seed", "layer", "edge").values[:, :-1]
    middle = np.abs(edges[..., 1:] + edges[..., :-1]) / 2
    inside = (middle >= low) & (middle <= high)
    return np.asarray((counts * inside).sum(axis=-1) / counts.sum(axis=-1))


def _tanh_saturates(results: Results) -> Claim:
    share = _shares(results, "tanh", SATURATED, 1.0)
    parts = {"share of layer 1 at -1 and 1": share[:, 0] - UNIFORM}
    sentence = "At the end of training the lowest layer of tanh has masses at -1 and 1."
    rule = f"a larger share of it lies beyond ±{SATURATED} than of a uniform distribution, {UNIFORM:g}"
    return judge(NAME, sentence, parts, low=0.0, rule=rule)


UNIFORM = 1 - SATURATED
"""Share of a uniform distribution on [-1, 1] that lies beyond ``SATURATED``."""


def _softsign_at_its_knees(results: Results) -> Claim:
    knees = _shares(results, "softsign", *KNEE)
    beyond = _shares(results, "softsign", KNEE[1], 1.0)
    parts = {"layer 1, knees - saturated": knees[:, 0] - beyond[:, 0]}
    sentence = "Softsign's units lie around 0.6 to 0.8 from 0, at the knees, rather than in saturation."
    rule = f"more of layer 1 lies {KNEE[0]} to {KNEE[1]} from 0 than further out"
    return judge(NAME, sentence, parts, low=0.0, rule=rule)


def _softsign_is_not_saturated(results: Results) -> Claim:
    tanh, softsign = (_shares(results, name, SATURATED, 1.0)[:, 0] for name in NETWORKS)
    sentence = "The lowest layer of softsign is less saturated than tanh's."
    rule = f"the difference of shares beyond ±{SATURATED}, tanh - softsign, is above 0"
    return judge(NAME, sentence, {"tanh - softsign": tanh - softsign}, low=0.0, rule=rule)


FINDINGS = (
    Finding(
        _tanh_saturates,
        substitute("tanh", "softsign", "histograms"),
        training.unless_shorter_than(training.PAPER_UPDATES, ["fail"], "tanh", "histograms"),
    ),
    Finding(
        _softsign_at_its_knees,
        substitute("softsign", training.SATURATED, "histograms"),
        training.unless_shorter_than(training.PAPER_UPDATES, ["fail"], "tanh", "histograms"),
    ),
    Finding(_softsign_is_not_saturated, substitute("softsign", training.SATURATED, "histograms")),
)
"""What the paper says of both panels."""


def draw(results: Results) -> Figure:
    """Draw the densities of every hidden layer."""
    figure = new_figure(2, 1, size=(8.2, 7.2), sharex=True)
    for ax, name in zip(figure.axes, NETWORKS, strict=True):
        data = results[f"{name}_histograms"]
        colors = layer_colors(data.sizes["layer"] - 1)
        for layer, color in enumerate(colors):
            here = data.isel(layer=layer)
            counts = here["activation_count"].transpose("seed", "bin").values
            histograms.draw_histogram(ax, counts, here["activation_edge"].isel(seed=0).values, color=color)
        ax.set_yscale("log")
        ax.set_ylim(bottom=LEAST)
        finish(ax, f"{name.capitalize()}, standard initialization", "activation z", "probability density")
    figure.axes[0].set_xlabel("")
    handles = [handle(f"layer {layer}", color, linewidth=4) for layer, color in enumerate(colors, 1)]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Activations at the end of training, tanh and softsign",
    source="Glorot & Bengio (2010), figure 4",
    caption=(
        "Densities of the activations of each hidden layer over units, 300 test images and networks, after the last "
        "update. Theory makes no prediction here. The paper prints no numbers in this figure."
    ),
    effort=1,
    run=run,
    findings=FINDINGS,
    draw=draw,
    trains=True,
)
