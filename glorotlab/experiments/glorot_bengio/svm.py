"""The paper's comparison with a support-vector machine: the same finite set of Shapeset images for both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from glorotlab.arrays import Array, Progress
from glorotlab.averages import mean_and_error
from glorotlab.experiments.claims import judge, left_open
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, Swap, Verdict, exchange, part_of
from glorotlab.experiments.glorot_bengio.common import support_vectors, training
from glorotlab.experiments.scales import Scale
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, finish, handle, new_figure
from glorotlab.plotting.style import PAPER as PAPER_MARK
from glorotlab.spec.generated_data import canonical_name
from glorotlab.spec.run import RunSpec
from glorotlab.training.runs.run import Run
from glorotlab.training.sweeps.store import RunStore

NAME, NETWORK = "svm", "tanh_normalized"

PAPER = {"svm": 59.47, "network": 50.47}
"""Test errors in per cent (Glorot & Bengio 2010, section 4.2)."""

PAPER_IMAGES = 100_000
"""Training images behind the paper's errors."""

LABELS = {"svm": "SVM, Gaussian kernel", "network": "tanh N, 5 layers"}

CLOSE = 1.0
"""Largest difference in percentage points at which an error reproduces the paper's."""


def data_of(scale: Scale) -> str:
    """Return the name of the finite Shapeset of a scale."""
    sizes = {"train": scale.svm_images, "validation": scale.validation, "test": scale.test}
    return canonical_name("shapeset", sizes)


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train the network and fit the machine on the images of every seed; tune the machine on those of the first."""
    support_vectors.check_installed()
    data = data_of(scale)
    network = _train(scale, store, data, part_of(progress, 0, 3))
    tuning = support_vectors.tuned(store, data, 0, part_of(progress, 1, 3))
    setting = support_vectors.best(tuning)
    machine = support_vectors.tested(store, data, setting, range(scale.seeds), part_of(progress, 2, 3))
    constant = training.constant_errors(data, scale.seeds)
    results = {"network_errors": network, "svm_errors": machine, "constant_errors": constant}
    images = {"images": float(scale.svm_images)}
    return {key: dataset.assign_attrs(images) for key, dataset in results.items()} | {"tuning": tuning}


def _train(scale: Scale, store: RunStore, data: str, progress: Progress) -> xr.Dataset:
    """Return the test errors of the network, ``test_error(seed)``, at the rate of the least validation error."""
    keys = [(rate, seed) for rate in scale.learning_rates for seed in range(scale.seeds)]
    runs = dict(zip(keys, store.get([_run_spec(scale, data, *key) for key in keys], progress), strict=True))
    least: dict[float, Array] = {}
    for rate in scale.learning_rates:
        least[rate] = np.array([_at_least_validation_error(runs[rate, seed]) for seed in range(scale.seeds)])
    rate = min(least, key=lambda rate: float(least[rate][:, 0].mean()))
    chosen = runs[rate, 0]
    errors = xr.Dataset({"test_error": ("seed", least[rate][:, 1])}, {"seed": np.arange(scale.seeds)})
    return described(errors, test_error=("share of test examples misclassified", "1")).assign_attrs(
        network=chosen.spec.network.layers, learning_rate=rate, updates=float(scale.updates)
    )


def _run_spec(scale: Scale, data: str, rate: float, seed: int) -> RunSpec:
    """Return the spec of a run of the network, its data finite."""
    online = training.NETWORKS[NETWORK].run_spec(scale, "shapeset", seed, rate)
    return RunSpec(network=online.network, training=online.training, data=data, seed=seed)


def _at_least_validation_error(run: Run) -> tuple[float, float]:
    """Return the least validation error of a run and the test error of the same update; inf where it diverged.

    A finite training set is learned by heart in the end, so the update is chosen as the paper chooses what is free.
    """
    if run.status != "finished":
        return np.inf, np.nan
    validation, test = (run.curves[f"{split}_error"].values for split in ("validation", "test"))
    best = int(validation.argmin())
    return float(validation[best]), float(test[best])


def _errors(results: Results, name: str) -> Array:
    """Return test errors in per cent, shape (seed,)."""
    return np.asarray(100 * results[f"{name}_errors"]["test_error"].values)


def _images(results: Results) -> int:
    return int(results["svm_errors"].attrs["images"])


def _network_is_ahead(results: Results) -> Claim:
    lead = {"SVM - tanh N": _errors(results, "svm") - _errors(results, "network")}
    sentence = "On the same training images tanh N has a smaller error than a support-vector machine."
    return judge(NAME, sentence, lead, low=0.0, rule="the difference in percentage points is above 0")


def _the_papers(results: Results) -> Claim:
    away = {f"{LABELS[name]}: measured - paper": _errors(results, name) - paper for name, paper in PAPER.items()}
    rule = f"both errors are within {CLOSE:g} percentage point of the paper's"
    return judge(NAME, "Both errors are the paper's.", away, low=-CLOSE, high=CLOSE, rule=rule)


def _unless_fewer_images(doubted: Collection[Verdict]) -> Callable[[Claim, Results], Claim]:
    """Return the reason that leaves a ``doubted`` claim open with fewer training images than the paper's."""

    def qualify(claim: Claim, results: Results) -> Claim:
        images = _images(results)
        counted = dataclasses.replace(claim, numbers=claim.numbers | {"training images": float(images)})
        if claim.verdict not in doubted or images >= PAPER_IMAGES:
            return counted
        return left_open(counted, f"so far {claim.verdict}, but to decide takes {PAPER_IMAGES:,} training images")

    return qualify


CONSTANT = Swap("the best constant guess in place of tanh N", {"network_errors": "constant_errors"})
"""Control that fails for any number of images, because even a few teach both methods something."""

FINDINGS = (
    Finding(_network_is_ahead, CONSTANT, _unless_fewer_images(["fail"])),
    Finding(_the_papers, exchange("svm", "network", "errors"), _unless_fewer_images(["pass", "fail"])),
)
"""What the paper says of the two."""


def draw(results: Results) -> Figure:
    """Draw the errors of both beside the paper's, and the validation errors that C and gamma were chosen by."""
    figure = new_figure(1, 2, size=(9.6, 4.2), width_ratios=[1.35, 1])
    left, right = figure.axes
    for place, name in enumerate(LABELS):
        errors = _errors(results, name)
        left.plot(errors, np.full(len(errors), place + 0.14), "|", color="0.55", markersize=8)
        mean, error = mean_and_error(errors)
        left.errorbar([mean], [place], xerr=[error], color=OKABE_ITO[0], **MEASUREMENT)
        left.plot([PAPER[name]], [place], color=OKABE_ITO[1], **PAPER_MARK)
    left.axvline(100 * training.CHANCE, color="0.4", linestyle="--", linewidth=1)
    left.set_yticks(range(len(LABELS)), list(LABELS.values()))
    left.set_ylim(-0.5, len(LABELS) - 0.4)
    finish(left, f"Learnt from the same {_images(results):,} images", "test error (%)", "")
    _draw_tuning(right, results)
    mark = {key: MEASUREMENT[key] for key in ("linestyle", "marker", "markersize")}
    handles = [
        handle("measured, mean with standard error (dashes: each seed)", OKABE_ITO[0], **mark),
        handle(f"Glorot & Bengio (2010), {PAPER_IMAGES:,} images", OKABE_ITO[1], **PAPER_MARK),
        handle("best constant guess", "0.4", linestyle="--", linewidth=1),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


def _draw_tuning(ax: Axes, results: Results) -> None:
    """Draw validation errors as a table of colors, the chosen setting framed."""
    errors = 100 * results["tuning"]["validation_error"].transpose("penalty", "gamma")
    penalties, gammas = errors["penalty"].values, errors["gamma"].values
    ax.imshow(errors.values, cmap="cividis_r", aspect="auto", origin="lower")
    middle = (errors.values.min() + errors.values.max()) / 2
    for (row, column), value in np.ndenumerate(errors.values):
        ax.text(column, row, f"{value:.1f}", ha="center", va="center", color="white" if value > middle else "black")
    penalty, gamma = support_vectors.best(results["tuning"])
    corner = list(gammas).index(gamma) - 0.48, list(penalties).index(penalty) - 0.48
    ax.add_patch(Rectangle(corner, 0.96, 0.96, fill=False, edgecolor=OKABE_ITO[1], linewidth=2.5))
    ax.set_xticks(range(len(gammas)), [f"{value:g}" for value in gammas])
    ax.set_yticks(range(len(penalties)), [f"{value:g}" for value in penalties])
    finish(ax, "The SVM's validation error (%)", "γ of exp(-γ |x - x'|²)", "penalty C")
    ax.grid(False)


EXPERIMENT = Experiment(
    name=NAME,
    title="A support-vector machine against a deep network on a finite training set",
    source="Glorot & Bengio (2010), section 4.2",
    caption=(
        "Test error on Shapeset-3x2 of a support-vector machine with a Gaussian kernel and of a five-layer tanh "
        "network with normalized initialization, both learned from the same finite set of images. C and γ are chosen "
        "(framed) on validation images of the first seed; of the network's updates the one with the least validation "
        f"error counts. Hollow diamonds are the paper's {PAPER['svm']} % and {PAPER['network']} %, of {PAPER_IMAGES:,} "
        "images."
    ),
    effort=2,
    run=run,
    findings=FINDINGS,
    draw=draw,
    trains=True,
)
