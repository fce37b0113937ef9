"""Figure 11: test error on Shapeset-3x2 during online training."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.experiments.claims import judge
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, demote, exchange, substitute
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.glorot_bengio.common.curves import STYLES, draw_curves, legend
from glorotlab.experiments.glorot_bengio.table_1 import PAPER
from glorotlab.experiments.scales import Scale
from glorotlab.plotting import layers
from glorotlab.plotting.style import PAPER as PAPER_MARK
from glorotlab.plotting.style import finish, handle, new_figure
from glorotlab.training.sweeps.store import RunStore

NAME = "figure_11"

NETWORKS = training.named(
    "sigmoid", "sigmoid_4", "tanh", "tanh_normalized", "softsign", "softsign_normalized", "pretrained"
)


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train every network of the figure."""
    trained = training.trained(scale, store, NETWORKS, "curves", progress)
    return trained | {"constant_errors": training.constant_errors(scale.shapeset, scale.seeds)}


def _never_escapes(results: Results) -> Claim:
    sentence = "Sigmoid, five hidden layers: the error never leaves chance."
    rule = f"the final test error is less than {training.NEAR} below that of the best constant guess"
    return judge(NAME, sentence, _above_chance(results, "sigmoid"), low=-training.NEAR, rule=rule)


def _escapes(results: Results) -> Claim:
    sentence = "Sigmoid, four hidden layers: the error leaves chance."
    rule = f"the final test error is {training.NEAR} or more below that of the best constant guess"
    return judge(NAME, sentence, _above_chance(results, "sigmoid_4"), high=-training.NEAR, rule=rule)


def _above_chance(results: Results, name: str) -> dict[str, Array]:
    return {"final test error - best constant guess": training.above_chance(results, name)}


def _sigmoid_is_last(results: Results) -> Claim:
    others = ("tanh", "tanh_normalized", "softsign", "softsign_normalized")
    lead = {f"sigmoid - {NETWORKS[name].label}": _lead(results, "sigmoid", name) for name in others}
    return _positive("Sigmoid is the worst of the five.", lead)


def _normalized_is_better(results: Results) -> Claim:
    gain = {"tanh - tanh N": _lead(results, "tanh", "tanh_normalized")}
    return _positive("Normalized initialization makes tanh better.", gain)


def _softsign_is_better(results: Results) -> Claim:
    sentence = "With the standard initialization softsign is better than tanh."
    return _positive(sentence, {"tanh - softsign": _lead(results, "tanh", "softsign")})


def _softsign_needs_it_less(results: Results) -> Claim:
    tanh, softsign = (_lead(results, name, f"{name}_normalized") for name in ("tanh", "softsign"))
    sentence = "Softsign needs normalized initialization less than tanh does."
    return _positive(sentence, {"gain of tanh - gain of softsign": tanh - softsign})


def _pretraining_is_best(results: Results) -> Claim:
    others = ("tanh", "tanh_normalized", "softsign", "softsign_normalized", "sigmoid")
    lead = {f"{NETWORKS[name].label} - pre-trained": _lead(results, name, "pretrained") for name in others}
    return _positive("Fine-tuning after pre-training with denoising autoencoders is best.", lead)


def _lead(results: Results, worse: str, better: str) -> Array:
    """Return the difference of final test errors, shape (seed,)."""
    return training.final_errors(results, worse) - training.final_errors(results, better)


def _positive(sentence: str, differences: dict[str, Array]) -> Claim:
    rule = "every difference of final test errors (fractions) is above 0"
    return judge(NAME, sentence, differences, low=0.0, rule=rule)


FINDINGS = (
    Finding(
        _never_escapes,
        substitute("sigmoid", "softsign_normalized", "curves"),
        training.unless_shorter_than(training.PAPER_UPDATES, ["pass"], "sigmoid", "curves"),
    ),
    Finding(
        _escapes,
        substitute("sigmoid_4", "sigmoid", "curves"),
        training.unless_shorter_than(training.PAPER_UPDATES, ["fail"], "sigmoid_4", "curves"),
    ),
    Finding(_sigmoid_is_last, exchange("sigmoid", "softsign_normalized", "curves")),
    Finding(_normalized_is_better, demote("tanh", "tanh_normalized", "sigmoid", "curves")),
    Finding(_softsign_is_better, demote("tanh", "softsign", "sigmoid", "curves")),
    Finding(_softsign_needs_it_less, demote("tanh", "tanh_normalized", "sigmoid", "curves")),
    Finding(_pretraining_is_best, exchange("pretrained", "sigmoid", "curves")),
)
"""What the paper says of the curves."""


def draw(results: Results) -> Figure:
    """Draw test errors over updates; beside them, on a scale of its own, table 1."""
    figure = new_figure(1, 2, size=(9.2, 5.2), width_ratios=[3, 1])
    ax, paper = figure.axes
    styles = {name: STYLES[name] for name in NETWORKS}
    draw_curves(ax, results, styles)
    for place, name in enumerate(PAPER):
        layers.draw_paper(paper, np.array([place]), np.array([PAPER[name][0]]), color=STYLES[name][0])
    for axes in (ax, paper):
        axes.axhline(100 * training.CHANCE, color="0.6", linewidth=1, zorder=0)
    finish(ax, "Shapeset-3x2, online training", "mini-batch updates", "test error (%)")
    paper.set_xticks(range(len(PAPER)), [training.NETWORKS[name].label for name in PAPER], rotation=60, ha="right")
    paper.set_xlim(-0.6, len(PAPER) - 0.4)
    paper.set_ylim(0, 100)
    finish(paper, "The paper, 5 M updates", "", "test error (%)")
    marks = (
        handle("best constant guess", "0.6", linewidth=1),
        handle("Glorot & Bengio (2010), table 1", **PAPER_MARK),
    )
    legend(figure, NETWORKS, styles, *marks)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Test error during training",
    source="Glorot & Bengio (2010), figure 11",
    caption=(
        "Test error over mini-batch updates of ten images, mean over networks with its standard error. Right, "
        "on a scale of its own: the paper's errors of 1,000-unit layers (table 1). Theory makes no prediction here. "
        "The updates of pre-training come before those shown; the paper does not say of which activation its "
        "pre-trained network is."
    ),
    effort=4,
    run=run,
    findings=FINDINGS,
    draw=draw,
    trains=True,
)
