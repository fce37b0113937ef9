"""Predicted quantiles and masses of figures 6, 7 and 8 on real networks.

    python benchmarks/accuracy/distribution_error.py

1024,1000x5,9 tanh, 300 Shapeset test examples. Units and examples of one network hang together: their pooled shares are
judged by the error between networks. Units of one example are independent given the layers next to them: network i
gives those of example i, and their counts are binomial.
"""

import argparse
import sys

import numpy as np
from holm import holm
from scipy import special, stats

import glorotlab as gl
from glorotlab import activations, initializers
from glorotlab.kernels import statistics
from glorotlab.machine import machine_line
from glorotlab.measurement.estimators import HISTOGRAM_TENSORS, histogram_edges
from glorotlab.network.passes import BackwardPass
from glorotlab.schema import QUANTILES, SATURATION_THRESHOLD
from glorotlab.theory.distributions.location_scale import LocationScale
from glorotlab.theory.distributions.predict_distributions import predict_distributions
from glorotlab.theory.distributions.pushforward import Pushforward

LAYERS, HIDDEN, EXAMPLES, BINS = "1024,1000x5,9", 5, 300, 120
INITIALIZERS = ("standard", "glorot_uniform")
TAIL = 1e-3
"""Bins of the figure further out are joined until they hold this mass; less saturation is not compared."""

LEVEL = 0.01
"""Familywise (Holm): over layers, bins, quantiles and saturation of one tensor."""

NORMAL = special.ndtri((np.arange(4096) + 0.5) / 4096)
"""Values of a standard normal that stand for all."""

Law = Pushforward | LocationScale


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def mass_and_error(law: Law, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masses, and their standard errors where the law is drawn."""
    return law.mass_and_error(edges) if isinstance(law, LocationScale) else (law.mass(edges), np.zeros(len(edges) - 1))


def counts_of(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts by bin; the outermost also hold what lies beyond."""
    found = statistics.histogram(values, edges)
    return np.asarray(found.counts) + np.eye(len(edges) - 1)[[0, -1]].T @ (found.below, found.above)


def tensor_of(passed: BackwardPass, name: str, layer: int) -> np.ndarray:
    if name == "batch_weight_gradient":
        return passed.weight_gradient(layer)
    return (passed.activations if name == "activation" else passed.backprop)[layer]


class Pooled:
    """Shares of all elements of a layer, in bins, below quantiles and saturated, network by network."""

    def __init__(self, law: Law, edges: np.ndarray, saturation: float) -> None:
        below = law.cdf(edges)
        self.edges = np.array([edges[0], *edges[(below > TAIL) & (below < 1 - TAIL)], edges[-1]])
        self.quantiles = law.quantile(QUANTILES)
        mass, error = mass_and_error(law, self.edges)
        errors = [mass_and_error(law, np.array([-np.inf, quantile, np.inf]))[1][0] for quantile in self.quantiles]
        self.predicted, self.error = np.append(mass, QUANTILES), np.append(error, errors)
        self.saturates = saturation > TAIL
        if self.saturates:
            self.predicted, self.error = np.append(self.predicted, saturation), np.append(self.error, 0)
        self.shares: list[np.ndarray] = []

    def add(self, values: np.ndarray) -> None:
        shares = [
            *counts_of(values, self.edges) / values.size,
            *(np.mean(values <= each) for each in self.quantiles),
        ]
        if self.saturates:
            shares.append(statistics.saturation(values, SATURATION_THRESHOLD))
        self.shares.append(np.array(shares))

    @property
    def off(self) -> np.ndarray:
        return np.mean(self.shares, axis=0) - self.predicted

    @property
    def standard_error(self) -> np.ndarray:
        return np.sqrt(np.var(self.shares, axis=0, ddof=1) / len(self.shares) + self.error**2)

    @property
    def z(self) -> np.ndarray:
        off, error = self.off, self.standard_error
        certain = np.where(off == 0, 0.0, np.copysign(np.inf, off))  # where neither side scatters
        return np.divide(off, error, where=error > 0, out=certain)


class Binomial:
    """Counts of independent units, one example a network, and the masses of their laws."""

    def __init__(self, edges: np.ndarray) -> None:
        self.edges, self.units = edges, 0
        self.counts: np.ndarray = np.zeros(len(edges) - 1)
        self.given: list[np.ndarray] = []
        self.plain: list[np.ndarray] = []

    def add(self, values: np.ndarray, given: Law, plain: Law) -> None:
        """``given``: the law given the layers next to it; ``plain``: the predicted one."""
        self.counts, self.units = self.counts + counts_of(values, self.edges), self.units + values.size
        self.given.append(given.mass(self.edges))
        self.plain.append(plain.mass(self.edges))

    def z(self, masses: list[np.ndarray]) -> np.ndarray:
        return (self.counts / self.units - np.mean(masses, axis=0)) / self.deviation

    @property
    def deviation(self) -> np.ndarray:
        p = np.array(self.given)
        return np.sqrt((p * (1 - p)).mean(axis=0) / self.units)

    @property
    def p(self) -> np.ndarray:
        """Two-sided, exact."""
        law = stats.binom(self.units, np.mean(self.given, axis=0))
        return np.minimum(1, 2 * np.minimum(law.cdf(self.counts), law.sf(self.counts - 1)))


def law_given(spec: gl.NetworkSpec, passed: BackwardPass, name: str, layer: int, example: int) -> Law:
    """Law of an example's units given the layer below and, of gradients, that above (not the nine outputs)."""
    variance = [initializers.get(spec.initializer).variance(*fans) for fans in spec.fans]
    q = variance[layer] * np.sum(passed.below(layer)[example].astype(float) ** 2)
    record = activations.get(spec.activation)
    if name == "activation":
        return Pushforward.of(record, np.array([q]))
    scale = np.sqrt(variance[layer + 1] * np.sum(passed.backprop[layer + 1][example].astype(float) ** 2))
    slope = np.abs(record.derivative(np.sqrt(q) * NORMAL))
    return LocationScale("normal", np.zeros(len(slope)), slope * scale)


def print_pooled(name: str, layers: list[Pooled], networks: int) -> None:
    p = [2 * stats.t.sf(np.abs(layer.z), networks - 1) for layer in layers]
    outside = np.split(holm(np.concatenate(p), LEVEL), np.cumsum([len(each) for each in p])[:-1])
    for number, (layer, out) in enumerate(zip(layers, outside, strict=True), 1):
        bins = len(layer.edges) - 1
        quantiles = np.abs(layer.z[bins : bins + len(QUANTILES)]).max()
        wrong, noise = (np.abs(each[:bins]).sum() / 2 for each in (layer.off, layer.standard_error))
        z = f"{np.abs(layer.z).max():8.2f} {rms(layer.z):6.2f} {quantiles:10.2f} {out.sum():8}"
        print(f"{name:22} {number:5} {len(out):6} {z} {100 * wrong:14.2f} ± {100 * noise:.2f}")


def print_binomial(name: str, layers: list[Binomial]) -> None:
    p = [layer.p for layer in layers]
    outside = np.split(holm(np.concatenate(p), LEVEL), np.cumsum([len(each) for each in p])[:-1])
    for number, (layer, out) in enumerate(zip(layers, outside, strict=True), 1):
        z, plain = layer.z(layer.given), layer.z(layer.plain)
        row = f"{name:22} {number:5} {len(z):6} {np.abs(z).max():8.2f} {rms(z):6.2f} {out.sum():8}"
        print(f"{row} {np.abs(plain).max():16.2f} {rms(plain):6.2f} {rms(plain - z):12.2f}")


def compare(initializer: str, networks: int) -> None:
    spec = gl.NetworkSpec.parse(LAYERS, activation="tanh", initializer=initializer)
    x, y = gl.load_dataset("shapeset").test.batch(0, EXAMPLES)
    predicted = predict_distributions(spec, x, y)
    saturation = gl.predict(spec, inputs=x)["activation_saturation"].values
    pooled: dict[str, list[Pooled]] = {}
    single: dict[str, list[Binomial]] = {}
    for seed in range(networks):
        network = gl.Network(spec, seed=seed)
        passed = network.backpropagate(x, y)
        if not pooled:
            edges = histogram_edges(passed.layers, BINS)
            for name in HISTOGRAM_TENSORS:
                laws = [getattr(predicted, name)(layer) for layer in range(1, HIDDEN + 1)]
                shown = saturation if name == "activation" else np.full(HIDDEN, np.nan)
                pooled[name] = [
                    Pooled(*each) for each in zip(laws, edges[f"{name}_edge"], shown[:HIDDEN], strict=False)
                ]
            single = {"activation": [Binomial(layer.edges) for layer in pooled["activation"]]}
            single["backprop_gradient"] = [Binomial(layer.edges) for layer in pooled["backprop_gradient"][:-1]]
        for name, layers in pooled.items():
            for index, layer in enumerate(layers):
                layer.add(tensor_of(passed, name, index))
        example = seed % EXAMPLES
        own = predict_distributions(spec, x[[example]], y[[example]])
        for name, counted in single.items():
            for index, each in enumerate(counted):
                given, values = (
                    law_given(spec, passed, name, index, example),
                    tensor_of(passed, name, index)[example],
                )
                each.add(values, given, getattr(own, name)(index + 1))
    print(f"\n{initializer}: pooled, errors between networks (Student)")
    print("tensor                 layer  tests  max |z|  rms z  quantiles  outside  mass in another bin, %")
    for name, layers in pooled.items():
        print_pooled(name, layers, networks)
    print(f"{initializer}: units of one example a network, binomial errors, given q of the network and without")
    print("tensor                 layer   bins  max |z|  rms z  outside   without: max |z|    rms  the q's part")
    for name, counted in single.items():
        print_binomial(name, counted)


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", type=int, default=20)
    options = parser.parse_args(arguments)
    print(f"{machine_line()}; {LAYERS} tanh, {EXAMPLES} examples, {options.networks} networks")
    for initializer in INITIALIZERS:
        compare(initializer, options.networks)


if __name__ == "__main__":
    main(*sys.argv[1:])
