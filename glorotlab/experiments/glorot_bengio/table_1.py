"""Table 1: test error on Shapeset-3x2 of networks of five hidden layers."""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.averages import mean_and_error
from glorotlab.experiments.claims import judge, unless_too_short
from glorotlab.experiments.experiment import Claim, Experiment, Results, Table
from glorotlab.experiments.glorot_bengio import _trained
from glorotlab.experiments.scales import Scale
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, finish, handle, new_figure
from glorotlab.plotting.style import PAPER as PAPER_MARK

NAME = "table_1"

PAPER = {"softsign": 16.27, "softsign_normalised": 16.06, "tanh": 27.15, "tanh_normalised": 15.60, "sigmoid": 82.61}
"""Test error in per cent on Shapeset-3x2 (Glorot & Bengio 2010, table 1)."""

CLOSE = 1.0
"""An error reproduces the paper's within this many percentage points."""


def run(scale: Scale, progress: Progress | None = None) -> Results:
    """Train the five networks."""
    return _trained.trained(scale, tuple(PAPER), "curves", progress)


def claims(results: Results) -> list[Claim]:
    """Decide the ranking and the values."""
    error = {name: 100 * _trained.final_errors(results, name) for name in PAPER}
    ranking = sorted(PAPER, key=PAPER.__getitem__)
    label = {name: _trained.NETWORKS[name].label for name in PAPER}
    order = {
        f"{label[worse]} - {label[better]}": error[worse] - error[better]
        for better, worse in itertools.pairwise(ranking)
    }
    sentence = f"The networks rank as in the paper, best first: {', '.join(label[name] for name in ranking)}."
    rule = "every difference of neighbours in percentage points is above 0"
    ranked = judge(NAME, sentence, order, low=0.0, rule=rule)
    away = {f"{label[name]}: measured - paper": error[name] - PAPER[name] for name in PAPER}
    sentence = "The errors are the paper's."
    rule = f"every error is within {CLOSE:g} percentage point of the paper's"
    reached = judge(NAME, sentence, away, low=-CLOSE, high=CLOSE, rule=rule)
    updates = _trained.steps(results, "tanh", "curves")[-1]
    return [ranked, unless_too_short(reached, ["pass", "fail"], updates, _trained.PAPER_UPDATES)]


def table(results: Results) -> Table:
    """Return measured errors beside the paper's."""
    curves = results["tanh_curves"]
    updates = _trained.steps(results, "tanh", "curves")[-1]
    head = ("network", "measured, %", "standard error", "networks", "paper, %")
    rows = []
    for name, paper in PAPER.items():
        errors = _trained.final_errors(results, name)
        mean, standard_error = mean_and_error(100 * errors)
        spread = "" if np.isnan(standard_error) else f"{standard_error:.2f}"
        rows.append((_trained.NETWORKS[name].label, f"{mean:.2f}", spread, str(len(errors)), f"{paper:.2f}"))
    caption = (
        f"Test error on Shapeset-3x2: measured after {updates:,.0f} updates of {curves.attrs.get('network', '')}; "
        "paper: after 5,000,000 updates of 1024,1000x5,9. N = normalised initialisation."
    )
    return Table(caption, head, tuple(rows))


def draw(results: Results) -> Figure:
    """Draw measured errors and the paper's."""
    figure = new_figure(size=(7.6, 3.6))
    (ax,) = figure.axes
    ranking = sorted(PAPER, key=PAPER.__getitem__, reverse=True)
    for place, name in enumerate(ranking):
        mean, standard_error = mean_and_error(100 * _trained.final_errors(results, name))
        ax.errorbar([mean], [place], xerr=[standard_error], color=OKABE_ITO[0], **MEASUREMENT)
        ax.plot([PAPER[name]], [place], color=OKABE_ITO[1], **PAPER_MARK)
    ax.set_yticks(range(len(ranking)), [_trained.NETWORKS[name].label for name in ranking])
    ax.set_xlim(0, 100)
    ax.margins(y=0.12)
    finish(ax, "Shapeset-3x2, five hidden layers", "test error (%)", "")
    mark = {key: MEASUREMENT[key] for key in ("linestyle", "marker", "markersize")}
    handles = [
        handle("measured, with standard error", OKABE_ITO[0], **mark),
        handle("Glorot & Bengio (2010), after 5 million updates", OKABE_ITO[1], **PAPER_MARK),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Final test error, five hidden layers",
    source="Glorot & Bengio (2010), table 1, Shapeset-3x2",
    caption="The last point of figure 11's curves (points) and the paper's table (hollow diamonds).",
    effort=1,
    run=run,
    claims=claims,
    draw=draw,
    table=table,
)
