"""Learning speed neuron by neuron: dC/db of every hidden neuron of a network that has just been drawn."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.experiments.claims import judge
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, exchange
from glorotlab.experiments.nielsen.common.images import UNITS, images
from glorotlab.experiments.scales import Scale
from glorotlab.network.mlp import Network
from glorotlab.plotting.style import OKABE_ITO, new_figure
from glorotlab.training.sweeps.store import RunStore

NAME, HIDDEN_LAYERS = "nielsen_bars", 2

DRAWN = 0
"""Seed of the network that the picture shows."""

MOSTLY = 0.5
"""Share of pairs with the longer bar in the second layer above which most pairs have it."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Take dC/db of the batch-averaged cost of the first training images in networks drawn at initialization."""
    source, sizes = images(), scale.nielsen
    x, y = source.first(sizes.images)
    rows = []
    for seed in range(sizes.networks):
        network = Network(source.network(HIDDEN_LAYERS), seed=seed)
        rows.append(network.gradients(x, y).biases[:HIDDEN_LAYERS])
        if progress:
            progress(seed + 1, sizes.networks)
    gradient = np.array(rows, dtype=np.float64)
    seeds = np.arange(sizes.networks)
    attributes = {"dataset": source.label, "images": float(sizes.images)}
    return {
        f"layer_{layer + 1}_bars": described(
            xr.Dataset({"bias_gradient": (("seed", "neuron"), gradient[:, layer])}, {"seed": seeds}, attributes),
            bias_gradient=("gradient dC/db of the batch-mean cost", "1"),
        )
        for layer in range(HIDDEN_LAYERS)
    }


def _lengths(results: Results, layer: int) -> Array:
    """Return |dC/db| of every neuron, shape (seed, neuron)."""
    values = results[f"layer_{layer}_bars"]["bias_gradient"].transpose("seed", "neuron").values
    return np.asarray(np.abs(values))


def _mostly_longer(results: Results) -> Claim:
    first, second = _lengths(results, 1), _lengths(results, 2)
    share = (second[:, :, np.newaxis] > first[:, np.newaxis, :]).mean(axis=(1, 2))
    data = results["layer_1_bars"].attrs["dataset"]
    sentence = f"The bars of the second hidden layer are mostly longer than those of the first ({data})."
    rule = f"of all pairs of one neuron a layer more than {MOSTLY:.0%} have the longer bar above"
    return judge(NAME, sentence, {"share of pairs": share}, low=MOSTLY, rule=rule)


FINDINGS = (Finding(_mostly_longer, exchange("layer_1", "layer_2", "bars")),)
"""What he says of his picture."""


def draw(results: Results) -> Figure:
    """Draw both hidden layers as columns of neurons, each with its bar, all on one scale."""
    figure = new_figure(1, HIDDEN_LAYERS, size=(7.2, 7.2), sharex=True)
    longest = max(float(_lengths(results, layer)[DRAWN].max()) for layer in (1, 2))
    for layer, ax in enumerate(figure.axes, start=1):
        _draw_neurons(ax, _lengths(results, layer)[DRAWN], longest)
        ax.set_title(f"hidden layer {layer}", fontsize=10.5, loc="left")
        ax.set_xlabel("|dC/db| (cost per unit of b)")
    attributes = results["layer_1_bars"].attrs
    figure.suptitle(
        f"One network at initialization, {attributes['images']:g} images of {attributes['dataset']}", fontsize=10.5
    )
    return figure


def _draw_neurons(ax: Axes, lengths: Array, longest: float) -> None:
    """Draw each neuron as a circle with its bar beside it, the first one on top."""
    places = np.arange(len(lengths))
    ax.scatter(np.full(len(lengths), -0.07 * longest), places, s=42, facecolors="none", edgecolors="0.3", clip_on=False)
    ax.barh(places, lengths, height=0.62, color=OKABE_ITO[0])
    ax.set_ylim(UNITS - 0.4, -0.6)
    ax.set_xlim(-0.12 * longest, 1.05 * longest)
    ax.set_yticks([])
    ax.spines[["top", "right", "left"]].set_visible(False)


EXPERIMENT = Experiment(
    name=NAME,
    title="Learning speed of every hidden neuron",
    source="Nielsen, Neural Networks and Deep Learning, chapter 5",
    caption=(
        "[784, 30, 30, 10] right after initialization: one circle and bar a hidden neuron, the bar as long as the "
        "gradient of the batch-averaged cost by its bias."
    ),
    effort=0.5,
    run=run,
    findings=FINDINGS,
    draw=draw,
)
