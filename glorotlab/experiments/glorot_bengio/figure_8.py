"""Figure 8: weight gradients of tanh networks just after initialisation."""

from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.experiments.experiment import Claim, Experiment, Results
from glorotlab.experiments.glorot_bengio import _initialization
from glorotlab.experiments.scales import Scale

NAME, TENSOR, EXAMPLE = "figure_8", "batch_weight_gradient", "example_weight_gradient"


def run(scale: Scale, progress: Progress | None = None) -> Results:
    """Measure histograms of weight gradients and predict them."""
    return _initialization.select(_initialization.initialization(scale, progress), TENSOR, extra=(EXAMPLE,))


def claims(results: Results) -> list[Claim]:
    """Decide what the paper says of the figure, and whether theory predicts it."""
    standard = "Standard initialisation: weight gradients are distributed roughly alike in every layer, even so."
    normalised = "Normalised initialisation: weight gradients are distributed alike in every layer."
    example = "Mean-field theory predicts the second moment of one example's weight gradients in every layer."
    batch = "Mean-field theory predicts the second moment of the batch-mean weight gradients in every layer."
    profile = "Mean-field theory predicts how that of the batch mean changes from layer to layer within a network."
    within = _initialization.BATCH_AGREEMENT
    return [
        _initialization.alike(NAME, standard, results, "standard", TENSOR),
        _initialization.alike(NAME, normalised, results, "normalised", TENSOR),
        _initialization.agreement(NAME, example, results, EXAMPLE),
        _initialization.agreement(NAME, batch, results, TENSOR, within=within),
        _initialization.agreement(NAME, profile, results, TENSOR, within=within, profile=True),
    ]


def draw(results: Results) -> Figure:
    """Draw histograms over predicted densities."""
    return _initialization.draw_histograms(results, TENSOR, "weight gradient dC/dW (cost per unit of W)")


EXPERIMENT = Experiment(
    name=NAME,
    title="Weight gradients at initialisation, tanh",
    source="Glorot & Bengio (2010), figure 8",
    caption=(
        "Densities of dC/dW of the mean cost of the images in each hidden layer, over weights and networks. Points "
        "are measured, lines predicted: Gaussians (next to the outputs: uniform laws) of random variance, which is "
        "averaged over 2,048 draws. Right: their root mean square. "
        "The paper prints no numbers in this figure."
    ),
    effort=2,
    run=run,
    claims=claims,
    draw=draw,
)
