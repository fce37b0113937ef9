"""Depth does not help plain training: validation accuracy of one to four hidden layers over thirty epochs."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import t as student

from glorotlab.arrays import Array, Progress
from glorotlab.averages import mean_and_error
from glorotlab.experiments.claims import judge, unless_too_short
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, Table, substitute
from glorotlab.experiments.nielsen.common.images import Images, images
from glorotlab.experiments.scales import Scale
from glorotlab.experiments.seeds import over_seeds
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, finish, handle, layer_colors, new_figure
from glorotlab.plotting.style import PAPER as PRINTED_MARK
from glorotlab.spec.run import RunSpec
from glorotlab.spec.training import TrainingSpec
from glorotlab.training.sweeps.store import RunStore

NAME = "nielsen_depth"

PRINTED = {1: (96.47, 96.48), 2: (96.8, 96.9), 3: (96.42, 96.57), 4: (96.28, 96.53)}
"""Validation accuracy in per cent by number of hidden layers: two write-ups of the same run with other seeds."""

EPOCHS, BATCH, RATE, LAMBDA = 30, 10, 0.1, 5.0
"""His training; lambda is divided by the number of training images, as ``TrainingSpec.l2`` has it."""

CLOSE = 0.3
"""Largest difference in percentage points at which an accuracy is his; his two runs differ by up to 0.25."""

LEVEL = 0.95
"""Probability of the table's interval for the accuracy of one further network."""

CONTROL = 0
"""Hidden layers of the network of the negative control, a linear classifier with sigmoid outputs."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train his networks, and the control, from several weights each."""
    source, seeds = images(), range(scale.nielsen.depth_seeds)
    depths = (*PRINTED, CONTROL)
    specs = [_run_spec(source, depth, scale.nielsen.depth_epochs, seed) for depth in depths for seed in seeds]
    runs = store.get(specs, progress)
    results: Results = {}
    for place, depth in enumerate(depths):
        own = runs[place * len(seeds) : (place + 1) * len(seeds)]
        curves = over_seeds(own, lambda run: run.curves[["validation_error", "test_error"]])
        epoch = source.training // BATCH
        results[_key(depth)] = curves.assign_attrs(
            dataset=source.label, network=own[0].spec.network.layers, updates_of_an_epoch=float(epoch)
        )
    return results


def _run_spec(source: Images, hidden_layers: int, epochs: int, seed: int) -> RunSpec:
    epoch = source.training // BATCH
    training = TrainingSpec(
        updates=epochs * epoch,
        batch_size=BATCH,
        learning_rate=RATE,
        l2=LAMBDA / source.training,
        validation_every=epoch,
        monitor_every=epochs * epoch,
    )
    return RunSpec(network=source.network(hidden_layers), training=training, data=source.data, seed=seed)


def _key(depth: int) -> str:
    return f"hidden_{depth}_curves"


def _accuracies(results: Results, depth: int) -> Array:
    """Return validation accuracies in per cent at every epoch, shape (seed, step)."""
    return np.asarray(100 * (1 - results[_key(depth)]["validation_error"].transpose("seed", "step").values))


def _final(results: Results, depth: int) -> Array:
    return np.asarray(_accuracies(results, depth)[:, -1])


def _epochs(results: Results, depth: int) -> Array:
    curves = results[_key(depth)]
    return np.asarray(curves["step"].values / curves.attrs["updates_of_an_epoch"])


def _printed(depth: int) -> float:
    return float(np.mean(PRINTED[depth]))


def _where(results: Results) -> str:
    return str(results[_key(1)].attrs["dataset"])


def _too_early(claim: Claim, results: Results) -> Claim:
    """Leave a claim open before the last of his epochs."""
    needed = int(EPOCHS * results[_key(1)].attrs["updates_of_an_epoch"])
    return unless_too_short(claim, ["pass", "fail"], float(results[_key(1)]["step"].values[-1]), needed)


def _does_not_help(results: Results) -> Claim:
    behind = {f"{depth} - 2 hidden layers": _final(results, depth) - _final(results, 2) for depth in (3, 4)}
    sentence = f"More than two hidden layers do not train better than two ({_where(results)})."
    rule = "every difference in validation accuracy (percentage points) is below 0"
    return judge(NAME, sentence, behind, high=0.0, rule=rule)


def _his_accuracies(results: Results) -> Claim:
    away = {f"{depth}: measured - printed": _final(results, depth) - _printed(depth) for depth in PRINTED}
    sentence = f"The accuracies of one to four hidden layers are those he prints ({_where(results)})."
    rule = f"every mean is within {CLOSE:g} percentage points of the middle of his two"
    return judge(NAME, sentence, away, low=-CLOSE, high=CLOSE, rule=rule)


FINDINGS = (
    Finding(_does_not_help, substitute("hidden_2", f"hidden_{CONTROL}", "curves"), _too_early),
    Finding(_his_accuracies, substitute("hidden_1", f"hidden_{CONTROL}", "curves"), _too_early),
)
"""What he says of depth."""


def table(results: Results) -> Table:
    """Return accuracies with the interval of one further network beside his two."""
    rows = []
    for depth, (first, second) in PRINTED.items():
        values = _final(results, depth)
        mean, error = mean_and_error(values)
        low, high = _one_further(values)
        inside = " and ".join("inside" if low <= value <= high else "outside" for value in (first, second))
        rows.append(
            (
                results[_key(depth)].attrs["network"],
                f"{mean:.2f} ± {error:.2f}",
                f"{low:.2f} to {high:.2f}",
                f"{first:.2f}, {second:.2f}",
                inside,
            )
        )
    epochs = _epochs(results, 1)[-1]
    caption = (
        f"Validation accuracy in per cent after {epochs:g} epochs on {_where(results)}, mean over networks ± standard "
        f"error; the interval that one further network lies in with {LEVEL:.0%}; what he prints after {EPOCHS}."
    )
    return Table(caption, ("network", "measured", "one further network", "printed", "his two"), tuple(rows))


def _one_further(values: Array) -> tuple[float, float]:
    """Return Student's interval of one further normal number."""
    if len(values) < 2:
        return -np.inf, np.inf
    reach = student.isf((1 - LEVEL) / 2, len(values) - 1) * values.std(ddof=1) * np.sqrt(1 + 1 / len(values))
    return float(values.mean() - reach), float(values.mean() + reach)


def draw(results: Results) -> Figure:
    """Draw accuracies over epochs, and those at the end beside his."""
    figure = new_figure(1, 2, size=(9.6, 4.6), width_ratios=(1.4, 1))
    left, right = figure.axes
    colors = layer_colors(len(PRINTED))
    for (depth, printed), color in zip(PRINTED.items(), colors, strict=True):
        mean, error = mean_and_error(_accuracies(results, depth))
        epochs = _epochs(results, depth)
        left.plot(epochs[1:], mean[1:], color=color, linewidth=1.4)
        left.fill_between(epochs[1:], (mean - error)[1:], (mean + error)[1:], color=color, alpha=0.2, linewidth=0)
        right.errorbar([depth], [mean[-1]], yerr=[error[-1]], color=color, **MEASUREMENT)
        right.plot([depth + 0.25] * 2, printed, color=OKABE_ITO[1], **PRINTED_MARK)
    finish(left, f"Validation accuracy, {_where(results)}", "epoch", "accuracy (%)")
    finish(right, f"After {_epochs(results, 1)[-1]:g} epochs", "hidden layers", "accuracy (%)")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_xticks(list(PRINTED))
    right.margins(x=0.15, y=0.15)
    mark = {key: MEASUREMENT[key] for key in ("linestyle", "marker", "markersize")}
    handles = [handle(f"{depth} hidden", color, linewidth=4) for depth, color in zip(PRINTED, colors, strict=True)]
    handles += [
        handle("measured, with standard error", **mark),
        handle(f"Nielsen, two runs of {EPOCHS} epochs", OKABE_ITO[1], **PRINTED_MARK),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Depth does not help plain training",
    source="Nielsen, Neural Networks and Deep Learning, chapter 5",
    caption=(
        "Validation accuracy of [784, 30, ..., 30, 10] with one to four hidden layers: sigmoid units, summed "
        "cross-entropy, mini-batches of 10, learning rate 0.1, lambda 5. Lines are means over networks with the band "
        "of a standard error, points the last epoch, hollow diamonds the figures of his two write-ups."
    ),
    effort=9,
    run=run,
    findings=FINDINGS,
    draw=draw,
    table=table,
    trains=True,
)
