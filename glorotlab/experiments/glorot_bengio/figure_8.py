"""Figure 8: weight gradients of tanh networks just after initialization."""

from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.experiments.experiment import Experiment, Results, Table, substitute
from glorotlab.experiments.glorot_bengio.common import initialization
from glorotlab.experiments.scales import Scale
from glorotlab.training.sweeps.store import RunStore

NAME, TENSOR, EXAMPLE = "figure_8", "batch_weight_gradient", "example_weight_gradient"


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Measure histograms of weight gradients and predict them."""
    return initialization.select(initialization.initialization(scale, progress), TENSOR, extra=(EXAMPLE,))


FINDINGS = (
    initialization.alike(
        NAME,
        "Standard initialization: weight gradients are distributed roughly alike in every layer, even so.",
        "standard",
        TENSOR,
        initialization.SIGMOID,
    ),
    initialization.alike(
        NAME,
        "Normalized initialization: weight gradients are distributed alike in every layer.",
        "normalized",
        TENSOR,
        substitute("normalized", "sigmoid", "measured"),
    ),
    initialization.agreement(
        NAME, "Mean-field theory predicts the second moment of one example's weight gradients in every layer.", EXAMPLE
    ),
    initialization.agreement(
        NAME,
        "Mean-field theory predicts the second moment of the batch-mean weight gradients in every layer.",
        TENSOR,
        within=initialization.BATCH_AGREEMENT,
    ),
    initialization.agreement(
        NAME,
        "Mean-field theory predicts how that of the batch mean changes from layer to layer within a network.",
        TENSOR,
        within=initialization.BATCH_AGREEMENT,
        profile=True,
        control=initialization.SIGMOID,
    ),
)
"""What the paper says of the figure, and whether theory predicts it."""


def draw(results: Results) -> Figure:
    """Draw histograms over predicted densities."""
    return initialization.draw_histograms(results, TENSOR, "weight gradient dC/dW (cost per unit of W)")


def table(results: Results) -> Table:
    """Return the slopes over the layers beside the predicted ones."""
    return initialization.slopes_table(results, TENSOR, {"standard": 0.0, "normalized": 0.0})


EXPERIMENT = Experiment(
    name=NAME,
    title="Weight gradients at initialization, tanh",
    source="Glorot & Bengio (2010), figure 8",
    caption=(
        "Densities of dC/dW of the mean cost of the images in each hidden layer, over weights and networks. Points "
        "are measured, lines predicted: Gaussians (next to the outputs: uniform laws) of random variance, which is "
        "averaged over 2,048 draws. Right: their root mean square. "
        "The paper prints no numbers in this figure."
    ),
    effort=1,
    run=run,
    findings=FINDINGS,
    draw=draw,
    table=table,
    derivations=("weight_gradient_variance",),
)
