"""Figure 11: test error on Shapeset-3x2 during online training."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.experiments.claims import judge, unless_too_short
from glorotlab.experiments.experiment import Claim, Experiment, Results
from glorotlab.experiments.glorot_bengio import _trained
from glorotlab.experiments.glorot_bengio.table_1 import PAPER
from glorotlab.experiments.scales import Scale
from glorotlab.plotting import curves, layers, steps
from glorotlab.plotting.style import OKABE_ITO, finish, handle, new_figure
from glorotlab.plotting.style import PAPER as PAPER_MARK

NAME = "figure_11"

NEAR = 0.02
"""An error is near chance where it is within this of the best constant guess."""

STYLES: dict[str, tuple[str, str]] = {
    "sigmoid": (OKABE_ITO[6], "-"),
    "sigmoid_4": (OKABE_ITO[6], ":"),
    "tanh": (OKABE_ITO[1], "-"),
    "softsign": (OKABE_ITO[0], "-"),
    "softsign_normalised": (OKABE_ITO[0], "--"),
    "tanh_normalised": (OKABE_ITO[1], "--"),
}


def run(scale: Scale, progress: Progress | None = None) -> Results:
    """Train every network of the figure, but for the pre-trained one."""
    return _trained.trained(scale, tuple(_trained.NETWORKS), "curves", progress)


def claims(results: Results) -> list[Claim]:
    """Decide what the paper says of the curves."""
    error = {name: _trained.final_errors(results, name) for name in _trained.NETWORKS}
    gain = {name: error[name] - error[f"{name}_normalised"] for name in ("tanh", "softsign")}
    worse = {
        f"sigmoid - {_trained.NETWORKS[name].label}": error["sigmoid"] - error[name]
        for name in ("tanh", "tanh_normalised", "softsign", "softsign_normalised")
    }
    return [
        _plateau(results, "sigmoid", "Sigmoid, five hidden layers: the error never leaves chance.", escapes=False),
        _plateau(results, "sigmoid_4", "Sigmoid, four hidden layers: the error leaves chance.", escapes=True),
        _positive("Sigmoid is the worst of the five.", worse),
        _positive("Normalised initialisation makes tanh better.", {"tanh - tanh N": gain["tanh"]}),
        _positive(
            "With the standard initialisation softsign is better than tanh.",
            {"tanh - softsign": error["tanh"] - error["softsign"]},
        ),
        _positive(
            "Softsign needs normalised initialisation less than tanh does.",
            {"gain of tanh - gain of softsign": gain["tanh"] - gain["softsign"]},
        ),
    ]


def _positive(sentence: str, differences: dict[str, Array]) -> Claim:
    rule = "every difference of final test errors (fractions) is above 0"
    return judge(NAME, sentence, differences, low=0.0, rule=rule)


def _plateau(results: Results, name: str, sentence: str, *, escapes: bool) -> Claim:
    """Decide whether a network has left chance; that it never does takes the paper's number of updates."""
    error = {"final test error": _trained.final_errors(results, name)}
    limit = _trained.CHANCE - NEAR
    rule = f"the final test error is {'below' if escapes else 'above'} {limit:.3f}, chance being {_trained.CHANCE:.3f}"
    low, high = (-np.inf, limit) if escapes else (limit, np.inf)
    claim = judge(NAME, sentence, error, low=low, high=high, rule=rule)
    updates = _trained.steps(results, name, "curves")[-1]
    return unless_too_short(claim, ["fail" if escapes else "pass"], updates, _trained.PAPER_UPDATES)


def draw(results: Results) -> Figure:
    """Draw test errors over updates; beside them, on a scale of its own, table 1."""
    figure = new_figure(1, 2, size=(9.2, 5.2), width_ratios=[3, 1])
    ax, paper = figure.axes
    handles = []
    for place, (name, (color, linestyle)) in enumerate(STYLES.items()):
        updates = _trained.steps(results, name, "curves")
        errors = results[f"{name}_curves"]["test_error"].transpose("seed", "step").values
        shift = 0.01 * updates[-1] * (place - (len(STYLES) - 1) / 2) / 2
        curves.draw_error_curve(ax, updates + shift, errors, color=color, linestyle=linestyle)
        handles.append(handle(_trained.NETWORKS[name].label, color, linestyle=linestyle, linewidth=1.6))
    for place, name in enumerate(PAPER):
        layers.draw_paper(paper, np.array([place]), np.array([PAPER[name]]), color=STYLES[name][0])
    for axes in (ax, paper):
        axes.axhline(100 * _trained.CHANCE, color="0.6", linewidth=1, zorder=0)
    handles += [
        handle("best constant guess", "0.6", linewidth=1),
        handle("measured, with standard error", marker="o", linestyle="none", markersize=3),
        handle("Glorot & Bengio (2010), table 1", **PAPER_MARK),
    ]
    steps.update_ticks(ax)
    finish(ax, "Shapeset-3x2, online training", "mini-batch updates", "test error (%)")
    paper.set_xticks(range(len(PAPER)), [_trained.NETWORKS[name].label for name in PAPER], rotation=60, ha="right")
    paper.set_xlim(-0.6, len(PAPER) - 0.4)
    paper.set_ylim(0, 100)
    finish(paper, "The paper, 5 M updates", "", "test error (%)")
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Test error during training",
    source="Glorot & Bengio (2010), figure 11",
    caption=(
        "Test error over mini-batch updates of ten images, mean over networks with its standard error. Right, "
        "on a scale of its own: the paper's errors of 1,000-unit layers (table 1). Theory makes no prediction here; "
        "the paper's pre-trained network is not part of this figure yet."
    ),
    effort=13,
    run=run,
    claims=claims,
    draw=draw,
)
