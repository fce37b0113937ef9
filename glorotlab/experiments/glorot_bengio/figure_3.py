"""Figure 3: saturation of tanh and softsign networks during training."""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.experiments.claims import estimate, judge, left_open, verdict
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, substitute
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.glorot_bengio.common.percentiles import draw_percentiles, legend
from glorotlab.experiments.scales import Scale
from glorotlab.plotting.style import new_figure
from glorotlab.training.sweeps.store import RunStore

NAME, NETWORKS = "figure_3", ("tanh", "softsign")

APART = 0.01
"""Least difference of the percentiles of layers that saturate one after the other."""

SATURATED = 0.95
"""98th percentile above which a tanh layer has begun to saturate; tanh' is then below a tenth."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train both networks, and predict the start of training."""
    trained = training.trained(scale, store, training.named(*NETWORKS, training.SATURATED), "statistics", progress)
    return trained | {f"{name}_predicted": training.predicted_start(scale, name) for name in NETWORKS}


def _percentiles(results: Results) -> tuple[Array, Array]:
    """Return final 98th percentiles of tanh and softsign, shape (seed, layer)."""
    tanh, softsign = (training.percentiles(results, name)[:, -1] for name in NETWORKS)
    return tanh, softsign


def _in_order(results: Results) -> Claim:
    tanh, _ = _percentiles(results)
    order = {f"layer {k} - {k + 1}": tanh[:, k - 1] - tanh[:, k] for k in range(1, tanh.shape[1])}
    sentence = "Tanh, standard initialization: layer 1 saturates first, then layer 2, and so on."
    return _above(sentence, order, APART, "every difference between neighboring layers")


def _less(results: Results) -> Claim:
    tanh, softsign = _percentiles(results)
    less = {f"layer {k + 1}": tanh[:, k] - softsign[:, k] for k in range(tanh.shape[1])}
    return _above("Softsign saturates less than tanh in every layer.", less, 0.0, "every difference tanh - softsign")


def _together(results: Results) -> Claim:
    tanh, softsign = _percentiles(results)
    spread = {"spread over layers": np.ptp(tanh, axis=1) - np.ptp(softsign, axis=1)}
    sentence = "Softsign's layers move together, more than tanh's."
    return _above(sentence, spread, 0.0, "the difference tanh - softsign of the spread over layers")


def _above(sentence: str, differences: dict[str, Array], least: float, what: str) -> Claim:
    return judge(NAME, sentence, differences, low=least, rule=f"{what} of final 98th percentiles is above {least:g}")


def _once_saturated(claim: Claim, results: Results) -> Claim:
    """Leave a claim open as long as tanh's first layer is not saturated."""
    first = estimate(_percentiles(results)[0][:, 0])
    claim = dataclasses.replace(claim, numbers={"tanh, layer 1": first.value} | claim.numbers)
    if verdict({"tanh, layer 1": first}, SATURATED, np.inf) == "pass":
        return claim
    return left_open(claim, f"tanh's layer 1 must have passed {SATURATED} first, and has not in this run")


FINDINGS = (
    Finding(_in_order, substitute("tanh", training.SATURATED, "statistics"), _once_saturated),
    Finding(_less, substitute("softsign", training.SATURATED, "statistics"), _once_saturated),
    Finding(_together, substitute("tanh", training.SATURATED, "statistics"), _once_saturated),
)
"""What the paper says of both panels at the end of the run, once tanh has begun to saturate."""


def draw(results: Results) -> Figure:
    """Draw 98th percentiles and standard deviations over updates."""
    figure = new_figure(1, 2, size=(9.2, 4.8), sharey=True)
    for ax, name in zip(figure.axes, NETWORKS, strict=True):
        draw_percentiles(ax, results, name, f"{name.capitalize()}, standard initialization")
    figure.axes[1].set_ylabel("")
    legend(figure, results, NETWORKS[0])
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Saturation during training, tanh and softsign",
    source="Glorot & Bengio (2010), figure 3",
    caption=(
        "Signed 98th percentile (points) and standard deviation (lines) of the activations of each hidden layer on 300 "
        "test images, averaged over networks; crosses left of 0 are the percentiles predicted before training."
    ),
    effort=3,
    run=run,
    findings=FINDINGS,
    draw=draw,
    trains=True,
)
