"""The quadratic cost against the log-likelihood, both on a softmax output: the quadratic one is worse."""

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

NAME = "cost_function"

CONTROL = "sigmoid"
"""Network of the negative control, which stays at chance."""

NETWORKS = {
    "tanh_normalized": training.NETWORKS["tanh_normalized"],
    "quadratic": Trained("tanh N, quadratic cost", "tanh", "glorot_uniform", cost="quadratic"),
    CONTROL: training.NETWORKS[CONTROL],
}

STYLES = {"tanh_normalized": (OKABE_ITO[1], "--"), "quadratic": (OKABE_ITO[3], "-")}


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train tanh N with both costs."""
    return training.trained(scale, store, NETWORKS, "curves", progress)


def _quadratic_is_worse(results: Results) -> Claim:
    likelihood, quadratic = (training.final_errors(results, name) for name in STYLES)
    rule = "the difference of final test errors (fractions), quadratic - log-likelihood, is above 0"
    lead = {"quadratic - log-likelihood": quadratic - likelihood}
    return judge(NAME, "The quadratic cost is worse than the log-likelihood.", lead, low=0.0, rule=rule)


FINDINGS = (Finding(_quadratic_is_worse, demote("quadratic", "tanh_normalized", CONTROL, "curves")),)
"""The paper's sentence about the costs."""


def draw(results: Results) -> Figure:
    """Draw the error curves of both costs."""
    return draw_one_panel(results, NETWORKS, STYLES)


EXPERIMENT = Experiment(
    name=NAME,
    title="Quadratic cost against log-likelihood",
    source="Glorot & Bengio (2010), section 4.1",
    caption=(
        "Test error on Shapeset-3x2 over mini-batch updates of tanh N, trained on the log-likelihood and on the "
        "quadratic cost of the same softmax outputs at the same rate; mean over networks with its standard error."
    ),
    effort=1,
    run=run,
    findings=FINDINGS,
    draw=draw,
    trains=True,
)
