"""Layer sizes that grow or shrink with depth: the gain of normalized initialization holds there too."""

from __future__ import annotations

from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.experiments.claims import judge
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, demote
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.glorot_bengio.common.curves import draw_one_panel
from glorotlab.experiments.glorot_bengio.common.training import Trained
from glorotlab.experiments.scales import Scale
from glorotlab.plotting.style import OKABE_ITO
from glorotlab.training.sweeps.store import RunStore

NAME = "tapered_widths"

TAPERS = {"growing": (0.4, 0.7, 1.0, 1.3, 1.6), "shrinking": (1.6, 1.3, 1.0, 0.7, 0.4)}
"""Widths of the hidden layers in units of the scale's; their mean is 1. The paper does not print its own."""

CONTROL = "sigmoid"
"""Network of the negative controls, which stays at chance."""

NETWORKS = training.named(CONTROL) | {
    f"{taper}{suffix}": Trained(f"tanh{letter}, {taper}", "tanh", initializer, hidden=widths)
    for taper, widths in TAPERS.items()
    for suffix, letter, initializer in (("", "", "standard_uniform"), ("_normalized", " N", "glorot_uniform"))
}

STYLES = {
    "growing": (OKABE_ITO[1], "-"),
    "growing_normalized": (OKABE_ITO[1], "--"),
    "shrinking": (OKABE_ITO[0], "-"),
    "shrinking_normalized": (OKABE_ITO[0], "--"),
}


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train both shapes with both initializers."""
    return training.trained(scale, store, NETWORKS, "curves", progress, seeds=scale.side_seeds)


def _normalized_is_better(taper: str) -> Finding:
    """Return that normalized initialization makes networks of one shape better."""

    def decide(results: Results) -> Claim:
        standard, normalized = (training.final_errors(results, f"{taper}{suffix}") for suffix in ("", "_normalized"))
        sentence = f"Normalized initialization makes tanh better where layers are {taper} with depth."
        rule = "the difference of final test errors (fractions), standard - normalized, is above 0"
        return judge(NAME, sentence, {"standard - normalized": standard - normalized}, low=0.0, rule=rule)

    return Finding(decide, demote(taper, f"{taper}_normalized", CONTROL, "curves"))


FINDINGS = tuple(map(_normalized_is_better, TAPERS))
"""The paper's sentence, once for each shape."""


def draw(results: Results) -> Figure:
    """Draw the error curves of the four networks."""
    return draw_one_panel(results, NETWORKS, STYLES)


EXPERIMENT = Experiment(
    name=NAME,
    title="Layers that grow or shrink with depth",
    source="Glorot & Bengio (2010), section 5",
    caption=(
        "Test error on Shapeset-3x2 over mini-batch updates of tanh networks whose hidden layers grow from 0.4 to 1.6 "
        "times the usual width, or shrink so; mean over networks with its standard error. N: normalized initialization."
    ),
    effort=3,
    run=run,
    findings=FINDINGS,
    draw=draw,
    trains=True,
)
