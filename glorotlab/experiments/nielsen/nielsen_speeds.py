"""Learning speed layer by layer, |dC/db^l|: predicted, measured and printed at initialization, and over 500 epochs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from glorotlab.arrays import Array, FloatArray, Labels, Progress
from glorotlab.averages import mean_and_error
from glorotlab.experiments.claims import judge, judge_computed
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, Swap, Table, part_of
from glorotlab.experiments.kept import kept
from glorotlab.experiments.nielsen.common.images import Images, images
from glorotlab.experiments.scales import NielsenSizes, Scale
from glorotlab.experiments.seeds import along_seeds
from glorotlab.measurement.measure import measure
from glorotlab.network.mlp import Network
from glorotlab.plotting import layers
from glorotlab.plotting.style import (
    MEASUREMENT,
    OKABE_ITO,
    PREDICTION,
    finish,
    handle,
    layer_colors,
    log_ticks,
    new_figure,
)
from glorotlab.plotting.style import PAPER as PRINTED_MARK
from glorotlab.schema import coordinate
from glorotlab.theory.predict import predict
from glorotlab.training.sweeps.store import RunStore

NAME, SPEED = "nielsen_speeds", "learning_speed"

PRINTED = {2: (0.07, 0.31), 3: (0.012, 0.060, 0.283), 4: (0.003, 0.017, 0.070, 0.285)}
"""His |delta^l| of the hidden layers at initialization, by their number; one network each."""

BAND = 1 - 0.01 / sum(map(len, PRINTED.values()))
"""Probability of the band of each number; together the bands hold with at least 99 % (Bonferroni)."""

AGREEMENT = 0.1
"""Largest distance of measured / predicted from 1 at which a speed agrees; layers of 30 units are narrow."""

ROUGHLY = (30.0, 300.0)
"""Range of factors that are roughly 100, within half an order of magnitude."""

RATE, LAMBDA = 0.1, 5.0
"""His batch gradient descent; lambda is divided by the number of images."""

LARGE = "nielsen_large"
"""Initializer of the negative control."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Predict and measure the speeds at initialization, and train by batch gradient descent."""
    source, sizes = images(), scale.nielsen
    x, y = source.first(sizes.images)
    results: Results = {}
    for place, depth in enumerate(PRINTED):
        parts = [part_of(progress, 3 * place + part, 3 * len(PRINTED)) for part in range(3)]
        spec = source.network(depth)
        names = [SPEED, *(f"{SPEED}_{end}" for end in ("low", "high", "std", "shift"))]
        predicted = predict(spec, inputs=x, labels=y, level=BAND, banded=[SPEED])
        results[f"hidden_{depth}_predicted"] = predicted[names]
        parts[0](1, 1)
        for initializer, part in ((spec.initializer, parts[1]), (LARGE, None)):
            drawn = source.network(depth, initializer)
            key = f"hidden_{depth}_{'measured' if part else 'large'}"
            results[key] = measure(drawn, x, y, seeds=sizes.networks, progress=part)[[SPEED]]
        results[f"hidden_{depth}_training"] = _trained(source, depth, sizes, x, y, store, parts[2])
        results[f"hidden_{depth}_training_reversed"] = results[f"hidden_{depth}_training"].isel(
            layer=slice(None, None, -1)
        )
        for key, values in (("printed", PRINTED[depth]), ("printed_reversed", PRINTED[depth][::-1])):
            results[f"hidden_{depth}_{key}"] = described(
                xr.Dataset({SPEED: ("layer", np.array(values))}, {"layer": np.arange(1, depth + 1)})
            )
    return {
        key: dataset.assign_attrs(dataset=source.label, images=float(sizes.images)) for key, dataset in results.items()
    }


def _trained(
    source: Images, depth: int, sizes: NielsenSizes, x: FloatArray, y: Labels, store: RunStore, progress: Progress
) -> xr.Dataset:
    """Return the speeds of the hidden layers over epochs, (seed, step, layer): of the very gradients that are taken."""
    rows = []
    for seed in range(sizes.speed_seeds):
        content: dict[str, str | float | list[float]] = {
            "data": source.data,
            "images": float(sizes.images),
            "network": source.network(depth).canonical_json(),
            "seed": float(seed),
            "epochs": float(sizes.speed_epochs),
            "records": float(sizes.speed_records),
        }
        rows.append(kept(store.folder, NAME, content, _training(source, depth, sizes, x, y, seed)))
        progress(seed + 1, sizes.speed_seeds)
    return described(along_seeds(rows, coordinate("seed", range(len(rows)))))


def _training(
    source: Images, depth: int, sizes: NielsenSizes, x: FloatArray, y: Labels, seed: int
) -> Callable[[], xr.Dataset]:
    def make() -> xr.Dataset:
        network, every = Network(source.network(depth), seed=seed), sizes.speed_epochs // sizes.speed_records
        speeds = []
        for epoch in range(sizes.speed_epochs + 1):
            if epoch % every == 0:
                biases = network.gradients(x, y).biases[:depth]
                speeds.append([float(np.linalg.norm(bias.astype(np.float64))) for bias in biases])
            if epoch < sizes.speed_epochs:
                network.train_step(x, y, RATE, l2=LAMBDA / len(x))
        steps = every * np.arange(len(speeds), dtype=np.float64)
        return xr.Dataset(
            {SPEED: (("step", "layer"), np.array(speeds))}, {"step": steps, "layer": np.arange(1, depth + 1)}
        )

    return make


def _speeds(results: Results, key: str) -> Array:
    """Return speeds of the hidden layers, shape (..., layer)."""
    depth = int(key.split("_")[1])
    return np.asarray(results[key][SPEED].transpose(..., "layer").values[..., :depth])


def _predicted(results: Results, depth: int, what: str = "") -> Array:
    """Return a predicted variable of the hidden layers, by default the mean over networks of this width."""
    dataset = results[f"hidden_{depth}_predicted"]
    if what:
        return np.asarray(dataset[f"{SPEED}_{what}"].values[:depth])
    return np.asarray((dataset[SPEED] + dataset[f"{SPEED}_shift"]).values[:depth])


def _where(results: Results) -> str:
    return str(results["hidden_2_printed"].attrs["dataset"])


def _theory_holds(results: Results) -> Claim:
    ratios = {
        f"{depth} hidden, layer {layer}": values / expected
        for depth in PRINTED
        for layer, (values, expected) in enumerate(
            zip(_speeds(results, f"hidden_{depth}_measured").T, _predicted(results, depth), strict=True), start=1
        )
    }
    sentence = f"Theory predicts the learning speed of every hidden layer at initialization ({_where(results)})."
    rule = f"measured / predicted is within {AGREEMENT:.0%} of 1 in every layer of every depth"
    return judge(NAME, sentence, ratios, low=1 - AGREEMENT, high=1 + AGREEMENT, rule=rule)


def _his_draw_is_inside(results: Results) -> Claim:
    places: dict[str, float] = {}
    for depth in PRINTED:
        low, high = np.log(_predicted(results, depth, "low")), np.log(_predicted(results, depth, "high"))
        place = (np.log(_speeds(results, f"hidden_{depth}_printed")) - low) / (high - low)
        places |= {f"{depth} hidden, layer {layer}": float(value) for layer, value in enumerate(place, start=1)}
    sentence = f"The speeds he prints are those of a network drawn at random ({_where(results)})."
    rule = (
        "each printed number lies in the predicted band of one network, from 0 (its lower end) to 1 on a logarithmic "
        "scale; the bands of all nine hold together with 99 % at least"
    )
    return judge_computed(NAME, sentence, places, low=0.0, high=1.0, rule=rule)


def _slower_throughout(results: Results) -> Claim:
    samples = {}
    for depth in PRINTED:
        log_speed = np.log(_speeds(results, f"hidden_{depth}_training")).mean(axis=1)
        for layer in range(depth - 1):
            samples[f"{depth} hidden, layer {layer + 1} / {layer + 2}"] = log_speed[:, layer] - log_speed[:, layer + 1]
    sentence = f"On average over training early layers learn more slowly than later ones ({_where(results)})."
    rule = "the mean over training of the logarithm of each speed relative to the next layer's is below 0"
    return judge(NAME, sentence, samples, high=0.0, rule=rule)


def _hundred_times(results: Results) -> Claim:
    speeds = np.log(_speeds(results, "hidden_4_measured"))
    sentence = (
        f"With four hidden layers the first learns roughly 100 times more slowly than the last ({_where(results)})."
    )
    rule = (
        f"the geometric mean of their ratio at initialization is within {ROUGHLY[0]:g} and {ROUGHLY[1]:g} (logarithms)"
    )
    low, high = map(float, np.log(ROUGHLY))
    return judge(NAME, sentence, {"ln(layer 4 / layer 1)": speeds[:, 3] - speeds[:, 0]}, low=low, high=high, rule=rule)


def _each(text: str, kind: str, other: str) -> Swap:
    return Swap(text, {f"hidden_{depth}_{kind}": f"hidden_{depth}_{other}" for depth in PRINTED})


FINDINGS = (
    Finding(_theory_holds, _each(f"{LARGE} in place of nielsen_default", "measured", "large")),
    Finding(_his_draw_is_inside, _each("his numbers in reverse order", "printed", "printed_reversed")),
    Finding(_slower_throughout, _each("layers in reverse order", "training", "training_reversed")),
    Finding(_hundred_times, _each(f"{LARGE} in place of nielsen_default", "measured", "large")),
)
"""What he says of speeds, and whether theory predicts them."""


def table(results: Results) -> Table:
    """Return predicted, measured and printed speeds of every hidden layer."""
    rows = []
    for depth, printed in PRINTED.items():
        mean, error = mean_and_error(_speeds(results, f"hidden_{depth}_measured"))
        columns = (_predicted(results, depth), _predicted(results, depth, "low"), _predicted(results, depth, "high"))
        for layer, (expected, low, high, value, spread, his) in enumerate(
            zip(*columns, mean, np.atleast_1d(error), printed, strict=True), start=1
        ):
            rows.append(
                (
                    f"{depth} hidden, layer {layer}",
                    f"{expected:.4g}",
                    f"{low:.3g} to {high:.3g}",
                    f"{value:.4g} ± {spread:.2g}",
                    f"{(value - expected) / spread:+.1f}",
                    f"{his:g}",
                )
            )
    networks = results["hidden_2_measured"].sizes["seed"]
    caption = (
        f"|dC/db| at initialization on the first {results['hidden_2_printed'].attrs['images']:g} training images of "
        f"{_where(results)}: the predicted mean over networks and the band of one network, the measured mean over "
        f"{networks} networks ± standard error, their difference in standard errors, and what Nielsen prints."
    )
    head = ("layer", "predicted", "one network", "measured", "difference / error", "printed")
    return Table(caption, head, tuple(rows))


def draw(results: Results) -> Figure:
    """Draw speeds at initialization above, over training below, one column a depth."""
    figure = new_figure(2, len(PRINTED), size=(10.4, 7.2), sharey="row")
    for (depth, printed), top, bottom in zip(PRINTED.items(), figure.axes[:3], figure.axes[3:], strict=True):
        low, high = _predicted(results, depth, "low"), _predicted(results, depth, "high")
        layers.draw_prediction(top, _predicted(results, depth), color=OKABE_ITO[0], low=low, high=high)
        layers.draw_measurement(top, _speeds(results, f"hidden_{depth}_measured"), color=OKABE_ITO[0])
        layers.draw_paper(top, np.arange(1.0, depth + 1) + 0.04 * depth, np.array(printed), color=OKABE_ITO[1])
        top.set_xticks(range(1, depth + 1))
        top.margins(x=0.2)
        finish(top, f"{depth} hidden layers, at initialization", "layer", "|dC/db|")
        training = results[f"hidden_{depth}_training"]
        mean = np.exp(np.log(_speeds(results, f"hidden_{depth}_training")).mean(axis=0))
        for layer, color in enumerate(layer_colors(4)[:depth]):
            bottom.plot(training["step"].values, mean[:, layer], color=color, linewidth=1.5)
        finish(bottom, "during training", "epoch", "|dC/db|, geometric mean")
    for ax in (figure.axes[0], figure.axes[3]):
        log_ticks(ax)
    for ax in (*figure.axes[1:3], *figure.axes[4:]):
        ax.set_ylabel("")
    mark = {key: MEASUREMENT[key] for key in ("linestyle", "marker", "markersize")}
    handles = [
        handle("predicted, with the band of one network", OKABE_ITO[0], **PREDICTION),
        handle("measured, with standard error", OKABE_ITO[0], **mark),
        handle("Nielsen, one network each", OKABE_ITO[1], **PRINTED_MARK),
        *(handle(f"layer {layer}", color, linewidth=4) for layer, color in enumerate(layer_colors(4), start=1)),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Learning speed of every hidden layer",
    source="Nielsen, Neural Networks and Deep Learning, chapter 5",
    caption=(
        "Length of dC/db of every hidden layer, the gradient averaged over the first training images before its length "
        "is taken. Above, at initialization: lines are predicted with the band of one network (99 % for all together), "
        "points are means over networks, hollow diamonds are Nielsen's one network of each depth. Below: batch "
        "gradient descent, geometric mean over networks, at rate 0.1 with lambda 5, one update an epoch."
    ),
    effort=9,
    run=run,
    findings=FINDINGS,
    draw=draw,
    table=table,
)
