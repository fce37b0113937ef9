"""Figures 6, 7 and 8 share this: tanh networks just after initialization, standard against normalized.

Five hidden layers on Shapeset-3x2 test images; histograms of a tensor per layer, over units and examples, and its
root mean square per layer beside the mean-field prediction. Sigmoid networks are measured too, as negative controls of
what holds for tanh under either initializer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from glorotlab.arrays import Array, Progress
from glorotlab.averages import mean_and_error
from glorotlab.data.catalogue import load_dataset
from glorotlab.experiments.claims import judge
from glorotlab.experiments.describe import About, described
from glorotlab.experiments.experiment import Claim, Finding, Results, Swap, Table, exchange, part_of, shared, substitute
from glorotlab.experiments.scales import Scale
from glorotlab.measurement.estimators import HISTOGRAM_TENSORS
from glorotlab.measurement.measure import measure
from glorotlab.plotting import histograms, layers
from glorotlab.plotting.style import (
    MEASUREMENT,
    PREDICTION,
    finish,
    handle,
    layer_colors,
    layer_ticks,
    log_ticks,
    new_figure,
)
from glorotlab.schema import TENSORS
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.distributions.predict_distributions import predict_distributions
from glorotlab.theory.predict import predict

INITIALIZERS = {"standard": "standard_uniform", "normalized": "glorot_uniform"}
"""The paper's word for each initializer (its equations 1 and 16), and its name here."""

HIDDEN = 5
"""Hidden layers of every network."""

ALIKE = 2.0
"""Factor of root mean squares below which two layers count as alike."""

LINEAR_LOSS = -math.log(3) / 2
"""Slope of the logarithm of a signal's root mean square over layers with n Var[W] = 1/3 (eqs. 5 and 15)."""

GROWTH = 3**0.25
"""Least factor by which the density at a peak must grow from a layer to the next.

In the linear regime the factor is sqrt(3) under the standard initializer (n Var[W] = 1/3, eq. 15) and 1 under the
normalized one; this is halfway between them on a logarithmic scale."""

AGREEMENT = 0.05
"""Largest distance of measured / predicted from 1 at which a second moment agrees.

That is somewhat above the resolution of ``networks`` of 1,000 units. The linear recurrence of the paper (its eq. 5)
is off by factors of 1.8 to 5 here."""

BATCH_AGREEMENT = 0.10
"""The same distance for gradients of the mean cost, which average over few numbers because outputs are few."""

CONTROL_SHARE = 2
"""Divisor of the number of networks for the negative control, whose effect is large."""

EXCHANGED = exchange("standard", "normalized", "measured")
"""Control of claims about one initializer: the measurements of both are exchanged."""

SIGMOID = substitute("standard", "sigmoid", "measured")
"""Control of claims that hold for tanh under either initializer: sigmoid networks replace tanh's."""

ROOM = 1.25
"""Factor of empty space above and below the root mean squares."""

DECADES = 4
"""Decades of density in a histogram; bins below them have a handful of samples."""


def spec_of(scale: Scale, name: str) -> NetworkSpec:
    """Return the tanh network of one of ``INITIALIZERS``."""
    layers_text = f"1024,{scale.width}x{HIDDEN},9"
    return NetworkSpec.parse(layers_text, activation="tanh", initializer=INITIALIZERS[name])


@shared
def initialization(scale: Scale, progress: Progress | None = None) -> Results:
    """Predict and measure both initializers; keys ``standard_predicted``, ``standard_measured`` and so on."""
    x, y = load_dataset("shapeset").test.batch(0, scale.examples)

    def one(spec: NetworkSpec, progress: Progress) -> Results:
        measured = measure(spec, x, y, seeds=scale.networks, bins=scale.bins, progress=progress)
        predicted = predict(spec, inputs=x, labels=y)
        return {"predicted": predicted, "measured": measured, "masses": _masses(spec, x, y, measured)}

    sigmoid = spec_of(scale, "standard").model_copy(update={"activation": "sigmoid"})
    control = measure(sigmoid, x, y, seeds=max(2, scale.networks // CONTROL_SHARE), bins=scale.bins)
    return both_initializers(scale, one, progress) | {"sigmoid_measured": control}


def both_initializers(
    scale: Scale, one: Callable[[NetworkSpec, Progress], Results], progress: Progress | None = None
) -> Results:
    """Return the results of ``one(spec, progress)`` for both initializers, with their names before its keys."""
    results: Results = {}
    for place, name in enumerate(INITIALIZERS):
        part = one(spec_of(scale, name), part_of(progress, place, len(INITIALIZERS)))
        results |= {f"{name}_{key}": dataset for key, dataset in part.items()}
    return results


def _masses(spec: NetworkSpec, x: npt.ArrayLike, y: npt.ArrayLike, measured: xr.Dataset) -> xr.Dataset:
    """Predict the share of every bin of the measured histograms: ``{tensor}_mass`` between ``{tensor}_edge``."""
    predicted = predict_distributions(spec, x, y)
    masses: dict[str, tuple[tuple[str, str], Array]] = {}
    about: dict[str, About] = {}
    for tensor in HISTOGRAM_TENSORS:
        edges = measured[f"{tensor}_edge"].isel(seed=0).values[:HIDDEN]
        rows = [getattr(predicted, tensor)(layer).mass(edges[layer - 1]) for layer in range(1, HIDDEN + 1)]
        masses[f"{tensor}_mass"] = (("layer", "bin"), np.array(rows))
        masses[f"{tensor}_edge"] = (("layer", "edge"), edges)
        about[f"{tensor}_mass"] = f"predicted share of {TENSORS[tensor][0]} between two edges", "1"
    dataset = xr.Dataset(masses, {"layer": np.arange(1, HIDDEN + 1)}, {"long_name": "predicted histograms"})
    return described(dataset, **about)


def select(results: Results, tensor: str, extra: tuple[str, ...] = ()) -> Results:
    """Select the variables that a figure of one tensor needs."""
    names = {f"{name}_second_moment" for name in (tensor, *extra)}
    names |= {f"{tensor}_count", f"{tensor}_edge", f"{tensor}_mass"}
    return {key: dataset[[name for name in dataset if name in names]] for key, dataset in results.items()}


def root_mean_square(results: Results, name: str, tensor: str) -> Array:
    """Return the measured root mean square per network and hidden layer, shape (seed, layer)."""
    values = results[f"{name}_measured"][f"{tensor}_second_moment"].transpose("seed", "layer").values
    return np.asarray(np.sqrt(values[:, :-1]))


def peaks(results: Results, name: str, tensor: str) -> Array:
    """Return the measured density next to 0 per network and hidden layer, shape (seed, layer)."""
    measured = results[f"{name}_measured"]
    counts = measured[f"{tensor}_count"].transpose("seed", "layer", "bin").values[:, :-1]
    edges = measured[f"{tensor}_edge"].transpose("seed", "layer", "edge").values[:, :-1]
    middle = counts.shape[-1] // 2
    return np.asarray(histograms.densities(counts, edges)[..., middle - 1 : middle + 1].mean(axis=-1))


def growing_peak(experiment: str, sentence: str, tensor: str, towards: str) -> Finding:
    """Return that, under the standard initializer, the peak at 0 grows from layer to layer towards input or output."""

    def decide(results: Results) -> Claim:
        height = peaks(results, "standard", tensor)
        ratios: dict[str, Array] = {}
        for below in range(height.shape[1] - 1):
            growth = height[:, below + 1] / height[:, below]
            if towards == "input":
                ratios[f"layer {below + 1} / {below + 2}"] = 1 / growth
            else:
                ratios[f"layer {below + 2} / {below + 1}"] = growth
        rule = f"every ratio of the densities next to 0 is above {GROWTH:.2f}"
        return judge(experiment, sentence, ratios, low=GROWTH, rule=rule)

    return Finding(decide, EXCHANGED)


def alike(experiment: str, sentence: str, name: str, tensor: str, control: Swap = EXCHANGED) -> Finding:
    """Return that a tensor's spread is nearly the same in every hidden layer."""

    def decide(results: Results) -> Claim:
        spread = root_mean_square(results, name, tensor)
        ratios = {f"layer {layer + 1} / 1": spread[:, layer] / spread[:, 0] for layer in range(1, spread.shape[1])}
        rule = f"every root mean square is within a factor of {ALIKE:g} of layer 1's"
        return judge(experiment, sentence, ratios, low=1 / ALIKE, high=ALIKE, rule=rule)

    return Finding(decide, control)


def agreement(
    experiment: str,
    sentence: str,
    tensor: str,
    *,
    within: float = AGREEMENT,
    profile: bool = False,
    control: Swap = EXCHANGED,
) -> Finding:
    """Return that second moments agree with mean-field theory in every hidden layer, for both initializers.

    A ``profile`` takes each relative to layer 1 of the same network: what scatters in all layers alike cancels.
    """
    what = "second moments relative to layer 1's" if profile else "second moments"
    rule = f"measured / predicted {what} are within {within:.0%} of 1 in every layer"

    def decide(results: Results) -> Claim:
        ratios: dict[str, Array] = {}
        for name in INITIALIZERS:
            ratio = _measured_over_predicted(results, name, tensor)
            if profile:
                ratios |= {f"{name} {k + 1} / 1": ratio[:, k] / ratio[:, 0] for k in range(1, ratio.shape[1])}
            else:
                ratios |= {f"{name} {k + 1}": ratio[:, k] for k in range(ratio.shape[1])}
        return judge(experiment, sentence, ratios, low=1 - within, high=1 + within, rule=rule)

    return Finding(decide, control)


def _measured_over_predicted(results: Results, name: str, tensor: str) -> Array:
    """Return the ratio of second moments per network and hidden layer, shape (seed, layer)."""
    measured = results[f"{name}_measured"][f"{tensor}_second_moment"].transpose("seed", "layer").values
    return np.asarray((measured / results[f"{name}_predicted"][f"{tensor}_second_moment"].values)[:, :-1])


def slopes_table(results: Results, tensor: str, linear: Mapping[str, float]) -> Table:
    """Return how fast the root mean square of a tensor changes from layer to layer: measured, predicted, linear.

    Parameters
    ----------
    results : dict
    tensor : str
    linear : mapping of str to float
        For each of ``INITIALIZERS`` the slope in the linear regime.
    """
    rows = []
    for name in INITIALIZERS:
        spread = root_mean_square(results, name, tensor)
        predicted = np.sqrt(results[f"{name}_predicted"][f"{tensor}_second_moment"].values[:-1])
        mean, error = mean_and_error(_slopes(spread))
        rows.append((name, f"{mean:.4f}", f"{error:.4f}", f"{float(_slopes(predicted)):.4f}", f"{linear[name]:.4f}"))
    caption = (
        "Least-squares slope over the hidden layers of the logarithm of each network's root mean square, mean over "
        f"{len(spread)} networks. Linear: what equal widths and f' = 1 would give."
    )
    return Table(caption, ("initialization", "measured", "standard error", "predicted", "linear"), tuple(rows))


def _slopes(spread: Array) -> Array:
    """Return the slope of ln(spread) over layers, for spreads of shape (..., layer)."""
    return np.asarray(np.polyfit(range(spread.shape[-1]), np.log(spread).T, deg=1)[0])


def draw_histograms(results: Results, tensor: str, quantity: str, *, common: bool = False) -> Figure:
    """Draw histograms (left) and root mean squares (right) of a tensor, the standard initializer above the normalized.

    ``quantity`` names the tensor on the axes; ``common`` gives both histograms the same limits.
    """
    figure = new_figure(2, 2, size=(9.2, 7.4), width_ratios=[1.9, 1])
    count = results["standard_measured"].sizes["layer"] - 1
    colors = layer_colors(count)
    for row, name in enumerate(INITIALIZERS):
        left, right = figure.axes[2 * row : 2 * row + 2]
        measured, masses = results[f"{name}_measured"].isel(layer=slice(count)), results.get(f"{name}_masses")
        for layer, color in enumerate(colors):
            here = measured.isel(layer=layer)
            counts = here[f"{tensor}_count"].transpose("seed", "bin").values
            edges = here[f"{tensor}_edge"].isel(seed=0).values
            mass = None if masses is None else masses[f"{tensor}_mass"].isel(layer=layer).values
            if tensor != "activation":  # the outermost bins of an unbounded tensor also hold what lies beyond
                counts, edges = counts[:, 1:-1], edges[1:-1]
                mass = None if mass is None else mass[1:-1]
            histograms.draw_histogram(left, counts, edges, color=color)
            if mass is not None:
                middle = (edges[:-1] + edges[1:]) / 2
                histograms.draw_density(left, middle, histograms.densities(mass, edges), color=color)
        _crop(left)
        title = f"{name} initialization ({INITIALIZERS[name]})"
        finish(left, title[0].upper() + title[1:], quantity, "probability density")
        _draw_spread(right, results, name, tensor)
    _share(figure.axes[1::2])
    if common:
        _share(figure.axes[::2])
    handles = [handle(f"layer {layer}", color, linewidth=4) for layer, color in enumerate(colors, 1)]
    handles += [handle("measured", **MEASUREMENT_MARK), handle("predicted (mean field)", **PREDICTION)]
    figure.legend(handles=handles, loc="outside lower center", ncols=7, fontsize=9, frameon=False, columnspacing=1.4)
    return figure


MEASUREMENT_MARK = {key: MEASUREMENT[key] for key in ("linestyle", "marker", "markersize")}


def _draw_spread(ax: Axes, results: Results, name: str, tensor: str) -> None:
    spread = root_mean_square(results, name, tensor)
    predicted = np.sqrt(results[f"{name}_predicted"][f"{tensor}_second_moment"].values[:-1])
    layers.draw_prediction(ax, predicted, color="0.25")
    layers.draw_measurement(ax, spread, color="0.25")
    log_ticks(ax)
    ax.set_ylim(predicted.min() / ROOM, predicted.max() * ROOM)
    layer_ticks(ax, spread.shape[1])
    finish(ax, "Spread of the histograms", "layer", "root mean square")


def _crop(ax: Axes) -> None:
    """Show the upper ``DECADES`` of the densities, and the values that reach them."""
    points = np.concatenate([line.get_xydata() for line in ax.lines])
    top = 2 * points[:, 1].max()
    reach = 1.05 * np.abs(points[points[:, 1] > top / 10**DECADES, 0]).max()
    ax.set_yscale("log")
    ax.set_ylim(top / 10**DECADES, top)
    ax.set_xlim(-reach, reach)
    ax.xaxis.set_major_locator(MaxNLocator(6))


def _share(axes: Sequence[Axes]) -> None:
    """Give axes the same limits, wide enough for all."""
    for get, put in (("get_xlim", "set_xlim"), ("get_ylim", "set_ylim")):
        limits = np.array([getattr(ax, get)() for ax in axes])
        for ax in axes:
            getattr(ax, put)(limits[:, 0].min(), limits[:, 1].max())
