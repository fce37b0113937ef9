"""Figure 10: saturation of a tanh network with normalized initialization during training."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.experiments.claims import judge
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, exchange
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.glorot_bengio.common.percentiles import draw_percentiles, legend
from glorotlab.experiments.scales import Scale
from glorotlab.plotting.style import new_figure
from glorotlab.training.sweeps.store import RunStore

NAME, NETWORKS = "figure_10", ("tanh", "tanh_normalized")


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train tanh with both initializers, and predict the start of training."""
    trained = training.trained(scale, store, training.named(*NETWORKS), "statistics", progress)
    return trained | {f"{name}_predicted": training.predicted_start(scale, name) for name in NETWORKS}


def _together(results: Results) -> Claim:
    """Compare the spread of the layers' standard deviations, which the paper's figure shows as lines."""
    standard, normalized = (np.log(training.stds(results, name)[:, 0]) for name in NETWORKS)
    spread = {"spread over layers": np.ptp(standard, axis=1) - np.ptp(normalized, axis=1)}
    sentence = "With normalized initialization the layers of tanh start together; with the standard one they do not."
    rule = "log(largest / least standard deviation of a layer) before training, standard - normalized, is above 0"
    return judge(NAME, sentence, spread, low=0.0, rule=rule)


FINDINGS = (Finding(_together, exchange(*NETWORKS, "statistics")),)
"""What figure 10 shows beside figure 3's upper panel."""


def draw(results: Results) -> Figure:
    """Draw 98th percentiles and standard deviations over updates."""
    figure = new_figure(1, 2, size=(9.2, 4.8), sharey=True)
    for ax, name, title in zip(figure.axes, NETWORKS, ("standard", "normalized"), strict=True):
        draw_percentiles(ax, results, name, f"Tanh, {title} initialization")
    figure.axes[1].set_ylabel("")
    legend(figure, results, NETWORKS[0])
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Saturation during training, tanh with normalized initialization",
    source="Glorot & Bengio (2010), figure 10",
    caption=(
        "Signed 98th percentile (points) and standard deviation (lines) of the activations of each hidden layer on 300 "
        "test images, averaged over networks; crosses left of 0 are the percentiles predicted before training. Left, "
        "to compare with: the standard initialization, figure 3's upper panel."
    ),
    effort=1,
    run=run,
    findings=FINDINGS,
    draw=draw,
    trains=True,
)
