"""Figure 7: back-propagated gradients of tanh networks just after initialisation."""

from matplotlib.figure import Figure

from glorotlab.experiments import initialization
from glorotlab.experiments.experiment import Claim, Experiment, Results
from glorotlab.experiments.scales import Scale
from glorotlab.schema import Progress

NAME, TENSOR = "figure_7", "backprop_gradient"


def run(scale: Scale, progress: Progress | None = None) -> Results:
    """Measure histograms of back-propagated gradients and predict their second moments."""
    found = initialization.select(initialization.initialization(scale, progress), TENSOR)
    return {key: dataset for key, dataset in found.items() if not key.endswith("_density")}


def claims(results: Results) -> list[Claim]:
    """Decide what the paper says of the figure, and whether theory predicts it."""
    shrink = "Standard initialisation: back-propagated gradients shrink towards the input (their peak at 0 grows)."
    same = "Normalised initialisation: back-propagated gradients are distributed alike in every layer."
    theory = "Mean-field theory predicts the second moment of the back-propagated gradients in every layer."
    return [
        initialization.growing_peak(NAME, shrink, results, TENSOR, "input"),
        initialization.alike(NAME, same, results, "normalised", TENSOR),
        initialization.agreement(NAME, theory, results, TENSOR),
    ]


def draw(results: Results) -> Figure:
    """Draw histograms, and the predicted root mean square beside them."""
    return initialization.draw_histograms(results, TENSOR, "back-propagated gradient dC/ds (cost per unit of s)")


EXPERIMENT = Experiment(
    name=NAME,
    title="Back-propagated gradients at initialisation, tanh",
    source="Glorot & Bengio (2010), figure 7",
    caption=(
        "Left: measured densities of dC/ds of one example's cost in each hidden layer, over units, test images and "
        "networks. Right: their root mean square, measured (points) over predicted (line). "
        "The paper prints no numbers in this figure."
    ),
    run=run,
    claims=claims,
    draw=draw,
)
