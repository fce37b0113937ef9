"""Learning rates per parameter: second-order help improves tanh, but does not replace the normalized initialization."""

from __future__ import annotations

from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.experiments.claims import judge
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, demote, substitute
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.glorot_bengio.common.curves import draw_one_panel
from glorotlab.experiments.glorot_bengio.common.training import Trained
from glorotlab.experiments.scales import Scale
from glorotlab.plotting.style import OKABE_ITO
from glorotlab.training.sweeps.store import RunStore

NAME = "second_order"

METHODS = {"hessian": "diagonal Hessian", "gradient_variance": "gradient variance"}
"""Estimates behind the rates per parameter, by their names in ``TrainingSpec.learning_rates``."""

CONTROL = "sigmoid"
"""Network of the negative controls, which stays at chance."""

NETWORKS = training.named("tanh", "tanh_normalized", CONTROL) | {
    f"{name}_{method}": Trained(
        f"{training.NETWORKS[name].label}, {label}",
        "tanh",
        training.NETWORKS[name].initializer,
        training={"learning_rates": method},
    )
    for name in ("tanh", "tanh_normalized")
    for method, label in METHODS.items()
}

STYLES = {
    "tanh": (OKABE_ITO[1], "-"),
    "tanh_hessian": (OKABE_ITO[0], "-"),
    "tanh_gradient_variance": (OKABE_ITO[2], "-"),
    "tanh_normalized": (OKABE_ITO[1], "--"),
    "tanh_normalized_hessian": (OKABE_ITO[0], "--"),
    "tanh_normalized_gradient_variance": (OKABE_ITO[2], "--"),
}


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train tanh with both initializers, at a common rate and at rates of both estimates."""
    return training.trained(scale, store, NETWORKS, "curves", progress, seeds=scale.side_seeds)


def _helps(results: Results) -> Claim:
    gain = {label: _lead(results, "tanh", f"tanh_{method}") for method, label in METHODS.items()}
    return _positive("Rates per parameter improve tanh with the standard initialization.", gain, "gain over plain tanh")


def _does_not_reach(results: Results) -> Claim:
    behind = {label: _lead(results, f"tanh_{method}", "tanh_normalized") for method, label in METHODS.items()}
    sentence = "With the standard initialization they do not reach the normalized initialization alone."
    return _positive(sentence, behind, "distance behind tanh N")


def _both_are_best(results: Results) -> Claim:
    gain = {label: _lead(results, "tanh_normalized", f"tanh_normalized_{method}") for method, label in METHODS.items()}
    return _positive(
        "Rates per parameter and the normalized initialization together are best.", gain, "gain over tanh N"
    )


def _lead(results: Results, worse: str, better: str) -> Array:
    return training.final_errors(results, worse) - training.final_errors(results, better)


def _positive(sentence: str, differences: dict[str, Array], what: str) -> Claim:
    rule = f"every {what} in final test error (fractions) is above 0"
    return judge(NAME, sentence, differences, low=0.0, rule=rule)


FINDINGS = (
    Finding(_helps, demote("tanh", "tanh_hessian", CONTROL, "curves")),
    Finding(_does_not_reach, substitute("tanh_normalized", CONTROL, "curves")),
    Finding(_both_are_best, demote("tanh_normalized", "tanh_normalized_hessian", CONTROL, "curves")),
)
"""The paper's sentences about second-order help."""


def draw(results: Results) -> Figure:
    """Draw the error curves of the six networks."""
    return draw_one_panel(results, NETWORKS, STYLES)


EXPERIMENT = Experiment(
    name=NAME,
    title="Learning rates per parameter",
    source="Glorot & Bengio (2010), section 5",
    caption=(
        "Test error on Shapeset-3x2 over mini-batch updates, mean over networks with its standard error. Rates per "
        "parameter come from the diagonal of the Gauss-Newton Hessian (LeCun et al. 1998) or from the variance of the "
        "gradient between examples, and are 1 on average in units of the common rate. N = normalized initialization."
    ),
    effort=4,
    run=run,
    findings=FINDINGS,
    draw=draw,
    trains=True,
)
