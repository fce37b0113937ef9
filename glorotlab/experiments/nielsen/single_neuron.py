"""The simplest deep network, one neuron a layer: why its gradient vanishes, and how it explodes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import minimize_scalar

from glorotlab import activations
from glorotlab.arrays import Array, Progress
from glorotlab.experiments.claims import judge, judge_computed
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, Swap, part_of, substitute
from glorotlab.experiments.scales import Scale
from glorotlab.network.mlp import Network
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, PAPER, PREDICTION, finish, handle, new_figure
from glorotlab.spec.network import NetworkSpec
from glorotlab.training.sweeps.store import RunStore

NAME = "single_neuron"

NEURONS = 4
"""Number of neurons in a row: three hidden ones and the output, as Nielsen draws them."""

LARGE = 100.0
"""Nielsen's weight of a chain that explodes, with biases that put every pre-activation at 0."""

LARGEST_SLOPE = 0.25
"""Nielsen's maximum of the sigmoid's derivative."""

ROUNDING = 1e-9
"""Largest relative difference due to rounding; kernels and formula are both in float64."""

DRAWN = 150
"""Number of chains whose product is drawn."""


@dataclass(frozen=True)
class Chain:
    """A kind of chain.

    Parameters
    ----------
    label : str
    activation : str
        That of the hidden neurons; the output is a sigmoid.
    initializer : str
    exploding : bool
        Whether weights become plus or minus ``LARGE`` and biases such that every pre-activation is 0.
    """

    label: str
    activation: str = "sigmoid"
    initializer: str = "nielsen_default"
    exploding: bool = False


CHAINS = {
    "default": Chain("weights N(0, 1)"),
    "small": Chain("weights within ±1", initializer="uniform(bound=1)"),
    "exploding": Chain("weights ±100, s = 0", exploding=True),
    "tanh": Chain("tanh, weights within ±1", "tanh", "uniform(bound=1)"),
}
"""Kinds of chains, of which the last serves controls alone. Biases are N(0, 1) unless s is set to 0."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Take dC/db of every neuron of random chains from the kernels, and the largest slopes of sigmoid and tanh."""
    results = {f"{name}_slope": _slope(name) for name in ("sigmoid", "tanh")}
    for place, (name, chain) in enumerate(CHAINS.items()):
        results[f"{name}_chains"] = _chains(chain, scale.nielsen.chains, part_of(progress, place, len(CHAINS)))
    return results


def _slope(name: str) -> xr.Dataset:
    """Return f' on a grid, and its maximum as an optimizer finds it."""
    derivative = activations.get(name).derivative
    s = np.linspace(-8, 8, 401)
    found = minimize_scalar(lambda at: -float(derivative(np.array([at]))[0]), bounds=(-8, 8), method="bounded")
    slope = xr.Dataset(
        {"slope": ("s", np.asarray(derivative(s))), "largest": -found.fun, "largest_at": found.x}, coords={"s": s}
    )
    return described(
        slope,
        slope=("derivative f'(s)", "1"),
        largest=("largest derivative", "1"),
        largest_at=("pre-activation where the derivative is largest", "1"),
        s=("pre-activation s", "1"),
    )


def _chains(chain: Chain, count: int, progress: Progress) -> xr.Dataset:
    """Return weights, pre-activations and gradients of chains with one input, each drawn from a seed of its own."""
    text = ",".join("1" * (NEURONS + 1))
    spec = NetworkSpec.parse(
        text,
        activation=chain.activation,
        initializer=chain.initializer,
        bias="normal(std=1)",
        output="sigmoid",
        cost="quadratic",
    )
    rows: dict[str, list[Array]] = {"weight": [], "preactivation": [], "bias_gradient": []}
    errors = []
    for seed in range(count):
        x = np.random.default_rng(seed).random((1, 1))
        network = Network(spec, seed=seed, dtype="float64")
        if chain.exploding:
            _put_at_zero(network, float(x[0, 0]))
        passed = network.forward(x)
        gradients = network.gradients(x, [1])  # its one output is to be 1
        rows["weight"].append(np.ravel(network.weights))
        rows["preactivation"].append(np.ravel(passed.preactivations))
        rows["bias_gradient"].append(np.ravel(gradients.biases))
        errors.append(float(passed.activations[-1][0, 0]) - 1)
        progress(seed + 1, count)
    arrays = {name: (("chain", "neuron"), np.array(values)) for name, values in rows.items()}
    chains = xr.Dataset({**arrays, "output_gradient": ("chain", errors)}, {"neuron": np.arange(1, NEURONS + 1)})
    return described(
        chains,
        weight=("weight of the neuron", "1"),
        preactivation=("pre-activation s of the neuron", "1"),
        bias_gradient=("gradient dC/db of the neuron", "1"),
        output_gradient=("gradient dC/da of the last activation", "1"),
        neuron=("neuron, counted from the input", "1"),
    )


def _put_at_zero(network: Network, x: float) -> None:
    """Make weights large, of the signs that were drawn, and every pre-activation 0."""
    below = x
    for weight, bias in zip(network.weights, network.biases, strict=True):
        weight[...] = np.copysign(LARGE, weight)
        bias[...] = -weight[0] * below
        below = 0.5


def _values(results: Results, name: str, variable: str) -> Array:
    """Return a variable of the chains of one kind, shape (chain, neuron)."""
    return np.asarray(results[f"{name}_chains"][variable].values)


def _factors(results: Results, name: str) -> Array:
    """Return the factor of the gradient from each neuron to the one below, shape (chain, 3)."""
    gradient = np.abs(_values(results, name, "bias_gradient"))
    return np.asarray(gradient[:, :-1] / gradient[:, 1:])


def product(weight: Array, preactivation: Array, output_gradient: Array) -> Array:
    """Return dC/db of every neuron by Nielsen's formula: s'(z_l) w_(l+1) s'(z_(l+1)) ... s'(z_4) dC/da_4."""
    slope = np.asarray(activations.get("sigmoid").derivative(preactivation))
    gradient = slope * output_gradient[:, np.newaxis]
    for neuron in range(weight.shape[1] - 2, -1, -1):
        gradient[:, neuron] = slope[:, neuron] * weight[:, neuron + 1] * gradient[:, neuron + 1]
    return gradient


def _largest(results: Results) -> Claim:
    slope = results["sigmoid_slope"]
    distances = {
        "largest derivative - 1/4": float(slope["largest"]) - LARGEST_SLOPE,
        "largest on a grid - 1/4": float(slope["slope"].max()) - LARGEST_SLOPE,
    }
    sentence = "The derivative of the sigmoid is a quarter at most."
    rule = f"its maximum is within {ROUNDING:g} of 1/4"
    return judge_computed(NAME, sentence, distances, low=-ROUNDING, high=ROUNDING, rule=rule)


def _formula(results: Results) -> Claim:
    arrays = [_values(results, "default", name) for name in ("weight", "preactivation", "output_gradient")]
    ratio = _values(results, "default", "bias_gradient") / product(arrays[0], arrays[1], arrays[2])
    off = {f"neuron {neuron + 1}": float(np.abs(ratio[:, neuron] - 1).max()) for neuron in range(NEURONS)}
    sentence = "The gradient of a bias is the product of the derivatives and weights above it."
    rule = f"in every chain dC/db from the kernels is within {ROUNDING:g}, relatively, of the product"
    return judge_computed(NAME, sentence, off, high=ROUNDING, rule=rule)


def _factor_bound(results: Results) -> Claim:
    largest = {f"neuron {n + 1}": float(f.max()) for n, f in enumerate(_factors(results, "small").T)}
    sentence = "With weights below 1 every factor |w f'(s)| is below a quarter."
    rule = "the largest factor among all chains is below 1/4"
    return judge_computed(NAME, sentence, largest, high=LARGEST_SLOPE, rule=rule)


def _vanishes(results: Results) -> Claim:
    over_all = {"largest |dC/db_1| / |dC/db_4|": float(_factors(results, "small").prod(axis=1).max())}
    sentence = "With weights below 1 the gradient vanishes: over three layers it falls by more than 64."
    bound = LARGEST_SLOPE ** (NEURONS - 1)
    return judge_computed(NAME, sentence, over_all, high=bound, rule="in every chain the ratio is below 1/64")


def _typically_vanishes(results: Results) -> Claim:
    logarithms = {"mean ln factor": np.log(_factors(results, "default")).mean(axis=1)}
    sentence = "With weights N(0, 1) too the gradient typically falls by more than 4 a layer."
    rule = "the mean logarithm of the factor of a layer is below ln(1/4)"
    return judge(NAME, sentence, logarithms, high=math.log(LARGEST_SLOPE), rule=rule)


def _explodes(results: Results) -> Claim:
    factors = _factors(results, "exploding")
    extremes = {"smallest factor": float(factors.min()), "largest factor": float(factors.max())}
    value = LARGE * LARGEST_SLOPE
    sentence = "With weights of 100 and pre-activations of 0 the gradient explodes, by 25 a layer."
    rule = f"the factor of every layer is within {ROUNDING:g}, relatively, of 25"
    return judge_computed(NAME, sentence, extremes, low=value * (1 - ROUNDING), high=value * (1 + ROUNDING), rule=rule)


FINDINGS = (
    Finding(_largest, Swap("tanh in place of sigmoid", {"sigmoid_slope": "tanh_slope"})),
    Finding(_formula, substitute("default", "tanh", "chains")),
    Finding(_factor_bound, substitute("small", "tanh", "chains")),
    Finding(_vanishes, substitute("small", "exploding", "chains")),
    Finding(_typically_vanishes, substitute("default", "exploding", "chains")),
    Finding(_explodes, substitute("exploding", "small", "chains")),
)
"""What Nielsen says of the derivative, of the product, and of both kinds of chains."""


def draw(results: Results) -> Figure:
    """Draw the slope of the sigmoid, the gradient along the chain, and the measurement over the product."""
    figure = new_figure(1, 3, size=(12.6, 4.4))
    _draw_slope(figure.axes[0], results)
    _draw_chains(figure.axes[1], results)
    _draw_products(figure.axes[2], results)
    return figure


def _draw_slope(ax: Axes, results: Results) -> None:
    slope = results["sigmoid_slope"]
    ax.plot(slope["s"], slope["slope"], color=OKABE_ITO[0], label="σ'(s)", **PREDICTION)
    ax.plot([0], [LARGEST_SLOPE], color=OKABE_ITO[1], label="Nielsen: at most 1/4", **PAPER)
    ax.set_xticks(range(-8, 9, 4))
    ax.set_ylim(0, 0.3)
    ax.legend(loc="upper right", fontsize=9, frameon=False)
    finish(ax, "Derivative of the sigmoid", "pre-activation s (dimensionless)", "σ'(s) (dimensionless)")


def _draw_chains(ax: Axes, results: Results) -> None:
    """Draw medians with the middle 90 % of chains, beside a quarter and 25 a layer."""
    neurons = np.arange(1, NEURONS + 1)
    for value, color in ((LARGEST_SLOPE, OKABE_ITO[0]), (LARGE * LARGEST_SLOPE, OKABE_ITO[1])):
        ax.plot(neurons, value ** (NEURONS - neurons), color=color, **PREDICTION)
    for place, name in enumerate(("small", "default", "exploding")):
        gradient = np.abs(_values(results, name, "bias_gradient"))
        low, middle, high = np.quantile(gradient / gradient[:, -1:], (0.05, 0.5, 0.95), axis=0)
        style = MEASUREMENT | {"marker": "os^"[place]}
        color = OKABE_ITO[(0, 2, 1)[place]]
        spread, aside = np.array([middle - low, high - middle]), (-0.05, 0.05, 0)[place]
        ax.errorbar(neurons + aside, middle, yerr=spread, color=color, label=CHAINS[name].label, **style)
    ax.plot([NEURONS - 1], [LARGE * LARGEST_SLOPE], color=OKABE_ITO[1], label="Nielsen: 25", **PAPER)
    ax.set_yscale("log")
    ax.set_xticks(neurons)
    ax.set_ylim(top=1e8)  # room for the legend
    handles, _ = ax.get_legend_handles_labels()
    handles.append(handle("factor 1/4, or 25, a layer", **PREDICTION))
    ax.legend(handles=handles, loc="upper right", fontsize=9, frameon=False)
    finish(ax, "Gradient along the chain", "neuron", "|dC/db| relative to neuron 4")


def _draw_products(ax: Axes, results: Results) -> None:
    """Draw dC/db of every neuron of some chains over the product that it should be."""
    arrays = [_values(results, "default", name) for name in ("weight", "preactivation", "output_gradient")]
    expected = np.abs(product(arrays[0], arrays[1], arrays[2]))
    measured = np.abs(_values(results, "default", "bias_gradient"))
    for neuron in range(NEURONS):
        mark: dict[str, Any] = {"marker": "osv^"[neuron], "linestyle": "none", "markersize": 3.5, "alpha": 0.6}
        pair = expected[:DRAWN, neuron], measured[:DRAWN, neuron]
        ax.plot(*pair, color=OKABE_ITO[neuron], label=f"{neuron + 1}", **mark)
    ends = [expected[:DRAWN].min(), expected[:DRAWN].max()]
    ax.plot(ends, ends, color="0.25", zorder=0, **PREDICTION)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.legend(title="neuron", loc="upper left", fontsize=9, frameon=False)
    finish(ax, "The product is the gradient", "|product of the formula|", "|dC/db| from the kernels")


EXPERIMENT = Experiment(
    name=NAME,
    title="One neuron a layer: the gradient vanishes or explodes",
    source="Nielsen (2015), chapter 5",
    caption=(
        "Left: the derivative of the sigmoid; the hollow diamond is Nielsen's maximum. Middle: dC/db along chains of "
        "four sigmoid neurons drawn at random, relative to the last one's; points are medians, bars the middle 90 % of "
        "chains, lines a factor of 1/4 and of 25 a layer; the hollow diamond is Nielsen's 25. Right: dC/db from the "
        "kernels over the product of derivatives and weights, in 150 chains with weights N(0, 1); the line is equality."
    ),
    effort=2,
    run=run,
    findings=FINDINGS,
    draw=draw,
    derivations=("single_neuron_chain",),
)
