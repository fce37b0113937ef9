"""The paper's claim about layer Jacobians: mean singular value about 0.8 normalised, about 0.5 standard."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from glorotlab.data.catalogue import load_dataset
from glorotlab.experiments.decide import estimate, judge
from glorotlab.experiments.experiment import Claim, Experiment, Results
from glorotlab.experiments.initialization import INITIALIZERS, spec_of
from glorotlab.experiments.scales import Scale
from glorotlab.measurement.measure import measure
from glorotlab.plotting import layers
from glorotlab.plotting.style import (
    MEASUREMENT,
    OKABE_ITO,
    PREDICTION,
    finish,
    handle,
    layer_ticks,
    new_figure,
)
from glorotlab.plotting.style import (
    PAPER as PAPER_MARK,
)
from glorotlab.schema import Progress
from glorotlab.theory.predict import predict

NAME, VARIABLE = "jacobian", "jacobian_singular_value_mean"

PAPER = {"standard": 0.5, "normalised": 0.8}
"""Glorot & Bengio (2010), section 4.2.1, to one decimal."""

ROUNDING = 0.05

AGREEMENT = 0.01
"""Singular values average over themselves: 1,000 of them leave little scatter."""


def run(scale: Scale, progress: Progress | None = None) -> Results:
    """Take the singular values of every layer's Jacobian, and predict their mean for the same images."""
    x, y = load_dataset("shapeset").test.batch(0, scale.jacobian_examples)
    found: Results = {}
    for place, name in enumerate(INITIALIZERS):
        spec = spec_of(scale, name)

        def part(done: int, total: int, place: int = place) -> None:
            if progress:
                progress(place * total + done, len(INITIALIZERS) * total)

        measured = measure(spec, x, y, seeds=scale.jacobian_networks, jacobian=True, progress=part)
        found[f"{name}_measured"] = measured[[VARIABLE]]
        found[f"{name}_predicted"] = predict(spec, inputs=x, labels=y)[[VARIABLE]]
    return found


def _measured(results: Results, name: str) -> npt.NDArray[np.float64]:
    """Mean singular values of the hidden layers, shape (seed, layer)."""
    return np.asarray(results[f"{name}_measured"][VARIABLE].transpose("seed", "layer").values[:, :-1])


def _predicted(results: Results, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(results[f"{name}_predicted"][VARIABLE].values[:-1])


def claims(results: Results) -> list[Claim]:
    """Decide the paper's two numbers, and whether theory predicts every layer's."""
    found = []
    for name, value in PAPER.items():
        measured = _measured(results, name)
        mean = {"mean of layers": estimate(measured.mean(axis=1))}
        sentence = f"The mean singular value of a layer's Jacobian is about {value} with {name} initialisation."
        rule = f"the mean over hidden layers rounds to {value} at the paper's one decimal"
        low, high = value - ROUNDING, value + ROUNDING
        claim = judge(NAME, sentence, mean, low=low, high=high, rule=rule)
        each = {f"layer {layer}": float(value) for layer, value in enumerate(measured.mean(axis=0), 1)}
        found.append(dataclasses.replace(claim, numbers=claim.numbers | each))
    ratios = {
        f"{name} {layer + 1}": estimate(values)
        for name in INITIALIZERS
        for layer, values in enumerate((_measured(results, name) / _predicted(results, name)).T)
    }
    sentence = "Random-matrix theory (Marchenko-Pastur with tanh's slopes) predicts it in every layer."
    rule = f"measured / predicted is within {AGREEMENT:.0%} of 1 in every layer"
    return [*found, judge(NAME, sentence, ratios, low=1 - AGREEMENT, high=1 + AGREEMENT, rule=rule)]


def draw(results: Results) -> Figure:
    """Draw the mean singular value per layer for both initialisers."""
    figure = new_figure(size=(7.2, 4.6))
    (ax,) = figure.axes
    for name, color in zip(("normalised", "standard"), OKABE_ITO, strict=False):
        measured, predicted = _measured(results, name), _predicted(results, name)
        layers.draw_measurement(ax, measured, color=color)
        layers.draw_prediction(ax, predicted, color=color)
        whole = len(predicted) + 1
        mean, error = layers.mean_and_error(measured.mean(axis=1, keepdims=True))
        ax.errorbar([whole], mean, yerr=error, color=color, **MEASUREMENT)
        ax.plot([whole - 0.15, whole + 0.15], [predicted.mean()] * 2, color=color, **PREDICTION)
        layers.draw_paper(ax, np.array([whole]), np.array([PAPER[name]]), color=color)
        ax.annotate(f"{name} initialisation", (1, predicted[0]), (0, -20), textcoords="offset points", color=color)
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
    title="Singular values of layer Jacobians at initialisation, tanh",
    source="Glorot & Bengio (2010), section 4.2.1 (equation 17)",
    caption=(
        "Mean singular value of each hidden layer's Jacobian: points with standard errors are measured, lines "
        "predicted, hollow diamonds are the paper's 0.8 and 0.5, which it gives for the network as a whole (mean)."
    ),
    run=run,
    claims=claims,
    draw=draw,
)
