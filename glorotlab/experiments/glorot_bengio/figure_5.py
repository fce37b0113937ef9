"""Figure 5: cost surfaces over two weights, one of each layer, of a tanh network with random inputs and targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LightSource
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from mpl_toolkits.mplot3d import Axes3D

from glorotlab import activations, costs
from glorotlab.arrays import Array, Progress
from glorotlab.averages import mean_and_error
from glorotlab.experiments.claims import judge
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, exchange
from glorotlab.experiments.scales import Scale
from glorotlab.plotting.style import DPI, MEASUREMENT, OKABE_ITO, Picture, finish
from glorotlab.schema import coordinate
from glorotlab.streams import Purpose, generator
from glorotlab.training.sweeps.store import RunStore

NAME, ACTIVATION = "figure_5", "tanh"

SURFACES = {
    "log_likelihood": ("softmax", "log_likelihood"),
    "quadratic": ("softmax", "quadratic"),
    "linear": ("linear", "quadratic"),
}
"""Output and cost of each surface; linear outputs, which never saturate, serve a claim and its control."""

LABELS = {
    "log_likelihood": "log-likelihood, softmax",
    "quadratic": "quadratic, softmax",
    "linear": "quadratic, linear outputs",
}

INPUTS, HIDDEN, CLASSES, EXAMPLES = 10, 5, 3, 10
"""Sizes of network and data. The paper states none; in a small network one weight matters."""

REACH = 10.0
"""Range of both weights, from -REACH to REACH; the others have variance 1 / fan_in, so that they stay near 1."""

POINTS = 81
"""Number of values of each weight."""

DRAWS = 32
"""Number of random networks with their own inputs and targets, the same for every cost; the first is drawn."""

FLAT = 0.25
"""Slope below which a surface counts as flat, over the mean slope that crosses its range of costs."""

MARGIN = 0.05
"""Difference of the flat shares above which the quadratic cost has more severe plateaus."""


TICKS = np.linspace(-REACH, REACH, 5)
"""Marks on the axes of both weights."""

COLORS = colormaps["cividis"]
"""Colors of costs, from the least to the largest."""


@dataclass(frozen=True)
class Sample:
    """A network of one hidden layer, without biases, and the examples that its cost is the mean of.

    Parameters
    ----------
    x : float64 array of shape (examples, inputs)
    y : float64 array of shape (examples, classes)
        One-hot targets.
    first : float64 array of shape (inputs, hidden)
        Weights of the hidden layer.
    second : float64 array of shape (hidden, classes)
        Weights of the output layer.
    """

    x: Array
    y: Array
    first: Array
    second: Array


def draw_sample(seed: int) -> Sample:
    """Draw inputs from N(0, 1), targets uniformly, weights from N(0, 1 / fan_in)."""
    random = generator(seed, Purpose.COST_SURFACE)
    x = random.normal(size=(EXAMPLES, INPUTS))
    y = np.eye(CLASSES)[random.integers(CLASSES, size=EXAMPLES)]
    first = random.normal(size=(INPUTS, HIDDEN)) / np.sqrt(INPUTS)
    return Sample(x, y, first, random.normal(size=(HIDDEN, CLASSES)) / np.sqrt(HIDDEN))


def surface(sample: Sample, output: str, cost: str, weights: Array) -> tuple[Array, Array]:
    """Return the mean cost over the first weight of each layer, and its gradient with respect to the two.

    Parameters
    ----------
    sample : Sample
    output, cost : str
        A record of `glorotlab.costs`.
    weights : float64 array of shape (points,)
        Values that both weights take.

    Returns
    -------
    cost : float64 array of shape (points, points)
        The first axis is the weight of the hidden layer, the second that of the output layer.
    gradient : float64 array of shape (2, points, points)
        dC/dw by the chain rule (equations 2 and 3 of the paper).
    """
    record, f = costs.get(output, cost), activations.get(ACTIVATION)
    others = f.function(sample.x @ sample.first[:, 1:]) @ sample.second[1:]
    # axes: hidden weight, output weight, example, class
    moving = sample.x[:, 0]
    s = weights[:, None] * moving + sample.x[:, 1:] @ sample.first[1:, 0]
    z, slope = f.function(s)[:, None, :], f.derivative(s)[:, None, :]
    rows = np.repeat(sample.second[:1], len(weights), axis=0)  # of the moving unit, one a value of its weight
    rows[:, 0] = weights
    outputs = z[..., None] * rows[:, None, :] + others
    targets = np.broadcast_to(sample.y, outputs.shape)
    delta = record.gradient(outputs, targets)
    back = (delta * rows[:, None, :]).sum(axis=-1)
    gradient = np.array([(back * slope * moving).mean(axis=-1), (delta[..., 0] * z).mean(axis=-1)])
    return record.value(outputs, targets).mean(axis=-1), gradient


def normalized(cost: Array, gradient: Array) -> tuple[Array, Array]:
    """Return the cost from 0 at its least to 1 at its largest, and its slope with both weights from 0 to 1.

    A slope of 1 all the way along one weight crosses the whole range of costs.
    """
    span = np.ptp(cost)
    return (cost - cost.min()) / span, 2 * REACH * np.hypot(*gradient) / span


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Compute every surface of every draw: the flat share of each, and the first draw whole."""
    weights = np.linspace(-REACH, REACH, POINTS)
    shares: dict[str, list[float]] = {name: [] for name in SURFACES}
    results: Results = {}
    for seed in range(DRAWS):
        sample = draw_sample(seed)
        for name, (output, cost) in SURFACES.items():
            height, slope = normalized(*surface(sample, output, cost, weights))
            shares[name].append(float((slope < FLAT).mean()))
            if seed == 0:
                results[f"{name}_surface"] = _dataset(weights, height, slope)
        if progress:
            progress(seed + 1, DRAWS)
    seeds = coordinate("seed", range(DRAWS))
    flat = "share of the surface that is flat", "1"
    return results | {
        f"{name}_shares": described(xr.Dataset({"flat": ("seed", values)}, {"seed": seeds}), flat=flat)
        for name, values in shares.items()
    }


def _dataset(weights: Array, height: Array, slope: Array) -> xr.Dataset:
    dims = ("hidden_weight", "output_weight")
    surface = xr.Dataset({"cost": (dims, height), "slope": (dims, slope)}, coords=dict.fromkeys(dims, weights))
    return described(
        surface,
        cost=("mean cost, from 0 at its least to 1 at its largest", "1"),
        slope=("slope of the cost with both weights from 0 to 1", "1"),
        hidden_weight=("a weight of the hidden layer", "1"),
        output_weight=("a weight of the output layer", "1"),
    )


def _flat(results: Results, name: str) -> Array:
    """Return the flat share of every draw's surface, shape (draw,)."""
    return np.asarray(results[f"{name}_shares"]["flat"].values)


def _more_than(other: str, sentence: str) -> Finding:
    """Return that the quadratic cost with softmax outputs is flat on a larger share of the surface than another."""

    def decide(results: Results) -> Claim:
        difference = {f"quadratic - {other}": _flat(results, "quadratic") - _flat(results, other)}
        rule = (
            f"of the share of the surface whose slope is below {FLAT:g} of its mean across the range of costs, the "
            f"difference is above {MARGIN:g}"
        )
        return judge(NAME, sentence, difference, low=MARGIN, rule=rule)

    return Finding(decide, exchange("quadratic", other, "shares"))


FINDINGS = (
    _more_than("log_likelihood", "The quadratic cost has more severe plateaus than the log-likelihood."),
    _more_than("linear", "They come from saturated softmax outputs: with linear outputs the quadratic cost has fewer."),
)
"""What the paper says of the figure, and why it is so."""


def draw(results: Results) -> Figure:
    """Draw both surfaces of the first draw as relief and as contours, log-likelihood above, and the flat shares."""
    layout = ConstrainedLayoutEngine(wspace=0.09)  # the axes of a relief reach beyond their place
    figure = Picture(figsize=(10.2, 9.2), dpi=DPI, layout=layout)
    grid = figure.add_gridspec(3, 2, height_ratios=[1, 1, 0.34])
    for row, name in enumerate(("log_likelihood", "quadratic")):
        dataset = results[f"{name}_surface"]
        _draw_relief(figure.add_subplot(grid[row, 0], projection="3d"), dataset, LABELS[name])
        _draw_contours(figure.add_subplot(grid[row, 1]), dataset, LABELS[name])
    _draw_shares(figure.add_subplot(grid[2, :]), results)
    return figure


def _draw_relief(ax: Axes3D, dataset: xr.Dataset, label: str) -> None:
    """Draw a surface lit from one side; the weights' axes lie as in the contours beside it."""
    across, along = np.meshgrid(dataset["output_weight"].values, dataset["hidden_weight"].values)
    height = dataset["cost"].values
    colors = LightSource(azdeg=300, altdeg=40).shade(
        height, cmap=COLORS, vmin=0, vmax=1, blend_mode="soft", vert_exag=20, fraction=1.1
    )
    flat = {"linewidth": 0, "antialiased": False, "shade": False, "rasterized": True}  # thousands of facets
    ax.plot_surface(across, along, height, facecolors=colors, rstride=1, cstride=1, **flat)
    ax.view_init(elev=32, azim=-60)
    ax.set_box_aspect((1, 1, 0.62), zoom=0.98)
    ax.set_title(f"Cost: {label}", fontsize=10.5, loc="left")
    ax.set(xticks=TICKS[::2], yticks=TICKS[::2], zticks=[0, 0.5, 1])
    ax.set_xlabel("weight of output layer")
    ax.set_ylabel("weight of hidden layer")


def _draw_contours(ax: Axes, dataset: xr.Dataset, label: str) -> None:
    """Draw contours of equal steps of the cost, and hatch where the surface is flat."""
    across, along = dataset["output_weight"].values, dataset["hidden_weight"].values
    height, flat = dataset["cost"].values, dataset["slope"].values < FLAT
    levels = np.linspace(0, 1, 11)
    filled = ax.contourf(across, along, height, levels=levels, cmap=COLORS, vmin=0, vmax=1)
    ax.contour(across, along, height, levels=levels, colors="0.2", linewidths=0.5)
    ax.contourf(across, along, flat, levels=[0.5, 1.5], colors="none", hatches=["////"])
    finish(
        ax,
        f"From above, flat (hatched) on {flat.mean():.0%}",
        "weight of output layer",
        "weight of hidden layer",
    )
    ax.set_aspect("equal")
    ax.grid(False)
    ax.set(xticks=TICKS, yticks=TICKS)
    bar = ax.figure.colorbar(filled, ax=ax)
    bar.ax.set_title("cost", loc="left", fontsize=10.5)
    bar.ax.set_ylabel("from its least (0) to its largest (1)")


def _draw_shares(ax: Axes, results: Results) -> None:
    """Draw the flat share of every draw and the mean with its standard error."""
    names = list(SURFACES)[::-1]
    for place, name in enumerate(names):
        shares = 100 * _flat(results, name)
        ax.plot(shares, np.full(len(shares), place + 0.22), "|", color="0.55", markersize=7)
        mean, error = mean_and_error(shares)
        ax.errorbar([mean], [place], xerr=[error], color=OKABE_ITO[0], **MEASUREMENT)
    ax.set_yticks(range(len(names)), [LABELS[name] for name in names])
    ax.set_ylim(-0.5, len(names) - 0.3)
    ax.set_xlim(left=0)
    title = f"Flat share of the surface: {DRAWS} random networks (dashes), their mean with standard error (points)"
    finish(ax, title, "share of the surface (%)", "")


EXPERIMENT = Experiment(
    name=NAME,
    title="Cost surfaces over two weights, log-likelihood against quadratic cost",
    source="Glorot & Bengio (2010), figure 5",
    caption=(
        f"Mean cost of {EXAMPLES} random inputs and targets over one weight of each layer of a {INPUTS}-{HIDDEN}-"
        f"{CLASSES} tanh network whose other weights are random and fixed: log-likelihood above, quadratic below, the "
        "same network and examples. Each cost is shifted and scaled so that it runs from 0 to 1 over the surface; a "
        "surface is flat (hatched) where, with both weights scaled to run from 0 to 1 as well, its slope is below "
        f"{FLAT:g}. The paper prints no numbers in this figure and states no sizes."
    ),
    effort=2,
    run=run,
    findings=FINDINGS,
    draw=draw,
)
