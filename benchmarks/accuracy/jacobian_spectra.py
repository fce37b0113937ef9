"""Singular values of Jacobians at width 1,000, predicted and measured: python benchmarks/accuracy/jacobian_spectra.py.

Networks are decomposed on one Shapeset image, for which the spectrum is predicted. How many units are active, and how
steep they are, differs between networks, and most of the scatter of a mean singular value is due to that: half of 1,000
ReLU units but for 1.6 %. So each mean is measured in two parts. The free product of a network's own slopes f'(s) is
subtracted from its mean; what is left scatters by some 1 / width. The mean of that free product itself is taken over
many networks of which only the slopes are drawn, which needs no decomposition: in pairs with weights W and -W, which
take turns in which of ReLU's units are active. The sum of both parts has the expectation of the plain mean, however
good or bad the free product is.

Printed are the predicted mean; measured over predicted, from both parts, from the networks taken apart alone, and of
these over the free product of their own slopes; Kolmogorov-Smirnov distances: of the singular values of all networks
together, of one network (mean and largest) from the prediction and from the free product of its own slopes; the share
of zeros. n independent slopes are .87 / sqrt(n) from their law on average: the distance of one orthogonal layer.

Everything measured is kept in FILE as it is done; a second run with the same FILE goes on where the first one stopped.
About 20 minutes on one slow core.
"""

import argparse
import itertools
import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

import glorotlab as gl
from glorotlab import activations, initializers
from glorotlab.averages import mean_and_error
from glorotlab.machine import machine_line
from glorotlab.measurement.jacobian import jacobian_singular_values
from glorotlab.theory.spectra.free_product import FreeProduct
from glorotlab.theory.spectra.slope_distribution import Population

SQUARE, RECTANGULAR = "1024,1000x5,9", "1024,1000,400,1000,9"
NORMALISED = {"normal": "glorot_normal", "uniform": "glorot_uniform", "orthogonal": "orthogonal"}
DOUBLED = {
    "normal": "he_normal",
    "uniform": "he_uniform",
    "orthogonal": "variance_scaling(scale=2, mode=fan_max, distribution=orthogonal)",
}
INITIALIZERS = {"tanh": NORMALISED, "softsign": NORMALISED, "relu": DOUBLED, "gelu": DOUBLED}
JACOBIANS = {SQUARE: (3, None), RECTANGULAR: (2, 3, None)}
"""Layers whose Jacobian is taken; None: of the last hidden layer by the inputs."""

FAMILIES = [
    *itertools.product([SQUARE], ("normal", "uniform", "orthogonal"), INITIALIZERS),
    *itertools.product([RECTANGULAR], ("normal", "orthogonal"), ("tanh", "relu")),
]
NETWORKS, DRAWS, CHUNK = 20, 1200, 50
GROUPS = 25
"""Nodes a layer's own slopes are reduced to where only the mean is wanted: any number gives the same expectation."""

FINE_NODES = 1000
"""Nodes over all layers of a product where the distribution is wanted."""

POINTS, AROUND = 400, 1e-5
ZERO = 1e-12
"""Singular values up to this share of the largest may be 0 but for rounding."""

Family = tuple[str, str, str]


def spec_of(layers: str, distribution: str, activation: str) -> gl.NetworkSpec:
    return gl.NetworkSpec.parse(layers, activation=activation, initializer=INITIALIZERS[activation][distribution])


def distance(cdf: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance, taken above zeros and on both sides of ``POINTS`` other singular values."""
    ordered = np.sort(values)
    zero = ZERO * ordered[-1:]
    zeros = int((ordered <= zero).sum())
    at = np.unique(np.linspace(zeros, len(ordered) - 1, POINTS).astype(int))
    below, above = ordered[at] * (1 - AROUND), ordered[at] * (1 + AROUND)
    sides = (
        (zero, zeros),
        (below, np.searchsorted(ordered, below)),
        (above, np.searchsorted(ordered, above, side="right")),
    )
    return float(max(np.abs(cdf(sigma) - counts / len(ordered)).max() for sigma, counts in sides))


# The free product of one network's own slopes


def own_population(slopes: np.ndarray, groups: int) -> Population:
    """Squared slopes as at most ``groups`` nodes: the means of equal shares of those that are not 0."""
    tau = np.sort(slopes.astype(np.float64) ** 2)
    tau = tau[tau > 0]
    if tau[0] == tau[-1]:
        return Population(tau[:1], np.array([len(tau) / len(slopes)]))
    parts = np.array_split(tau, min(groups, len(tau)))
    return Population(np.array([part.mean() for part in parts]), np.array([len(part) / len(slopes) for part in parts]))


def ends(spec: gl.NetworkSpec, layer: int | None) -> tuple[int, int]:
    return (layer, layer) if layer else (1, len(spec.fans) - 1)


def own_product(spec: gl.NetworkSpec, slopes: list[np.ndarray], layer: int | None, groups: int) -> FreeProduct:
    first, last = ends(spec, layer)
    initializer = initializers.get(spec.initializer)
    return FreeProduct(
        spec.layer_sizes[first - 1 : last + 1],
        tuple(own_population(each, groups) for each in slopes[first - 1 : last]),
        tuple(initializer.variance(*fan) for fan in spec.fans[first - 1 : last]),
        initializer.distribution == "orthogonal",
    )


def mixes(spec: gl.NetworkSpec, layer: int | None) -> bool:
    """Whether singular values are more than the slopes times a number: not of one orthogonal layer that keeps all."""
    own_slopes = layer and spec.fans[layer - 1][0] >= spec.fans[layer - 1][1]
    return not (own_slopes and initializers.get(spec.initializer).distribution == "orthogonal")


def own_mean(product: FreeProduct) -> float:
    return product.total(0.5) / min(product.sizes[0], product.sizes[-1])


# Networks taken apart


def decomposed(spec: gl.NetworkSpec, layer: int | None, slopes: list[np.ndarray], values: np.ndarray) -> dict:
    first, last = ends(spec, layer)
    product = own_product(spec, slopes, layer, FINE_NODES // (last - first + 1))

    def cdf(sigma: np.ndarray) -> np.ndarray:
        return 1 - product.distribution(sigma**2)[0] / len(values)

    return {
        "values": [float(f"{value:.7g}") for value in values],
        "own_mean": own_mean(own_product(spec, slopes, layer, GROUPS)),
        "fine_mean": own_mean(product),
        "own_distance": distance(cdf, values) if mixes(spec, layer) else 0.0,
    }


def decompose(family: Family, seed: int, x: np.ndarray) -> dict:
    spec = spec_of(*family)
    network = gl.Network(spec, seed=seed, dtype="float64")
    s = network.forward(x).preactivations[:-1]
    slopes = [activations.get(spec.activation).derivative(each[0].astype(np.float64)) for each in s]
    found = [
        decomposed(spec, layer, slopes, jacobian_singular_values(network, x, layer)[0])
        for layer in JACOBIANS[family[0]]
    ]
    return {"family": family, "seed": seed, "found": found}


# Networks of which only the slopes are drawn


def preactivations(random: np.random.Generator, distribution: str, z: np.ndarray, fan_out: int) -> np.ndarray:
    """W'z of weights of variance 1, or of orthogonal ones of gain 1, for each row of z.

    Of one row it has the law of W'z; rows are as alike as can be, so that pairs of networks cancel.
    """
    lengths = np.linalg.norm(z, axis=1, keepdims=True)
    if distribution == "uniform":
        weights = (random.random((z.shape[1], fan_out), dtype=np.float32) - np.float32(0.5)) * np.float32(12**0.5)
        return np.sort(z, axis=1) @ weights
    if distribution == "normal":
        return lengths * random.standard_normal(fan_out)
    point = random.standard_normal(max(z.shape[1], fan_out))  # a direction, cut to fan_out of its coordinates
    return lengths * (point / np.linalg.norm(point))[:fan_out]


def draw(layers: str, distribution: str, start: int, x: np.ndarray) -> dict:
    """Means of the free products of ``CHUNK`` pairs of networks; all activations share the standardized weights."""
    names = [name for each, law, name in FAMILIES if (each, law) == (layers, distribution)]
    random = np.random.default_rng([start, len(layers), len(distribution)])
    found = defaultdict(list)
    for _ in range(CHUNK):
        for name, pair in zip(names, slopes_of(random, layers, distribution, names, x), strict=True):
            spec = spec_of(layers, distribution, name)
            for layer in JACOBIANS[layers]:
                means = [own_mean(own_product(spec, slopes, layer, GROUPS)) for slopes in pair]
                found[f"{name} {layer}"].append(float(np.mean(means)))
    return {"drawn": (layers, distribution), "start": start, "found": found}


def slopes_of(
    random: np.random.Generator, layers: str, distribution: str, names: list[str], x: np.ndarray
) -> list[list[list[np.ndarray]]]:
    """Slopes of hidden units: of each activation, of weights W and -W, of each layer."""
    z, found = np.repeat(x, 2 * len(names), axis=0), [[[], []] for _ in names]
    specs = [spec_of(layers, distribution, name) for name in names]
    for fan_in, fan_out in specs[0].fans[:-1]:
        standard = preactivations(random, distribution, z, fan_out)
        z = np.empty(standard.shape, dtype=np.float32)
        for index, (name, spec) in enumerate(zip(names, specs, strict=True)):
            variance = initializers.get(spec.initializer).variance(fan_in, fan_out)
            scale = np.sqrt(variance * (max(fan_in, fan_out) if distribution == "orthogonal" else 1))
            for place, sign in enumerate((1, -1)):
                s = sign * scale * standard[2 * index + place]
                found[index][place].append(activations.get(name).derivative(s))
                z[2 * index + place] = activations.get(name).function(s)
    return found


# The table


def table(lines: list[dict]) -> None:
    """Print a row for each Jacobian."""
    x, _ = gl.shapeset(1)
    print(f"\n{'':57} measured / predicted - 1, %, in {'':12}{'Kolmogorov-Smirnov distance':33} zeros")
    print(f"{'layers':20} {'f':8} {'weights':10} {'Jacobian':8} {'mean':7} two parts", end="")
    print(f"{'networks alone':>20} {'own slopes':>15} pooled one, most  own, most    pred.  meas. networks")
    for family in FAMILIES:
        networks = [line["found"] for line in lines if line.get("family") == list(family)]
        drawn = [line["found"] for line in lines if line.get("drawn") == list(family[:2])]
        for index, layer in enumerate(JACOBIANS[family[0]]):
            means = [value for found in drawn for value in found[f"{family[2]} {layer}"]]
            print(row(family, layer, [found[index] for found in networks], np.array(means), x), flush=True)


def row(family: Family, layer: int | None, networks: list[dict], drawn: np.ndarray, x: np.ndarray) -> str:
    spec = spec_of(*family)
    spectrum = gl.jacobian_spectrum(spec, inputs=x, layer=layer)
    values = np.array([each["values"] for each in networks])
    plain, own = values.mean(axis=1) / spectrum.mean, drawn / spectrum.mean
    rest, fine = (
        plain - np.array([each[name] for each in networks]) / spectrum.mean for name in ("own_mean", "fine_mean")
    )
    both = rest.mean() + own.mean() - 1, math.hypot(standard_error(rest), standard_error(own))
    alone = [distance(spectrum.cdf, each) for each in values]
    if mixes(spec, layer):
        distances = [each["own_distance"] for each in networks]
        own_distances = f"{np.mean(distances):.4f} {max(distances):.4f}"
    else:
        own_distances = "the slopes   "
    what = f"layer {layer}" if layer else f"1 to {len(spec.fans) - 1}"
    zero = ZERO * values.max()
    parts = (both, (plain.mean() - 1, standard_error(plain)), (fine.mean(), standard_error(fine)))
    return (
        f"{family[0]:20} {family[2]:8} {family[1]:10} {what:8} {spectrum.mean:.5f} "
        + " ".join(f"{100 * mean:+6.2f} +- {100 * error:4.2f}" for mean, error in parts)
        + f"  {distance(spectrum.cdf, values.ravel()):.4f} {np.mean(alone):.4f} {max(alone):.4f} {own_distances}"
        + f"  {spectrum.cdf(zero):.4f} {(values <= zero).mean():.4f} {len(networks)}, {len(drawn)}"
    )


def standard_error(values: np.ndarray) -> float:
    return float(mean_and_error(values)[1])


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", type=int, default=NETWORKS, help="networks taken apart")
    parser.add_argument("--draws", type=int, default=DRAWS, help="pairs of networks of which only slopes are drawn")
    parser.add_argument("--out", type=Path, default=Path("jacobian_spectra.jsonl"), help="measurements, added to")
    options = parser.parse_args(arguments)
    print(machine_line())
    x, _ = gl.shapeset(1)
    lines = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {(tuple(line.get("family") or line["drawn"]), line.get("seed", line.get("start"))) for line in lines}
    kinds = list(dict.fromkeys(family[:2] for family in FAMILIES))
    jobs = [(seed / options.networks, family, seed) for seed in range(options.networks) for family in FAMILIES]
    jobs += [(start / options.draws, kind, start) for start in range(0, options.draws, CHUNK) for kind in kinds]
    for _, what, index in sorted(jobs, key=lambda job: job[0]):  # some of everything first
        if (what, index) in done:
            continue
        began = time.perf_counter()
        found = decompose(what, index, x) if what in FAMILIES else draw(*what, index, x)
        with options.out.open("a") as file:
            file.write(json.dumps(found) + "\n")
        lines.append(json.loads(json.dumps(found)))
        print(*what, index, f"{time.perf_counter() - began:.1f} s", flush=True)
    table(lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
