"""The paper's claim about layer Jacobians: mean singular value about 0.8 normalized, about 0.5 standard."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.averages import mean_and_error
from glorotlab.data.catalogue import load_dataset
from glorotlab.experiments.claims import judge
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, exchange
from glorotlab.experiments.glorot_bengio.common.initialization import EXCHANGED, INITIALIZERS, both_initializers
from glorotlab.experiments.scales import Scale
from glorotlab.experiments.seeds import along_seeds
from glorotlab.measurement.measure import measure
from glorotlab.plotting import layers
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, PREDICTION, finish, handle, layer_ticks, new_figure
from glorotlab.plotting.style import PAPER as PAPER_MARK
from glorotlab.schema import coordinate
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.predict import predict
from glorotlab.training.sweeps.store import RunStore

NAME, VARIABLE = "jacobian", "jacobian_singular_value_mean"

PAPER = {"standard": 0.5, "normalized": 0.8}
"""Glorot & Bengio (2010), section 4.2.1, to one decimal."""

LINEAR = {"standard": 8 / (3 * math.pi * math.sqrt(3)), "normalized": 8 / (3 * math.pi)}
"""Values of linear layers with n_in = n_out = n: 8 sigma / (3 pi) with sigma^2 = n Var[W] (quarter circle law), which
is 1/3 (standard) and 1 (normalized)."""

FEWER = {"standard_uniform": 2, "glorot_uniform": 1}
"""Divisor of the number of networks with standard initialization, where values scatter a fourth as much."""

ROUNDING = 0.05
"""Half of the paper's last decimal."""

AGREEMENT = 0.01
"""Largest distance of measured / predicted from 1 at which a value agrees: 1,000 singular values of a layer average
over themselves and leave little scatter."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Take the singular values of every layer's Jacobian, each network on an image of its own, and predict their mean.

    Predicted are those of the same images, and of all test images.
    """
    x, y = load_dataset("shapeset").test.batch(0, scale.examples)

    def one(spec: NetworkSpec, progress: Progress) -> Results:
        measured, predicted = [], []
        count = max(2, scale.jacobian_networks // FEWER[spec.initializer])
        for seed in range(count):
            own = slice(seed, seed + 1)
            measured.append(measure(spec, x[own], y[own], seeds=[seed], jacobian=True)[[VARIABLE]])
            predicted.append(predict(spec, inputs=x[own])[[VARIABLE]])
            progress(seed + 1, count)
        seeds = coordinate("seed", range(count))
        return {
            "measured": along_seeds([one.isel(seed=0, drop=True) for one in measured], seeds),
            "predicted": along_seeds(predicted, seeds),
            "all_predicted": predict(spec, inputs=x)[[VARIABLE]],
        }

    return both_initializers(scale, one, progress)


def _values(results: Results, key: str) -> Array:
    """Return mean singular values of the hidden layers, shape (seed, layer) or (layer,)."""
    return np.asarray(results[key][VARIABLE].transpose(..., "layer").values[..., :-1])


def _carried(results: Results, name: str) -> Array:
    """Return measured values, shape (seed, layer), carried from each network's own image to all of them.

    A network's image sets most of its value, and singular values cost too much to take for every image. The
    difference estimator (Cochran, Sampling Techniques, section 7.3) is free of bias however good theory is: what theory
    predicts for the image is subtracted, the mean of what it predicts for all images added.
    """
    return _values(results, f"{name}_measured") - _values(results, f"{name}_predicted") + _everywhere(results, name)


def _everywhere(results: Results, name: str) -> Array:
    """Return the values predicted for all images, shape (layer,)."""
    return _values(results, f"{name}_all_predicted")


def _about(name: str) -> Finding:
    """Return the paper's number for one initializer."""
    value = PAPER[name]

    def decide(results: Results) -> Claim:
        carried, predicted = _carried(results, name), _everywhere(results, name)
        mean = {"mean of layers": carried.mean(axis=1)}
        sentence = f"The mean singular value of a layer's Jacobian is about {value} with {name} initialization."
        rule = f"the mean over hidden layers rounds to {value} at the paper's one decimal"
        claim = judge(NAME, sentence, mean, low=value - ROUNDING, high=value + ROUNDING, rule=rule)
        of_layers = {f"layer {layer}": float(value) for layer, value in enumerate(carried.mean(axis=0), 1)}
        theory = (
            f"; theory says {predicted.mean():.3f} ({predicted.min():.3f} to {predicted.max():.3f} over the layers) "
            f"for these images; 8 sigma / (3 pi) = {LINEAR[name]:.3f} would be the linear regime, where tanh' = 1"
        )
        numbers, explanation = claim.numbers | of_layers, claim.explanation + theory
        return dataclasses.replace(claim, numbers=numbers, explanation=explanation)

    return Finding(decide, exchange("standard", "normalized", "measured", "predicted", "all_predicted"))


def _ratio(results: Results, name: str) -> Array:
    """Return measured / predicted of each network's own image, shape (seed, layer)."""
    ratio = results[f"{name}_measured"][VARIABLE] / results[f"{name}_predicted"][VARIABLE]  # of the seeds in both
    return np.asarray(ratio.transpose("seed", "layer").values[:, :-1])


def _predicted(results: Results) -> Claim:
    ratios = {
        f"{name} {layer + 1}": values for name in INITIALIZERS for layer, values in enumerate(_ratio(results, name).T)
    }
    sentence = "Random-matrix theory (Marchenko-Pastur with tanh's slopes) predicts it in every layer."
    rule = f"measured / predicted is within {AGREEMENT:.0%} of 1 in every layer"
    return judge(NAME, sentence, ratios, low=1 - AGREEMENT, high=1 + AGREEMENT, rule=rule)


FINDINGS = (*map(_about, PAPER), Finding(_predicted, EXCHANGED))
"""The paper's two numbers, and whether theory predicts every layer's."""


def draw(results: Results) -> Figure:
    """Draw the mean singular value per layer for both initializers."""
    figure = new_figure(size=(7.2, 4.6))
    (ax,) = figure.axes
    for name, color in zip(("normalized", "standard"), OKABE_ITO, strict=False):
        measured, predicted = _carried(results, name), _everywhere(results, name)
        layers.draw_measurement(ax, measured, color=color)
        layers.draw_prediction(ax, predicted, color=color)
        whole = len(predicted) + 1
        mean, error = mean_and_error(measured.mean(axis=1))
        ax.errorbar([whole], [mean], yerr=[error], color=color, **MEASUREMENT)
        ax.plot([whole - 0.15, whole + 0.15], [predicted.mean()] * 2, color=color, **PREDICTION)
        layers.draw_paper(ax, np.array([whole]), np.array([PAPER[name]]), color=color)
        ax.annotate(f"{name} initialization", (1, predicted[0]), (0, -20), textcoords="offset points", color=color)
    layer_ticks(ax, whole)
    ax.set_xticks(range(1, whole + 1), [*map(str, range(1, whole)), "mean"])
    ax.set_ylim(0, 1)
    finish(ax, "Mean singular value of each hidden layer's Jacobian, tanh", "layer", "mean singular value")
    mark = {key: MEASUREMENT[key] for key in ("linestyle", "marker", "markersize")}
    handles = [
        handle("measured, with standard error", **mark),
        handle("predicted (random matrices)", **PREDICTION),
        handle("Glorot & Bengio (2010): about 0.8 and 0.5", **PAPER_MARK),
    ]
    ax.legend(handles=handles, loc="lower left", fontsize=9, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Singular values of layer Jacobians at initialization, tanh",
    source="Glorot & Bengio (2010), section 4.2.1 (equation 17)",
    caption=(
        "Mean singular value of each hidden layer's Jacobian: points with standard errors are measured, lines "
        "predicted, hollow diamonds are the paper's 0.8 and 0.5, which it gives for the network as a whole (mean). "
        "Each network is measured on one test image of its own; what theory predicts for all images less what it "
        "predicts for that one is added, so that points and lines are of the same images."
    ),
    effort=8,
    run=run,
    findings=FINDINGS,
    draw=draw,
    derivations=("mean_singular_value",),
)
