"""Figure 6: activations of tanh networks just after initialization."""

from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.experiments.experiment import Experiment, Results, Table
from glorotlab.experiments.glorot_bengio.common import initialization
from glorotlab.experiments.scales import Scale
from glorotlab.training.sweeps.store import RunStore

NAME, TENSOR = "figure_6", "activation"


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Measure histograms of activations and predict their densities."""
    return initialization.select(initialization.initialization(scale, progress), TENSOR)


FINDINGS = (
    initialization.growing_peak(
        NAME, "Standard initialization: the peak of the activations at 0 grows from layer to layer.", TENSOR, "output"
    ),
    initialization.alike(
        NAME, "Normalized initialization: the activations are distributed alike in every layer.", "normalized", TENSOR
    ),
    initialization.agreement(
        NAME, "Mean-field theory predicts the second moment of the activations in every layer.", TENSOR
    ),
)
"""What the paper says of the figure, and whether theory predicts it."""


def draw(results: Results) -> Figure:
    """Draw histograms over predicted densities."""
    return initialization.draw_histograms(results, TENSOR, "activation z (dimensionless)", common=True)


def table(results: Results) -> Table:
    """Return the slopes over the layers beside the predicted ones."""
    return initialization.slopes_table(results, TENSOR, {"standard": initialization.LINEAR_LOSS, "normalized": 0.0})


EXPERIMENT = Experiment(
    name=NAME,
    title="Activations at initialization, tanh",
    source="Glorot & Bengio (2010), figure 6",
    caption=(
        "Densities of the activations of each hidden layer over units, test images and networks. Points are measured, "
        "lines predicted: a Gaussian pre-activation for every image, sent through tanh. Right: their root mean square. "
        "The paper prints no numbers in this figure."
    ),
    effort=15,
    run=run,
    findings=FINDINGS,
    draw=draw,
    table=table,
    derivations=("forward_variance",),
)
