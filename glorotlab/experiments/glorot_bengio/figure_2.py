"""Figure 2: activations of a sigmoid network of four hidden layers during training."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.experiments.claims import judge
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, Verdict, substitute
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.scales import Scale
from glorotlab.plotting import steps
from glorotlab.plotting.style import finish, handle, layer_colors, new_figure
from glorotlab.training.sweeps.store import RunStore

NAME, NETWORK = "figure_2", "sigmoid_4"

CONTROLS = ("tanh", "sigmoid")
"""Networks of the negative controls: tanh's activations stay around 0, five layers of sigmoids stay saturated."""

SATURATED = 0.1
"""Mean activation below which a sigmoid layer counts as saturated at 0, with pre-activations near -2.2."""

SOON = training.EPOCH
"""Number of updates in the paper's first epoch, the resolution of its figure."""

ESCAPE = 100 * training.EPOCH
"""Number of updates after which the paper's top layer leaves saturation."""

LINEAR = (0.4, 0.6)
"""Range of mean activations near 0.5."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train the network, and predict the start of training."""
    trained = training.trained(scale, store, training.named(NETWORK, *CONTROLS), "statistics", progress)
    return trained | {"predicted": training.predicted_start(scale, NETWORK)}


def _saturates(results: Results) -> Claim:
    top, updates = training.means(results, NETWORK)[..., -1], training.steps(results, NETWORK)
    fall = {"fall": top[:, 0] - top[:, updates <= SOON].min(axis=1)}
    rule = f"the mean activation falls from 0.5 by {0.5 - SATURATED:g} or more within {SOON:,} updates"
    return judge(NAME, "The top hidden layer soon saturates at 0.", fall, low=0.5 - SATURATED, rule=rule)


def _lower_layers(results: Results) -> Claim:
    lower = training.means(results, NETWORK)[..., :-1]
    extremes = {
        f"layer {layer + 1}, {extreme}": getattr(lower[..., layer], method)(axis=1)
        for layer in range(lower.shape[-1])
        for extreme, method in (("lowest", "min"), ("highest", "max"))
    }
    rule = f"every mean activation stays within {LINEAR[0]} and {LINEAR[1]} throughout"
    sentence = "The hidden layers below the top one stay near 0.5, where the sigmoid is nearly linear."
    return judge(NAME, sentence, extremes, low=LINEAR[0], high=LINEAR[1], rule=rule)


def _escapes(results: Results) -> Claim:
    top = training.means(results, NETWORK)[..., -1]
    rise = {"rise": top[:, -1] - top.min(axis=1)}
    rule = f"the mean activation has risen by {SATURATED} or more since its lowest"
    sentence = "The top hidden layer leaves saturation, after about 100 epochs of 20,000 updates."
    return judge(NAME, sentence, rise, low=SATURATED, rule=rule)


def _finding(decide: Callable[[Results], Claim], control: str, needed: int, doubted: Verdict) -> Finding:
    swap = substitute(NETWORK, control, "statistics")
    return Finding(decide, swap, training.unless_shorter_than(needed, [doubted], NETWORK, "statistics"))


FINDINGS = (
    _finding(_saturates, "tanh", SOON, "fail"),
    _finding(_lower_layers, "tanh", ESCAPE, "pass"),
    _finding(_escapes, "sigmoid", 2 * ESCAPE, "fail"),
)
"""The three sentences of the paper about the figure."""


def draw(results: Results) -> Figure:
    """Draw mean and standard deviation of the activations over updates."""
    figure = new_figure(size=(8.2, 4.6))
    (ax,) = figure.axes
    updates, mean, std = (
        training.steps(results, NETWORK),
        training.means(results, NETWORK).mean(axis=0),
        training.stds(results, NETWORK).mean(axis=0),
    )
    colors = layer_colors(mean.shape[-1])
    spacing = updates[-1] / max(len(updates) - 1, 1)
    for layer, color in enumerate(colors):
        shift = spacing * 0.1 * (layer - (len(colors) - 1) / 2)
        steps.draw_mean_and_std(ax, updates + shift, mean[:, layer], std[:, layer], color=color)
        start = float(results["predicted"]["activation_mean"].values[layer])
        steps.draw_start(ax, -0.5 * spacing + shift, start, color=color)
    steps.update_ticks(ax)
    ax.set_ylim(0, 1)
    finish(ax, "Sigmoid, four hidden layers, standard initialization", "mini-batch updates", "activation z")
    handles = [handle(f"layer {layer}", color, marker="o", markersize=4) for layer, color in enumerate(colors, 1)]
    handles += [
        handle("measured: mean, bar = ± 1 standard deviation", marker="o", markersize=4, linewidth=0.8),
        handle("predicted mean before training", marker="x", linestyle="none", markersize=8, markeredgewidth=2),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Sigmoid activations during training",
    source="Glorot & Bengio (2010), figure 2",
    caption=(
        "Mean (points) and standard deviation (bars) of the activations of each hidden layer on 300 test images, "
        "averaged over networks; crosses left of 0 are predicted. "
        "The paper's figure spans 140 epochs of 20,000 updates."
    ),
    effort=4,
    run=run,
    findings=FINDINGS,
    draw=draw,
    trains=True,
)
