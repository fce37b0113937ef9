"""The number of hidden layers, chosen on the validation error: the most for every network but the sigmoid one."""

from __future__ import annotations

import dataclasses

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.averages import mean_and_error
from glorotlab.experiments.claims import judge
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, Table, substitute
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.glorot_bengio.common.curves import STYLES, legend
from glorotlab.experiments.glorot_bengio.common.training import Trained
from glorotlab.experiments.scales import Scale
from glorotlab.plotting.style import MEASUREMENT, finish, handle, new_figure
from glorotlab.training.runs.run import Run
from glorotlab.training.sweeps.store import RunStore

NAME = "depth"

SHIFT = 0.04
"""Horizontal distance between the points of two networks, in layers."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train the five networks at every depth of the scale, each at the rate of its least validation error."""
    networks = {(name, depth): _at_depth(name, depth) for name in training.FIVE for depth in scale.depths}
    runs = training.train(scale, store, {f"{name}_{depth}": own for (name, depth), own in networks.items()}, progress)
    results = {}
    for name in training.FIVE:
        rows = [_final_errors(runs[f"{name}_{depth}"], depth) for depth in scale.depths]
        results[f"{name}_shallower_errors"] = xr.concat(rows[:-1], "depth")
        results[f"{name}_deepest_errors"] = rows[-1]
    return results


def _at_depth(name: str, depth: int) -> Trained:
    """Return one of the five networks with the given number of hidden layers."""
    return dataclasses.replace(training.NETWORKS[name], hidden=(1,) * depth)


def _final_errors(runs: list[Run], depth: int) -> xr.Dataset:
    """Return the last point of the error curves, dimensions depth (one) and seed."""
    last = training.stack(runs, "curves").isel(step=-1, drop=True).drop_attrs(deep=False)
    return described(last.expand_dims(depth=[float(depth)]), depth=("hidden layers", "1"))


def _errors(results: Results, name: str, split: str = "test") -> Array:
    """Return final errors of every depth, ascending, shape (depth, seed)."""
    parts = (results[f"{name}_{part}_errors"][f"{split}_error"] for part in ("shallower", "deepest"))
    return np.concatenate([part.transpose("depth", "seed").values for part in parts])


def _depths(results: Results) -> list[int]:
    """Return the numbers of hidden layers, ascending."""
    parts = (results[f"{training.FIVE[0]}_{part}_errors"]["depth"].values for part in ("shallower", "deepest"))
    return [int(depth) for depth in np.concatenate(list(parts))]


def chosen(results: Results, name: str) -> int:
    """Return the place of the depth with the least validation error, mean over seeds; one that diverged is not it."""
    errors = _errors(results, name, "validation").mean(axis=1)
    return int(np.where(np.isnan(errors), np.inf, errors).argmin())


def _deepest_is_best(results: Results) -> Claim:
    gains: dict[str, Array] = {}
    for name in training.FIVE[:-1]:
        errors, depths = _errors(results, name), _depths(results)
        gains |= {
            f"{training.NETWORKS[name].label}: {depth} - {depths[-1]} layers": row - errors[-1]
            for depth, row in zip(depths[:-1], errors, strict=False)
        }
    sentence = "Every network but sigmoid is best with the most hidden layers."
    rule = "every difference of final test errors (fractions) is above 0"
    return judge(NAME, sentence, gains, low=0.0, rule=rule)


def _sigmoid_is_not(results: Results) -> Claim:
    errors, depths = _errors(results, "sigmoid"), _depths(results)
    lead = {f"{depths[-1]} - {depth} layers": errors[-1] - row for depth, row in zip(depths[:-1], errors, strict=False)}
    sentence = "Sigmoid is better with fewer hidden layers than the most."
    rule = "every difference of final test errors (fractions) is above 0"
    return judge(NAME, sentence, lead, low=0.0, rule=rule)


FINDINGS = (
    Finding(_deepest_is_best, substitute("tanh_normalized_deepest", "sigmoid_deepest", "errors")),
    Finding(_sigmoid_is_not, substitute("sigmoid_deepest", "tanh_normalized_deepest", "errors")),
)
"""Findings about the choice of the depth: five layers in the paper, and four with sigmoid."""


def table(results: Results) -> Table:
    """Return test errors of every network and depth; bold is the depth that the validation error chooses."""
    depths = _depths(results)
    head = ("network", *(f"{depth} hidden, %" for depth in depths))
    rows, bold = [], set()
    for row, name in enumerate(training.FIVE):
        mean, error = mean_and_error(100 * _errors(results, name).T)
        cells = [f"{m:.2f} ± {e:.2f}" for m, e in zip(mean, error, strict=True)]
        rows.append((training.NETWORKS[name].label, *cells))
        bold.add((row, 1 + chosen(results, name)))
    caption = (
        "Final test error on Shapeset-3x2, mean over networks ± standard error. Bold: the least mean validation error."
    )
    return Table(caption, head, tuple(rows), frozenset(bold))


def draw(results: Results) -> Figure:
    """Draw test errors over the depth; the depth that the validation error chooses is ringed."""
    figure = new_figure(size=(7.6, 5.0))
    (ax,) = figure.axes
    for place, name in enumerate(training.FIVE):
        color, linestyle = STYLES[name]
        mean, error = mean_and_error(100 * _errors(results, name).T)
        x = np.array(_depths(results)) + SHIFT * (place - (len(training.FIVE) - 1) / 2)
        ax.plot(x, mean, color=color, linestyle=linestyle, linewidth=1.2)
        ax.errorbar(x, mean, yerr=error, color=color, **MEASUREMENT)
        best = chosen(results, name)
        ax.plot(x[best], mean[best], marker="o", markersize=11, markerfacecolor="none", color=color)
    ax.axhline(100 * training.CHANCE, color="0.6", linewidth=1, zorder=0)
    ax.set_xticks(_depths(results))
    finish(ax, "Shapeset-3x2, online training", "hidden layers", "final test error (%)")
    legend(
        figure,
        training.NETWORKS,
        {name: STYLES[name] for name in training.FIVE},
        handle("best constant guess", "0.6", linewidth=1),
        handle("chosen on the validation error", linestyle="none", marker="o", markersize=9, markerfacecolor="none"),
    )
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="The number of hidden layers",
    source="Glorot & Bengio (2010), section 2.3",
    caption=(
        "Test error on Shapeset-3x2 after the last update, by the number of hidden layers: mean over networks with its "
        "standard error. Each network is trained at the rate, and ringed at the depth, of its least validation error. "
        "The paper trains one to five layers and finds five best, but for sigmoid four; it prints the errors of five."
    ),
    effort=4,
    run=run,
    findings=FINDINGS,
    draw=draw,
    table=table,
    trains=True,
)
