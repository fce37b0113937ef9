"""Figures 2, 3 and 11 and table 1 share this: small networks trained online on Shapeset-3x2, from several weights.

All learn at one rate, the package's default; the paper chose rate and depth for each network on the validation error
after 5 million updates of 1,000-unit layers.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import xarray as xr

from glorotlab import activations
from glorotlab.arrays import Array, Progress
from glorotlab.data.dataset import Dataset
from glorotlab.data.shapeset import ShapesetSource
from glorotlab.experiments.experiment import Results, part_of, shared
from glorotlab.experiments.scales import Scale
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec
from glorotlab.spec.training import TrainingSpec
from glorotlab.streams import Purpose
from glorotlab.theory.distributions.pushforward import Pushforward
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.propagate import propagate
from glorotlab.threads import num_threads, set_num_threads
from glorotlab.training.loop import train
from glorotlab.training.monitors import MONITORED_EXAMPLES
from glorotlab.training.runs.run import Run

EPOCH = 20_000
"""Updates in one "epoch" of the paper's figures."""

PAPER_UPDATES = 5_000_000
"""Updates of the paper's final errors."""

CHANCE = 1 - 1 / 6
"""Error of the best constant guess on Shapeset-3x2: three classes have probability 1/6, the others less."""

PERCENTILE = 0.98
"""The paper's marker of saturation."""


@dataclass(frozen=True)
class Trained:
    """A network of the paper: its label there, activation, initialiser and number of hidden layers."""

    label: str
    activation: str
    initializer: str
    hidden: int = 5

    def spec(self, scale: Scale) -> NetworkSpec:
        """Return its spec at a scale."""
        layers = f"1024,{scale.trained_width}x{self.hidden},9"
        return NetworkSpec.parse(layers, activation=self.activation, initializer=self.initializer)


NETWORKS = {
    "tanh": Trained("tanh", "tanh", "standard_uniform"),
    "tanh_normalised": Trained("tanh N", "tanh", "glorot_uniform"),
    "softsign": Trained("softsign", "softsign", "standard_uniform"),
    "softsign_normalised": Trained("softsign N", "softsign", "glorot_uniform"),
    "sigmoid": Trained("sigmoid", "sigmoid", "standard_uniform"),
    "sigmoid_4": Trained("sigmoid, 4 layers", "sigmoid", "standard_uniform", hidden=4),
}
"""The networks by name; N means normalised initialisation, as in the paper."""

STATISTICS = ("activation_mean", "activation_variance", "activation_quantile", "backprop_gradient_variance")


def trained(scale: Scale, names: tuple[str, ...], kind: str, progress: Progress | None = None) -> Results:
    """Train networks and return their ``curves`` or ``statistics``; keys ``tanh_curves`` and so on.

    A network is trained once a process, from ``scale.trained_networks`` weights.
    """
    keys = {name: f"{name}_{kind}" for name in names}
    parts = ((name, part_of(progress, place, len(names))) for place, name in enumerate(names))
    return {keys[name]: _TRAINERS[name](scale, part)[keys[name]] for name, part in parts}


def _train(name: str, scale: Scale, progress: Progress | None = None) -> Results:
    """Train one network from several weights."""
    every = max(1, scale.updates // scale.records)
    training = TrainingSpec(updates=scale.updates, validation_every=every, monitor_every=every)
    spec, runs, threads = NETWORKS[name].spec(scale), [], num_threads()
    set_num_threads(1)  # so small a network loses more to a second thread than it gains
    try:
        for seed in range(scale.trained_networks):
            run = RunSpec(network=spec, training=training, seed=seed)
            part = part_of(progress, seed, scale.trained_networks)
            runs.append(train(run, dataset=_dataset(scale, seed), progress=part))
    finally:
        set_num_threads(threads)
    return _stack(name, runs)


_TRAINERS = {name: shared(functools.partial(_train, name)) for name in NETWORKS}


def _dataset(scale: Scale, seed: int) -> Dataset:
    """Return the Shapeset-3x2 of a seed: scatter over seeds then includes that of images and their order.

    Nothing is chosen on validation images, so there is only one.
    """
    return Dataset(
        "shapeset",
        train=ShapesetSource(seed),
        validation=ShapesetSource(seed, Purpose.SHAPESET_VALIDATION, 1),
        test=ShapesetSource(seed, Purpose.SHAPESET_TEST, scale.test_examples),
    )


def _stack(name: str, runs: list[Run]) -> Results:
    """Join runs along ``seed``; a run that diverged is NaN where it has ended."""
    seeds = xr.Variable("seed", np.arange(len(runs), dtype=np.float64))
    parts = {
        f"{name}_curves": [run.curves[["test_error"]] for run in runs],
        f"{name}_statistics": [run.statistics[list(STATISTICS)] for run in runs],
    }
    results: Results = {}
    for key, datasets in parts.items():
        joined = xr.concat(datasets, seeds, join="outer", combine_attrs="drop")
        results[key] = joined.assign_attrs(network=runs[0].spec.network.layers)
    return results


def predicted_start(scale: Scale, name: str) -> xr.Dataset:
    """Predict what training starts from: mean and 98th percentile of the activations of every hidden layer.

    They are those of the monitored images, seed by seed; the mean over seeds is returned.
    """
    spec, rows = NETWORKS[name].spec(scale), []
    record = activations.get(spec.activation)
    for seed in range(scale.trained_networks):
        x, _ = _dataset(scale, seed).test.batch(0, min(MONITORED_EXAMPLES, scale.test_examples))
        signal = propagate(spec, batch_of(spec, inputs=x)).signal
        laws = [Pushforward.of(record, q) for q in signal.q[:-1]]
        means = signal.z_mean[1:-1].mean(axis=1)
        rows.append((means, [float(law.quantile(PERCENTILE)) for law in laws]))
    mean, percentile = np.mean(rows, axis=0)
    data = {"activation_mean": ("layer", mean), "activation_percentile": ("layer", percentile)}
    return xr.Dataset(data, coords={"layer": np.arange(1, len(mean) + 1)})


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


def final_errors(results: Results, name: str) -> Array:
    """Return the last test error of every network, fractions, shape (seed,)."""
    return np.asarray(results[f"{name}_curves"]["test_error"].transpose("seed", "step").values[:, -1])
