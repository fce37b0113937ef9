"""Figure 12: test error on MNIST and CIFAR-10 during training."""

from __future__ import annotations

from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.experiments.claims import judge
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, part_of, substitute
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.glorot_bengio.common.curves import STYLES, draw_curves, legend
from glorotlab.experiments.glorot_bengio.common.datasets import LABELS, absent, split_by_presence
from glorotlab.experiments.scales import Scale
from glorotlab.plotting.style import finish, log_ticks, new_figure
from glorotlab.training.sweeps.store import RunStore

NAME = "figure_12"

DATASETS = ("mnist", "cifar10")

LOGARITHMIC = ("mnist",)
"""Datasets whose errors fall by an order of magnitude, drawn on a logarithmic axis."""

FIVE = {name: STYLES[name] for name in training.FIVE}
"""Color and line style of each network."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train the five networks on both datasets, as far as they are here."""
    here, missing = split_by_presence(DATASETS)
    results: Results = {"absent": missing}
    for place, dataset in enumerate(here):
        part = part_of(progress, place, len(here))
        networks = training.named(*training.FIVE)
        results |= training.trained(scale, store, networks, "curves", part, dataset)
    return results


def _normalized_is_better(dataset: str) -> Finding:
    """Return that normalized initialization improves tanh on a dataset, as the paper's curves end."""
    tanh, normalized, sigmoid = (training.key_of(name, dataset) for name in ("tanh", "tanh_normalized", "sigmoid"))

    def decide(results: Results) -> Claim:
        sentence = f"On {LABELS[dataset]} normalized initialization makes tanh better."
        if dataset in absent(results):
            return Claim(NAME, sentence, "undecided", explanation=absent(results)[dataset])
        gain = training.final_errors(results, tanh) - training.final_errors(results, normalized)
        rule = "the difference of final test errors (fractions) is above 0"
        return judge(NAME, sentence, {"tanh - tanh N": gain}, low=0.0, rule=rule)

    return Finding(decide, substitute(normalized, sigmoid, "curves"))


FINDINGS = tuple(map(_normalized_is_better, DATASETS))
"""What the paper's curves say of the initializers."""


def draw(results: Results) -> Figure:
    """Draw test errors over updates, one panel a dataset."""
    figure = new_figure(1, 2, size=(9.2, 4.8))
    for ax, dataset in zip(figure.axes, DATASETS, strict=True):
        if dataset in absent(results):
            ax.text(0.5, 0.5, "not measured: its data are not here", transform=ax.transAxes, ha="center")
        else:
            draw_curves(ax, results, FIVE, dataset)
            if dataset in LOGARITHMIC:
                log_ticks(ax)
        finish(ax, LABELS[dataset], "mini-batch updates", "test error (%)")
    legend(figure, training.NETWORKS, FIVE)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Test error during training on MNIST and CIFAR-10",
    source="Glorot & Bengio (2010), figure 12",
    caption=(
        "Test error over mini-batch updates of ten examples, mean over networks with its standard error. "
        "Theory makes no prediction here."
    ),
    effort=14,
    run=run,
    findings=FINDINGS,
    draw=draw,
    trains=True,
)
