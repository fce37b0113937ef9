"""Figure 7: back-propagated gradients of tanh networks just after initialization."""

from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.experiments.claims import judge
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, Table, part_of, substitute
from glorotlab.experiments.glorot_bengio.common import initialization, training
from glorotlab.experiments.scales import Scale
from glorotlab.training.sweeps.store import RunStore

NAME, TENSOR, TRAINED = "figure_7", "backprop_gradient", "tanh"

CONTROL = "sigmoid"
"""The network that is trained as the negative control: its gradients shrink before training and after."""

SOON = training.EPOCH
"""Number of updates in the paper's first epoch, the resolution of its figures of training."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Measure histograms of back-propagated gradients and predict them; train a network."""
    drawn = initialization.select(initialization.initialization(scale, part_of(progress, 0, 2)), TENSOR)
    networks = training.named(TRAINED, CONTROL)
    trained = training.trained(scale, store, networks, "statistics", part_of(progress, 1, 2))
    return drawn | trained


def _reverses(results: Results) -> Claim:
    variance, updates = training.backprop_variances(results, TRAINED), training.steps(results, TRAINED)
    count, last = variance.shape[-1], int((updates <= SOON).sum()) - 1
    ratios = {
        f"before training: layer {count} / 1": variance[:, 0, -1] / variance[:, 0, 0],
        f"after {updates[last]:,.0f} updates: layer 1 / {count}": variance[:, last, 0] / variance[:, last, -1],
    }
    sentence = (
        "Standard initialization: back-propagated gradients shrink towards the input; training soon reverses that."
    )
    network = results[f"{TRAINED}_statistics"].attrs.get("network", "")
    rule = f"both ratios of variances are above 1 in training {network}, the second within {SOON:,} updates"
    return judge(NAME, sentence, ratios, low=1.0, rule=rule)


FINDINGS = (
    initialization.growing_peak(
        NAME,
        "Standard initialization: back-propagated gradients shrink towards the input (their peak at 0 grows).",
        TENSOR,
        "input",
    ),
    initialization.alike(
        NAME,
        "Normalized initialization: back-propagated gradients are distributed alike in every layer.",
        "normalized",
        TENSOR,
    ),
    initialization.agreement(
        NAME, "Mean-field theory predicts the second moment of the back-propagated gradients in every layer.", TENSOR
    ),
    Finding(
        _reverses,
        substitute(TRAINED, CONTROL, "statistics"),
        training.unless_shorter_than(SOON, ["fail"], TRAINED, "statistics"),
    ),
)
"""What the paper says of the figure, and whether theory predicts it."""


def draw(results: Results) -> Figure:
    """Draw histograms over predicted densities."""
    return initialization.draw_histograms(results, TENSOR, "back-propagated gradient dC/ds (cost per unit of s)")


def table(results: Results) -> Table:
    """Return the slopes over the layers beside the predicted ones."""
    return initialization.slopes_table(results, TENSOR, {"standard": -initialization.LINEAR_LOSS, "normalized": 0.0})


EXPERIMENT = Experiment(
    name=NAME,
    title="Back-propagated gradients at initialization, tanh",
    source="Glorot & Bengio (2010), figure 7",
    caption=(
        "Densities of dC/ds of one example's cost in each hidden layer, over units, images and networks. Points are "
        "measured, lines predicted: f'(s) times a sum over the layer above, Gaussian below wide layers; below the few "
        "outputs it keeps the shape of the uniform weights. Right: their root mean square. "
        "The paper prints no numbers in this figure."
    ),
    effort=1,
    run=run,
    findings=FINDINGS,
    draw=draw,
    table=table,
    derivations=("backward_variance",),
    trains=True,
)
