"""Why a replication with Keras saw no qualitative difference, and what frameworks start from by default.

Keras' ``lecun_uniform`` has the variance 1 / fan_in, not the 1 / (3 fan_in) of the paper's standard initialization.
Where a layer is as wide as the one below, that is the normalized initialization: the two were one and the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from glorotlab import initializers
from glorotlab.arrays import Array, Progress
from glorotlab.averages import mean_and_error
from glorotlab.data.catalogue import load_dataset
from glorotlab.experiments.claims import judge
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, Table, exchange, part_of, substitute
from glorotlab.experiments.glorot_bengio.common.initialization import HIDDEN
from glorotlab.experiments.scales import Scale
from glorotlab.measurement.measure import measure
from glorotlab.plotting.style import (
    MEASUREMENT,
    OKABE_ITO,
    PREDICTION,
    finish,
    handle,
    layer_ticks,
    log_ticks,
    new_figure,
)
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.predict import predict
from glorotlab.training.sweeps.store import RunStore

NAME = "failed_replication"


@dataclass(frozen=True)
class Default:
    """An initializer as a paper or a framework has it.

    Parameters
    ----------
    label : str
    initializer : str
        Weights, in the names of `glorotlab.initializers`.
    uniform_biases : bool
        Whether biases are drawn from U(-1 / sqrt(n), 1 / sqrt(n)), n the width of the hidden layers; they are 0
        otherwise.
    """

    label: str
    initializer: str
    uniform_biases: bool = False

    def spec(self, scale: Scale) -> NetworkSpec:
        """Return the tanh network that it initializes."""
        bias = f"uniform(bound={1 / math.sqrt(scale.width):.6g})" if self.uniform_biases else "zeros"
        layers_text = f"1024,{scale.width}x{HIDDEN},9"
        return NetworkSpec.parse(layers_text, activation="tanh", initializer=self.initializer, bias=bias)


DEFAULTS = {
    "standard": Default("standard (eq. 1)", "standard_uniform"),
    "torch": Default("PyTorch nn.Linear", "standard_uniform", uniform_biases=True),
    "lecun_uniform": Default("Keras lecun_uniform", "lecun_uniform"),
    "normalized": Default("normalized (eq. 16), Keras Dense", "glorot_uniform"),
    "flax": Default("Flax Dense", "variance_scaling(scale=1, mode=fan_in, distribution=truncated_normal)"),
}
"""Initializers that are compared.

PyTorch's ``Linear.reset_parameters`` draws weights and biases from U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)): the standard
initialization and biases of the same law. (Here layer 1 has the biases of the layers above it; its 1,024 inputs would
make them 1 % smaller.) Keras' ``Dense`` is ``glorot_uniform`` with biases of 0: the normalized initialization itself.
Flax's ``Dense`` is JAX's ``lecun_normal`` with biases of 0: a normal truncated at two standard deviations and rescaled
to variance 1 / fan_in."""

PROFILES = {"activation": ("signal", 1), "backprop_gradient": ("gradient", HIDDEN)}
"""Name and first layer of the profile of each tensor; profiles are relative to the first layer.

The layer where the signal starts has 1,024 inputs, and the gradient starts from an output layer that is not square
either; all layers between the hidden ones are square."""

EQUAL = 0.05
"""Largest distance from 1 of the ratios of two equal profiles, or of two equal factors of a layer."""

APART = 2.0
"""Factor between the ends of two profiles above which they count as apart.

In the linear regime those of variances 1 / (3 n) and 1 / n end a factor of 3^4 = 81 apart."""

NETWORKS = 8
"""Number of networks of each initializer, unless the scale has fewer.

Equal seeds draw equal random numbers where distributions are alike: ratios of profiles then scatter little."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Predict and measure every initializer; keys ``standard_predicted``, ``standard_measured`` and so on."""
    x, y = load_dataset("shapeset").test.batch(0, scale.examples)
    names = [f"{tensor}_second_moment" for tensor in PROFILES]
    results: Results = {}
    for place, (name, default) in enumerate(DEFAULTS.items()):
        spec, part = default.spec(scale), part_of(progress, place, len(DEFAULTS))
        seeds = min(NETWORKS, scale.networks)
        results[f"{name}_measured"] = measure(spec, x, y, seeds=seeds, progress=part)[names]
        results[f"{name}_predicted"] = predict(spec, inputs=x, labels=y)[names]
    return results


def profile(dataset: xr.Dataset, tensor: str) -> Array:
    """Return the second moments of a tensor in the hidden layers relative to where they start, shape (..., layer)."""
    values = np.asarray(dataset[f"{tensor}_second_moment"].transpose(..., "layer").values)[..., :-1]
    start = PROFILES[tensor][1] - 1
    return np.asarray(values / values[..., start : start + 1])


def _others(tensor: str) -> list[int]:
    """Return the indices of the hidden layers other than the one a profile starts from."""
    return [layer for layer in range(HIDDEN) if layer != PROFILES[tensor][1] - 1]


def _end(results: Results, name: str, tensor: str) -> Array:
    """Return how much is left of a measured profile at its other end, shape (seed,)."""
    return profile(results[f"{name}_measured"], tensor)[:, HIDDEN - PROFILES[tensor][1]]


def _is_normalized(name: str, sentence: str) -> Finding:
    """Return the finding that an initializer's profiles are those of the normalized one."""

    def decide(results: Results) -> Claim:
        ratios: dict[str, Array] = {}
        for tensor, (word, _) in PROFILES.items():
            own, normalized = (profile(results[f"{key}_measured"], tensor) for key in (name, "normalized"))
            ratios |= {f"{word} {layer + 1}": (own / normalized)[:, layer] for layer in _others(tensor)}
        rule = f"every ratio of the two profiles is within {EQUAL:.0%} of 1"
        return judge(NAME, sentence, ratios, low=1 - EQUAL, high=1 + EQUAL, rule=rule)

    return Finding(decide, substitute(name, "standard", "measured"))


def _falls_off(name: str, others: tuple[str, ...], sentence: str) -> Finding:
    """Return that an initializer lets signal and gradient fall further than others do."""

    def decide(results: Results) -> Claim:
        ratios = {
            f"{word}, {name} / {other}": _end(results, name, tensor) / _end(results, other, tensor)
            for tensor, (word, _) in PROFILES.items()
            for other in others
        }
        rule = f"at their other end its profiles are below 1/{APART:g} of theirs"
        return judge(NAME, sentence, ratios, high=1 / APART, rule=rule)

    return Finding(decide, substitute(name, others[0], "measured"))


def _predicted(results: Results) -> Claim:
    """Compare mean factors from layer to layer: eight networks leave more scatter in single layers than the margin."""
    ratios: dict[str, Array] = {}
    for name in DEFAULTS:
        for tensor, (word, start) in PROFILES.items():
            predicted = profile(results[f"{name}_predicted"], tensor)[HIDDEN - start]
            ratios[f"{name}, {word}"] = (_end(results, name, tensor) / predicted) ** (1 / (HIDDEN - 1))
    sentence = (
        "Mean-field theory predicts of every initializer by what factor signal and gradient fall from layer to layer."
    )
    rule = f"measured / predicted mean factor of a layer is within {EQUAL:.0%} of 1"
    return judge(NAME, sentence, ratios, low=1 - EQUAL, high=1 + EQUAL, rule=rule)


FINDINGS = (
    _is_normalized("lecun_uniform", "Between square layers Keras' lecun_uniform is the normalized initialization."),
    _falls_off(
        "standard",
        ("lecun_uniform", "normalized"),
        "The standard initialization loses signal and gradient, unlike both.",
    ),
    _is_normalized("flax", "Flax's default too is the normalized initialization between square layers."),
    _falls_off("torch", ("normalized",), "PyTorch's default loses signal and gradient as the standard one does."),
    Finding(_predicted, exchange("standard", "normalized", "measured")),
)
"""Findings: the replication compared the normalized initialization with itself; what users of frameworks have."""


def table(results: Results) -> Table:
    """Return the measured and predicted signal and gradient that remain at the far end."""
    rows = []
    for name, default in DEFAULTS.items():
        initializer = initializers.get(default.initializer)
        cells = [default.label, f"{initializer.scale:.3g} / {initializer.mode}", initializer.distribution]
        cells.append("uniform" if default.uniform_biases else "0")
        for tensor, (_, start) in PROFILES.items():
            mean, error = mean_and_error(_end(results, name, tensor))
            predicted = profile(results[f"{name}_predicted"], tensor)[HIDDEN - start]
            cells.append(f"{mean:.3g} ± {error:.1g} ({predicted:.3g})")
        rows.append(tuple(cells))
    head = (
        "initializer",
        "Var[W]",
        "weights",
        "biases",
        f"signal, layer {HIDDEN} / 1",
        f"gradient, layer 1 / {HIDDEN}",
    )
    caption = (
        f"What {HIDDEN - 1} square layers leave of the second moments of activations (signal) and of back-propagated "
        "gradients (gradient): measured, mean over networks ± standard error, and in brackets predicted."
    )
    return Table(caption, head, tuple(rows))


def draw(results: Results) -> Figure:
    """Draw the profile of the signal and that of the gradient, all initializers in one panel."""
    figure = new_figure(1, 2, size=(9.6, 5.0), sharey=True)
    offsets = np.linspace(-0.16, 0.16, len(DEFAULTS))
    for ax, (tensor, (word, start)) in zip(figure.axes, PROFILES.items(), strict=True):
        for (name, _), color, marker, offset in zip(DEFAULTS.items(), OKABE_ITO, MARKERS, offsets, strict=False):
            place = np.arange(1, HIDDEN + 1) + offset
            ax.plot(place, profile(results[f"{name}_predicted"], tensor), color=color, **PREDICTION)
            mean, error = mean_and_error(profile(results[f"{name}_measured"], tensor))
            style = MEASUREMENT | {"marker": marker}
            ax.errorbar(place, mean, yerr=error, color=color, **style)
        layer_ticks(ax, HIDDEN)
        finish(ax, f"{word.capitalize()}: {TITLES[tensor]}", "layer", f"second moment relative to layer {start}")
    log_ticks(figure.axes[0])
    marks = zip(DEFAULTS.values(), OKABE_ITO, MARKERS, strict=False)
    handles = [handle(entry.label, color, marker=marker, **PREDICTION) for entry, color, marker in marks]
    handles.append(handle("points: measured; lines: predicted", linestyle="none"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


MARKERS = ("o", "v", "s", "D", "^")

TITLES = {"activation": "activations, from the input up", "backprop_gradient": "dC/ds, from the output down"}


EXPERIMENT = Experiment(
    name=NAME,
    title="Why a replication saw no difference, and what frameworks start from",
    source="Glorot & Bengio (2010), figures 6 and 7; a public study with Keras; defaults of PyTorch, Keras and Flax",
    caption=(
        "Second moments of activations and of back-propagated gradients in the hidden layers of tanh networks just "
        "after initialization, relative to the layer that each starts from. A public study with Keras compared its "
        "lecun_uniform with glorot_uniform and saw no qualitative difference: between layers of equal width the two "
        "are the same (the three upper lines have equal values), and neither is the paper's standard initialization. "
        "Points are means over networks with standard errors; lines are predicted; all are moved aside to be seen."
    ),
    effort=8,
    run=run,
    findings=FINDINGS,
    draw=draw,
    table=table,
)
