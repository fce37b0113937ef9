"""Figure 9: standard deviation of weight gradients during training, tanh."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.experiments.claims import judge
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, substitute
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.scales import Scale
from glorotlab.plotting import steps
from glorotlab.plotting.style import finish, handle, layer_colors, log_ticks, new_figure
from glorotlab.theory.predict import predict
from glorotlab.training.sweeps.store import RunStore

NAME, NETWORKS = "figure_9", {"tanh": "standard", "tanh_normalized": "normalized"}

CONTROL = "sigmoid"
"""Network of the negative control: its layers' gradients are far apart from the start."""

TENSOR = "batch_weight_gradient"

ALIKE = 2.0
"""Factor of standard deviations below which the gradients of two layers count as alike."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train tanh with both initializers, and the control, and predict the start of training."""
    trained = training.trained(scale, store, training.named(*NETWORKS, CONTROL), "statistics", progress)
    return trained | {f"{name}_predicted": _predicted_start(scale, name) for name in NETWORKS}


def _predicted_start(scale: Scale, name: str) -> xr.Dataset:
    """Predict the second moment of the weight gradients of the monitored images, mean over seeds."""
    spec, rows = training.NETWORKS[name].spec(scale), []
    for x, y in training.monitored_images(scale):
        rows.append(predict(spec, inputs=x, labels=y)[f"{TENSOR}_second_moment"].values)
    layer = np.arange(1, len(rows[0]) + 1)
    return described(xr.Dataset({f"{TENSOR}_second_moment": ("layer", np.mean(rows, axis=0))}, {"layer": layer}))


def _spread(results: Results, name: str, step: int) -> Array:
    """Return log(largest / least standard deviation of a hidden layer's weight gradients), shape (seed,)."""
    variance = training.weight_gradient_variances(results, name)[:, step, :-1]
    return np.asarray(np.ptp(np.log(variance), axis=1) / 2)


def _start_alike(results: Results) -> Claim:
    spread = {name: _spread(results, name, 0) for name in NETWORKS}
    sentence = "Before training the weight gradients of the hidden layers of tanh are alike with either initializer."
    rule = f"log(largest / least standard deviation of a layer) is below log {ALIKE:g}"
    return judge(NAME, sentence, spread, high=float(np.log(ALIKE)), rule=rule)


def _drift_apart(results: Results) -> Claim:
    standard, normalized = (_spread(results, name, -1) for name in NETWORKS)
    sentence = "During training they drift apart with the standard initialization, more than with the normalized one."
    rule = "log(largest / least standard deviation of a layer) at the end, standard - normalized, is above 0"
    return judge(NAME, sentence, {"standard - normalized": standard - normalized}, low=0.0, rule=rule)


FINDINGS = (
    Finding(_start_alike, substitute("tanh", CONTROL, "statistics")),
    Finding(_drift_apart, substitute("tanh_normalized", CONTROL, "statistics")),
)
"""What the paper says of both panels."""


def draw(results: Results) -> Figure:
    """Draw standard deviations over updates, standard initialization left, normalized right."""
    figure = new_figure(1, 2, size=(9.2, 4.8), sharey=True)
    for ax, (name, initializer) in zip(figure.axes, NETWORKS.items(), strict=True):
        updates = training.steps(results, name)
        std = np.sqrt(training.weight_gradient_variances(results, name)).mean(axis=0)
        predicted = np.sqrt(results[f"{name}_predicted"][f"{TENSOR}_second_moment"].values)
        place = -0.5 * updates[-1] / max(len(updates) - 1, 1)
        colors = layer_colors(std.shape[-1])
        for layer, color in enumerate(colors):
            ax.plot(updates, std[:, layer], color=color, marker="o", markersize=3, linewidth=1.2)
            steps.draw_start(ax, place, float(predicted[layer]), color=color)
        log_ticks(ax)
        steps.update_ticks(ax)
        title = f"Tanh, {initializer} initialization"
        finish(ax, title, "mini-batch updates", "standard deviation of dC/dW (cost per unit of W)")
    figure.axes[1].set_ylabel("")
    handles = [handle(f"layer {layer}", color, linewidth=4) for layer, color in enumerate(colors, 1)]
    handles += [
        handle("measured", marker="o", markersize=3, linewidth=1.2),
        handle("predicted before training", marker="x", linestyle="none", markersize=8, markeredgewidth=2),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Weight gradients during training, tanh",
    source="Glorot & Bengio (2010), figure 9",
    caption=(
        "Standard deviation of dC/dW of the mean cost of 300 test images in every layer, the output layer the "
        "lightest, mean over networks; crosses left of 0 are predicted. The paper prints no numbers in this figure."
    ),
    effort=3,
    run=run,
    findings=FINDINGS,
    draw=draw,
    trains=True,
)
