"""What every experiment with trained networks shares: the networks of the paper, their runs, and what runs recorded.

A run is a RunSpec, so any worker makes it, it resumes, and all experiments that ask for it share it. Rates are chosen
from those of the scale on the validation error at the end, mean over seeds, as the paper does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import xarray as xr

from glorotlab import activations
from glorotlab.arrays import Array, FloatArray, Labels, Progress
from glorotlab.data.catalogue import describe_dataset, load_dataset
from glorotlab.experiments.claims import unless_too_short
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import Claim, Results, Verdict
from glorotlab.experiments.scales import Scale
from glorotlab.experiments.seeds import over_seeds
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec
from glorotlab.spec.training import TrainingSpec
from glorotlab.theory.distributions.pushforward import Pushforward
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.propagate import propagate
from glorotlab.training.monitors import MONITORED_EXAMPLES
from glorotlab.training.runs.run import Run
from glorotlab.training.sweeps.store import RunStore

EPOCH = 20_000
"""Number of updates in one "epoch" of the paper's figures."""

PAPER_UPDATES = 5_000_000
"""Number of updates behind the paper's final errors."""

CHANCE = 1 - 1 / 6
"""Error of the best constant guess on Shapeset-3x2: three classes have probability 1/6, the others less."""

PERCENTILE = 0.98
"""The paper's marker of saturation."""

NEAR = 0.02
"""Largest distance from the best constant guess at which an error counts as being at its level."""


@dataclass(frozen=True)
class Trained:
    """A network of the paper and how it is trained.

    Parameters
    ----------
    label : str
        Its name in the paper.
    activation, initializer : str
    hidden : tuple of float
        Width of each hidden layer, in units of the scale's.
    cost : str
    pretrained : bool
        Whether its hidden layers are trained as denoising autoencoders first.
    training : dict
        Fields of the TrainingSpec that differ from the others'.
    """

    label: str
    activation: str
    initializer: str
    hidden: tuple[float, ...] = (1, 1, 1, 1, 1)
    cost: str = "log_likelihood"
    pretrained: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)

    def spec(self, scale: Scale, dataset: str = "shapeset") -> NetworkSpec:
        """Return its spec at a scale, for a dataset."""
        data = describe_dataset(dataset)
        widths = [round(part * scale.trained_width) for part in self.hidden]
        return NetworkSpec(
            layer_sizes=(data.fan_in, *widths, data.classes),
            activation=self.activation,
            initializer=self.initializer,
            cost=self.cost,
        )

    def run_spec(self, scale: Scale, dataset: str, seed: int, rate: float) -> RunSpec:
        """Return the spec of one of its runs."""
        online = dataset == "shapeset"
        updates, records = (scale.updates, scale.records) if online else (scale.stored_updates, scale.stored_records)
        fields: dict[str, Any] = {
            "updates": updates,
            "learning_rate": rate,
            "validation_every": max(1, updates // records),
            "monitor_every": max(1, updates // scale.monitored),
        }
        if self.pretrained:
            fields["pretraining_updates"] = scale.pretraining_updates
        data = scale.shapeset if online else dataset
        training = TrainingSpec(**fields | dict(self.training))
        return RunSpec(network=self.spec(scale, dataset), training=training, data=data, seed=seed)


SATURATED = "tanh_large"
"""Network of negative controls, whose weights of variance 1 saturate every layer from the start."""

NETWORKS = {
    "tanh": Trained("tanh", "tanh", "standard_uniform"),
    "tanh_normalized": Trained("tanh N", "tanh", "glorot_uniform"),
    "softsign": Trained("softsign", "softsign", "standard_uniform"),
    "softsign_normalized": Trained("softsign N", "softsign", "glorot_uniform"),
    "sigmoid": Trained("sigmoid", "sigmoid", "standard_uniform"),
    "sigmoid_4": Trained("sigmoid, 4 layers", "sigmoid", "standard_uniform", hidden=(1, 1, 1, 1)),
    "pretrained": Trained("tanh, pre-trained", "tanh", "standard_uniform", pretrained=True),
    SATURATED: Trained("tanh, weights N(0, 1)", "tanh", "normal(std=1)"),
}
"""The networks by name; N means normalized initialization, as in the paper."""

FIVE = ("softsign", "softsign_normalized", "tanh", "tanh_normalized", "sigmoid")
"""The networks of table 1, in its order."""


def named(*names: str) -> dict[str, Trained]:
    """Return networks of ``NETWORKS`` by name."""
    return {name: NETWORKS[name] for name in names}


Kind = Literal["curves", "statistics", "histograms"]

STATISTICS = (
    "activation_mean",
    "activation_variance",
    "activation_quantile",
    "backprop_gradient_variance",
    "batch_weight_gradient_variance",
)


def trained(
    scale: Scale,
    store: RunStore,
    networks: Mapping[str, Trained],
    kind: Kind,
    progress: Progress | None = None,
    dataset: str = "shapeset",
    seeds: int | None = None,
) -> Results:
    """Train networks, each from several weights, and return the records.

    Parameters
    ----------
    scale : Scale
    store : RunStore
    networks : mapping of str to Trained
    kind : str
        ``curves``, ``statistics`` or ``histograms``, the last record's.
    progress : callable, optional
    dataset : str
        A built-in dataset.
    seeds : int, optional
        Networks of each kind, by default as many as the scale has for the dataset.

    Returns
    -------
    dict of str to xarray.Dataset
        ``{name}_{kind}`` of every network, with dimension ``seed``; of a run that diverged NaN where it has ended.
    """
    runs = train(scale, store, networks, progress, dataset, seeds)
    return {f"{key_of(name, dataset)}_{kind}": stack(several, kind) for name, several in runs.items()}


def key_of(name: str, dataset: str) -> str:
    """Return the name under which the results of a network on a dataset stand; Shapeset is left unsaid."""
    return name if dataset == "shapeset" else f"{dataset}_{name}"


def train(
    scale: Scale,
    store: RunStore,
    networks: Mapping[str, Trained],
    progress: Progress | None = None,
    dataset: str = "shapeset",
    seeds: int | None = None,
) -> dict[str, list[Run]]:
    """Return the runs of every network, one a seed, at the rate that is chosen for it."""
    own = range(seeds or (scale.seeds if dataset == "shapeset" else scale.stored_seeds))
    specs = {
        (name, rate, seed): network.run_spec(scale, dataset, seed, rate)
        for name, network in networks.items()
        for rate in scale.learning_rates
        for seed in own
    }
    runs = dict(zip(specs, store.get(list(specs.values()), progress), strict=True))
    return {
        name: best([[runs[name, rate, seed] for seed in own] for rate in scale.learning_rates]) for name in networks
    }


def best(candidates: Sequence[list[Run]]) -> list[Run]:
    """Return the runs of the rate with the least validation error; a rate at which one diverged is not chosen."""

    def error(runs: list[Run]) -> float:
        if any(run.status != "finished" for run in runs):
            return np.inf
        return float(np.mean([run.curves["validation_error"].values[-1] for run in runs]))

    return min(candidates, key=error)


def stack(runs: list[Run], kind: Kind) -> xr.Dataset:
    """Join the records of runs along ``seed``."""
    first, joined = runs[0].spec, over_seeds(runs, _RECORDS[kind])
    updates = max(run.updates for run in runs)
    return joined.assign_attrs(
        network=first.network.layers, learning_rate=first.training.learning_rate, updates=float(updates)
    )


_RECORDS: dict[Kind, Callable[[Run], xr.Dataset]] = {
    "curves": lambda run: run.curves[["test_error", "validation_error"]],
    "statistics": lambda run: run.statistics[list(STATISTICS)],
    "histograms": lambda run: run.histograms[["activation_count", "activation_edge"]].isel(step=-1, drop=True),
}


def constant_errors(data: str, seeds: int) -> xr.Dataset:
    """Return the test error of the best constant guess of every seed, ``test_error(seed)``.

    It is the best in hindsight, on the very images that the networks are tested on: how often each class occurs among
    a few thousand images scatters more than what separates a network at chance from one that has begun to learn.
    """
    errors = []
    for seed in range(seeds):
        test = load_dataset(data, seed=seed).test
        _, labels = test.batch(0, int(test.length))
        errors.append(1 - np.bincount(labels).max() / len(labels))
    constant = xr.Dataset({"test_error": ("seed", errors)}, {"seed": np.arange(seeds)})
    return described(constant, test_error=("share of test examples the best constant guess misclassifies", "1"))


def above_chance(results: Results, name: str) -> Array:
    """Return by how much the last test error of every network is above the best constant guess, shape (seed,)."""
    return np.asarray(final_errors(results, name) - results["constant_errors"]["test_error"].values)


def monitored_images(scale: Scale) -> Iterator[tuple[FloatArray, Labels]]:
    """Yield the images, and their classes, that the statistics of each seed's runs are taken on."""
    for seed in range(scale.seeds):
        yield load_dataset(scale.shapeset, seed=seed).test.batch(0, min(MONITORED_EXAMPLES, scale.test))


def predicted_start(scale: Scale, name: str) -> xr.Dataset:
    """Predict the start of training: mean and 98th percentile of every hidden layer's activations.

    They are those of the monitored images, seed by seed; the mean over seeds is returned.
    """
    spec, rows = NETWORKS[name].spec(scale), []
    record = activations.get(spec.activation)
    for x, _ in monitored_images(scale):
        signal = propagate(spec, batch_of(spec, inputs=x)).signal
        laws = [Pushforward.of(record, q) for q in signal.q[:-1]]
        means = signal.z_mean[1:-1].mean(axis=1)
        rows.append((means, [float(law.quantile(PERCENTILE)) for law in laws]))
    mean, percentile = np.mean(rows, axis=0)
    data = {"activation_mean": ("layer", mean), "activation_percentile": ("layer", percentile)}
    start = xr.Dataset(data, coords={"layer": np.arange(1, len(mean) + 1)})
    return described(start, activation_percentile=("98th percentile of activation z", "1"))


def unless_shorter_than(
    needed: int, doubted: Collection[Verdict], name: str, kind: str
) -> Callable[[Claim, Results], Claim]:
    """Return the reason that leaves a ``doubted`` claim open if the runs of a network are too short."""

    def qualify(claim: Claim, results: Results) -> Claim:
        return unless_too_short(claim, doubted, float(results[f"{name}_{kind}"].attrs["updates"]), needed)

    return qualify


def steps(results: Results, name: str, kind: str = "statistics") -> Array:
    """Return the updates of the records, shape (step,)."""
    return np.asarray(results[f"{name}_{kind}"]["step"].values)


def means(results: Results, name: str) -> Array:
    """Return mean activations of hidden layers, shape (seed, step, layer)."""
    return np.asarray(
        results[f"{name}_statistics"]["activation_mean"].transpose("seed", "step", "layer").values[..., :-1]
    )


def stds(results: Results, name: str) -> Array:
    """Return standard deviations of activations of hidden layers, shape (seed, step, layer)."""
    variance = results[f"{name}_statistics"]["activation_variance"].sel(estimator="pooled")
    return np.asarray(np.sqrt(variance.transpose("seed", "step", "layer").values[..., :-1]))


def percentiles(results: Results, name: str) -> Array:
    """Return 98th percentiles of activations of hidden layers, shape (seed, step, layer)."""
    quantile = results[f"{name}_statistics"]["activation_quantile"].sel(quantile=PERCENTILE)
    return np.asarray(quantile.transpose("seed", "step", "layer").values[..., :-1])


def backprop_variances(results: Results, name: str) -> Array:
    """Return variances of back-propagated gradients of hidden layers, shape (seed, step, layer)."""
    variance = results[f"{name}_statistics"]["backprop_gradient_variance"].sel(estimator="pooled")
    return np.asarray(variance.transpose("seed", "step", "layer").values[..., :-1])


def weight_gradient_variances(results: Results, name: str) -> Array:
    """Return variances of the batch-mean weight gradients, shape (seed, step, layer), the output layer included."""
    variance = results[f"{name}_statistics"]["batch_weight_gradient_variance"].sel(estimator="pooled")
    return np.asarray(variance.transpose("seed", "step", "layer").values)


def final_errors(results: Results, name: str) -> Array:
    """Return the last test error of every network, fractions, shape (seed,)."""
    return np.asarray(results[f"{name}_curves"]["test_error"].transpose("seed", "step").values[:, -1])
