"""Nielsen's exercise: how rarely one sigmoid neuron lets a gradient grow."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.optimize import brentq, minimize_scalar

from glorotlab import activations
from glorotlab.activations import Activation
from glorotlab.arrays import Progress
from glorotlab.derivations.catalogue import derive
from glorotlab.experiments.claims import judge_computed
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, substitute
from glorotlab.experiments.scales import Scale
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, PAPER, PREDICTION, finish, new_figure
from glorotlab.training.sweeps.store import RunStore

NAME = "explosion_interval"

LEAST_WEIGHT = 4.0
"""Nielsen's least |w| for which some input lets a gradient grow."""

WIDEST = (6.9, 0.45)
"""Nielsen's |w| of the widest interval, and its width."""

ROUNDING = (0.05, 0.005)
"""Half of the last decimal of both numbers."""

TOLERANCE = 1e-9
"""Largest difference between a derived width and one found by roots, both of float64."""

LARGEST_WEIGHT = 40.0

BELOW = (0.5, 1.0, 2.0, 3.0, 3.9, 3.999)
"""Weights for which there should be no interval."""

ABOVE = (4.001, 4.1, 4.5, 5.0, 6.0, 6.9, 8.0, 10.0, 13.0, 17.0, 22.0, 30.0, 40.0)
"""Weights whose interval is measured."""

FAR = 40.0
"""Pre-activation at which every factor here is below 1."""


ABOUT = {
    "weight": ("weight w of the neuron", "1"),
    "bias": ("bias of the neuron", "1"),
    "width": ("length of the interval of inputs on which |w f'(s)| >= 1", "1"),
    "above": ("derived length of the interval at the measured weights that have one", "1"),
    "widest_weight": ("weight whose interval is longest", "1"),
    "widest_width": ("length of the longest interval", "1"),
}
"""Description and unit of each variable."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Measure intervals of sigmoid and tanh neurons by roots, and evaluate the derived formula for the sigmoid."""
    return {f"{name}_measured": _measured(activations.get(name)) for name in ("sigmoid", "tanh")} | _derived()


def measured_width(record: Activation, weight: float, bias: float) -> float:
    """Return how long the interval of inputs a is on which |w f'(w a + b)| >= 1; 0 where there is none."""

    def excess(a: float) -> float:
        return abs(weight * float(record.derivative(np.array([weight * a + bias]))[0])) - 1

    middle, reach = -bias / weight, FAR / abs(weight)  # where s = 0, and from there to s = FAR
    if excess(middle) <= 0:
        return 0.0
    ends = [brentq(excess, middle, middle + side * reach, xtol=1e-14, rtol=1e-14) for side in (-1, 1)]
    return float(ends[1] - ends[0])


def _measured(record: Activation) -> xr.Dataset:
    """Return widths for weights of either sign, each with a bias of its own, and where they are largest."""
    weights = np.array([*BELOW, *ABOVE]) * np.where(np.arange(len(BELOW) + len(ABOVE)) % 2, -1, 1)
    biases = np.random.default_rng(0).standard_normal(len(weights))
    widths = [measured_width(record, weight, bias) for weight, bias in zip(weights, biases, strict=True)]
    widest = minimize_scalar(
        lambda weight: -measured_width(record, weight, 0.0), bounds=(1.0, LARGEST_WEIGHT), method="bounded"
    )
    return described(
        xr.Dataset(
            {
                "weight": ("point", weights),
                "bias": ("point", biases),
                "width": ("point", widths),
                "widest_weight": widest.x,
                "widest_width": -widest.fun,
            }
        ),
        **ABOUT,
    )


def _derived() -> Results:
    """Return the derived width over |w|, at the measured weights too, and its maximum: where t tanh(t/2) = 1."""
    import sympy as sp

    derivation = derive(NAME)
    (symbol,) = derivation.result.rhs.free_symbols
    width = sp.lambdify(symbol, derivation.result.rhs, "numpy")
    stationary, in_t = (derivation.step(name).equation for name in ("widest", "parametrised"))
    (t,) = in_t.rhs.free_symbols
    root = sp.nsolve(stationary.lhs - stationary.rhs, t, 1.5)
    weights = LEAST_WEIGHT + (LARGEST_WEIGHT - LEAST_WEIGHT) * np.linspace(0, 1, 400) ** 2
    return {
        "derived": described(
            xr.Dataset(
                {
                    "weight": ("grid", weights),
                    "width": ("grid", width(weights)),
                    "above": ("point", width(np.array(ABOVE))),
                    "widest_weight": float(4 * sp.cosh(root / 2) ** 2),
                    "widest_width": float(in_t.rhs.subs(t, root)),
                }
            ),
            **ABOUT,
        )
    }


def _agrees(results: Results) -> Claim:
    measured = results["sigmoid_measured"]["width"].values[len(BELOW) :]
    difference = {"largest difference": float(np.abs(measured - results["derived"]["above"].values).max())}
    sentence = "The derived width is that of the interval, whatever the bias and the sign of the weight."
    rule = f"width by roots and derived width differ by {TOLERANCE:g} at most"
    return judge_computed(NAME, sentence, difference, high=TOLERANCE, rule=rule)


def _none_below(results: Results) -> Claim:
    widths = results["sigmoid_measured"]["width"].values[: len(BELOW)]
    intervals = {f"|w| = {weight:g}": float(width) for weight, width in zip(BELOW, widths, strict=True)}
    sentence = "Where |w| is below 4 no input lets the gradient grow."
    return judge_computed(NAME, sentence, intervals, low=0.0, high=0.0, rule="the interval is empty")


def _widest(place: int, variable: str, sentence: str) -> Finding:
    """Return one of Nielsen's two numbers of the widest interval."""
    value, rounding = WIDEST[place], ROUNDING[place]

    def decide(results: Results) -> Claim:
        numbers = {
            "by roots": float(results["sigmoid_measured"][variable]),
            "derived, t tanh(t/2) = 1": float(results["derived"][variable]),
        }
        rule = f"both round to {value}"
        return judge_computed(NAME, sentence, numbers, low=value - rounding, high=value + rounding, rule=rule)

    return Finding(decide, substitute("sigmoid", "tanh", "measured"))


FINDINGS = (
    Finding(_agrees, substitute("sigmoid", "tanh", "measured")),
    Finding(_none_below, substitute("sigmoid", "tanh", "measured")),
    _widest(0, "widest_weight", "The interval is widest near |w| = 6.9."),
    _widest(1, "widest_width", "It is then about 0.45 wide."),
)
"""The exercise's formula, its least weight and its two numbers."""


def draw(results: Results) -> Figure:
    """Draw the width over |w|: derived, found by roots, and Nielsen's widest."""
    figure = new_figure(size=(7.2, 4.6))
    (ax,) = figure.axes
    derived, measured = results["derived"], results["sigmoid_measured"]
    ax.plot(derived["weight"], derived["width"], color=OKABE_ITO[0], label="derived", **PREDICTION)
    points = {key: MEASUREMENT[key] for key in ("linestyle", "marker", "markersize")}
    ax.plot(abs(measured["weight"]), measured["width"], color=OKABE_ITO[0], label="by roots", **points)
    ax.plot(*WIDEST, color=OKABE_ITO[1], label="Nielsen (2015): about 0.45 near 6.9", **PAPER)
    ax.axvline(LEAST_WEIGHT, color="0.5", linewidth=1.0, linestyle=":")
    ax.annotate("|w| = 4", (LEAST_WEIGHT, 0.25), (-5, 0), textcoords="offset points", ha="right", color="0.35")
    ax.set_ylim(-0.015, 0.5)
    ax.set_xlim(0, LARGEST_WEIGHT + 1)
    ax.legend(loc="upper right", fontsize=9, frameon=False)
    finish(
        ax,
        "Inputs a for which |w σ'(w a + b)| ≥ 1, one sigmoid neuron",
        "weight |w| (dimensionless)",
        "width of the interval of a (dimensionless)",
    )
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Inputs for which one sigmoid neuron lets a gradient grow",
    source="Nielsen (2015), chapter 5, exercise",
    caption=(
        "Width of the interval of inputs a on which |w σ'(w a + b)| is 1 or more, over |w|. The line is the derived "
        "formula, points are found by roots for weights of either sign and random biases (0: there is no interval), "
        "the hollow diamond is Nielsen's widest interval."
    ),
    effort=0.5,
    run=run,
    findings=FINDINGS,
    draw=draw,
    derivations=("explosion_interval",),
)
