"""Initialization and momentum (Sutskever et al. 2013): a deep autoencoder, and a tanh classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.averages import mean_and_error
from glorotlab.data.source import ArraySource
from glorotlab.experiments.claims import judge
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import Claim, Experiment, Finding, Results, Table, exchange, substitute
from glorotlab.experiments.nielsen.common.images import Images, images
from glorotlab.experiments.scales import NielsenSizes, Scale
from glorotlab.experiments.seeds import over_seeds
from glorotlab.plotting.curves import draw_error_curve
from glorotlab.plotting.steps import update_ticks
from glorotlab.plotting.style import OKABE_ITO, finish, handle, log_ticks, new_figure
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec
from glorotlab.spec.training import TrainingSpec
from glorotlab.training.error_curves import held_out_error
from glorotlab.training.runs.run import Run
from glorotlab.training.sweeps.store import RunStore

NAME = "momentum"

SCHEDULE = {"momentum": 0.99, "momentum_schedule": "sutskever"}

METHODS: dict[str, dict[str, Any]] = {
    "descent": {},
    "classical": SCHEDULE,
    "nesterov": SCHEDULE | {"nesterov": True},
}
"""Plain descent, and both kinds of momentum on the schedule."""

INITIALIZERS = ("standard", "normalized", "sparse")

FINAL = 1000
"""Number of updates at the end with a momentum of 0.9."""

TRAINING_EXAMPLES = 10_000
"""Number of training examples of the training error."""


TRAINING_ERROR = ("mean error on training examples after the last update", "1")
"""Description and unit of a run's error on training examples, a squared distance or a share."""


@dataclass(frozen=True)
class Problem:
    """A network that is trained with every initializer and method.

    Parameters
    ----------
    label : str
    activation : str
        Of the hidden layers.
    good, bad : str
        Initializers of which the claims say that the schedule helps, and that it does not rescue.
    sparse : dict
        Sparse initialization for this activation (Martens 2010; Sutskever et al. 2013).
    rate : float
        Learning rate, the same for all.
    error : str
        What the error is.
    scale : float
        Factor of the error in pictures and tables.
    """

    label: str
    activation: str
    good: str
    bad: str
    sparse: dict[str, str]
    rate: float
    error: str
    scale: float

    def spec(self, source: Images, sizes: NielsenSizes, initializer: str) -> NetworkSpec:
        """Return the spec of its network with an initializer."""
        fields = {
            "standard": {"initializer": "standard_uniform"},
            "normalized": {"initializer": "glorot_uniform"},
            "sparse": self.sparse,
        }[initializer]
        if self is PROBLEMS["autoencoder"]:
            layer_sizes = (source.fan_in, *sizes.autoencoder, source.fan_in)
            output = "sigmoid" if source.within_one else "linear"
            return NetworkSpec(
                layer_sizes=layer_sizes, activation=self.activation, output=output, autoencoder=True, **fields
            )
        layer_sizes = (source.fan_in, *sizes.classifier, source.classes)
        return NetworkSpec(layer_sizes=layer_sizes, activation=self.activation, **fields)


PROBLEMS = {
    "autoencoder": Problem(
        "deep autoencoder, sigmoid",
        "sigmoid",
        good="sparse",
        bad="standard",
        sparse={"initializer": "sparse(k=15)"},
        rate=0.05,
        error="squared distance of output and input",
        scale=1,
    ),
    "classifier": Problem(
        "classifier of five hidden layers, tanh",
        "tanh",
        good="normalized",
        bad="standard",
        sparse={"initializer": "sparse(k=15, std=0.25)", "bias": "constant(value=0.5)"},
        rate=0.01,
        error="misclassified (%)",
        scale=100,
    ),
}


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train every network with every method, and take its error on training examples at the end."""
    source, sizes = images(), scale.nielsen
    names = [(problem, init, method) for problem in PROBLEMS for init in INITIALIZERS for method in METHODS]
    seeds = range(sizes.momentum_seeds)
    runs = store.get([_run_spec(source, sizes, *name, seed) for name in names for seed in seeds], progress)
    x, y = source.first(min(TRAINING_EXAMPLES, source.training))
    examples = ArraySource(x, y, source.classes)
    results: Results = {}
    for place, name in enumerate(names):
        own = runs[place * len(seeds) : (place + 1) * len(seeds)]
        curves = over_seeds(own, lambda run: run.curves[["validation_error"]])
        errors = [_training_error(run, examples) for run in own]
        curves = described(curves.assign(training_error=("seed", errors)), training_error=TRAINING_ERROR)
        first = own[0].spec
        results[_key(*name)] = curves.assign_attrs(
            dataset=source.label,
            network=first.network.layers,
            initializer=f"{first.network.initializer}, biases {first.network.bias}",
            learning_rate=first.training.learning_rate,
            updates=float(first.training.updates),
        )
    return results


def _run_spec(source: Images, sizes: NielsenSizes, problem: str, initializer: str, method: str, seed: int) -> RunSpec:
    updates, fields = sizes.momentum_updates, dict(METHODS[method])
    if fields and updates > FINAL:
        fields["final_momentum_updates"] = FINAL
    training = TrainingSpec(
        updates=updates,
        batch_size=sizes.momentum_batch,
        learning_rate=PROBLEMS[problem].rate,
        validation_every=updates // sizes.momentum_records,
        monitor_every=updates,
        **fields,
    )
    network = PROBLEMS[problem].spec(source, sizes, initializer)
    return RunSpec(network=network, training=training, data=source.data, seed=seed)


def _training_error(run: Run, examples: ArraySource) -> float:
    return held_out_error(run.network(), examples) if run.status == "finished" else np.nan


def _key(problem: str, initializer: str, method: str) -> str:
    return f"{problem}_{initializer}_{method}_curves"


def _errors(results: Results, problem: str, initializer: str, method: str) -> Array:
    """Return training errors at the end, shape (seed,)."""
    return np.asarray(PROBLEMS[problem].scale * results[_key(problem, initializer, method)]["training_error"].values)


def _where(results: Results) -> str:
    return str(next(iter(results.values())).attrs["dataset"])


def _schedule_wins(problem: str) -> Finding:
    """Return that with good initialization both momenta on the schedule beat plain descent."""
    good, bad = PROBLEMS[problem].good, PROBLEMS[problem].bad

    def decide(results: Results) -> Claim:
        plain = _errors(results, problem, good, "descent")
        lead = {name: plain - _errors(results, problem, good, name) for name in METHODS if name != "descent"}
        sentence = f"With {good} initialization the momentum schedule trains the {problem} better ({_where(results)})."
        rule = f"every difference of training errors ({PROBLEMS[problem].error}), descent - momentum, is above 0"
        return judge(NAME, sentence, lead, low=0.0, rule=rule)

    return Finding(decide, substitute(f"{problem}_{good}_classical", f"{problem}_{bad}_descent", "curves"))


def _no_rescue(problem: str) -> Finding:
    """Return that momentum does not bring a bad initialization to where a good one is without any."""
    good, bad = PROBLEMS[problem].good, PROBLEMS[problem].bad

    def decide(results: Results) -> Claim:
        plain = _errors(results, problem, good, "descent")
        behind = {name: _errors(results, problem, bad, name) - plain for name in METHODS if name != "descent"}
        sentence = (
            f"Momentum does not rescue {bad} initialization of the {problem}: {good} initialization is ahead of it "
            f"without any ({_where(results)})."
        )
        rule = (
            f"every difference of training errors ({PROBLEMS[problem].error}), {bad} with momentum - {good}, is above 0"
        )
        return judge(NAME, sentence, behind, low=0.0, rule=rule)

    kinds = [f"{method}_curves" for method in METHODS]
    return Finding(decide, exchange(f"{problem}_{good}", f"{problem}_{bad}", *kinds))


FINDINGS = tuple(finding(problem) for problem in PROBLEMS for finding in (_schedule_wins, _no_rescue))
"""What Sutskever et al. find of momentum and initialization."""


def table(results: Results) -> Table:
    """Return training errors at the end, with standard errors."""
    rows = []
    for problem in PROBLEMS:
        for initializer in INITIALIZERS:
            attributes = results[_key(problem, initializer, "descent")].attrs
            cells = []
            for method in METHODS:
                mean, error = mean_and_error(_errors(results, problem, initializer, method))
                cells.append(f"{mean:.4g} ± {error:.2g}")
            rows.append((problem, attributes["network"], attributes["initializer"], *cells))
    first = results[_key("autoencoder", "sparse", "descent")]
    caption = (
        f"Error on {TRAINING_EXAMPLES:,} training examples of {_where(results)} after {first.attrs['updates']:,.0f} "
        f"updates, mean over {first.sizes['seed']} networks ± standard error: "
        + ", ".join(f"{name}: {problem.error}, at rate {problem.rate:g}" for name, problem in PROBLEMS.items())
    )
    return Table(caption, ("problem", "layers", "initializer", *METHODS), tuple(rows))


COLORS = dict(zip(INITIALIZERS, (OKABE_ITO[1], OKABE_ITO[0], OKABE_ITO[2]), strict=True))
STYLES = dict(zip(METHODS, (":", "--", "-"), strict=True))


def draw(results: Results) -> Figure:
    """Draw validation errors over updates, one panel a problem."""
    figure = new_figure(1, len(PROBLEMS), size=(10.0, 4.8))
    for ax, (name, problem) in zip(figure.axes, PROBLEMS.items(), strict=True):
        for initializer, color in COLORS.items():
            for method, linestyle in STYLES.items():
                curves = results[_key(name, initializer, method)]
                errors = curves["validation_error"].transpose("seed", "step").values
                draw_error_curve(
                    ax, curves["step"].values, errors, color=color, linestyle=linestyle, scale=problem.scale
                )
        update_ticks(ax)
        if problem.scale == 1:
            log_ticks(ax)
        finish(ax, f"{problem.label}; {_where(results)}", "mini-batch updates", f"validation: {problem.error}")
    handles = [handle(f"{name} initialization", color, linewidth=4) for name, color in COLORS.items()]
    labels = {"descent": "plain descent", "classical": "classical momentum", "nesterov": "Nesterov's momentum"}
    handles += [handle(labels[name], linestyle=linestyle, linewidth=1.6) for name, linestyle in STYLES.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Initialization and momentum",
    source="Sutskever, Martens, Dahl & Hinton (2013), On the importance of initialization and momentum",
    caption=(
        "Validation error over updates, mean over networks with its standard error: colors are initializers, lines "
        "methods. Momentum follows the schedule 1 - 1/2, 1 - 1/4, 1 - 1/6, ... of 250 updates each, up to 0.99, and "
        "is at most 0.9 in the last 1,000 of a longer run; all methods have the same rate. The autoencoder has sigmoid "
        "hidden units; its outputs are sigmoid with summed cross-entropy, where pixels lie in [0, 1]. Sparse "
        "initialization gives each unit 15 weights from N(0, 1), and tanh units a quarter of that with biases 0.5."
    ),
    effort=20,
    run=run,
    findings=FINDINGS,
    draw=draw,
    table=table,
    trains=True,
)
