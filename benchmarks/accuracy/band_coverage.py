"""How often one network lies inside its predicted 95 % band.

    python benchmarks/accuracy/band_coverage.py [--widths 100 1000]

Networks are drawn by NumPy alone on a few Shapeset images, DRAWS for each width, depth and distribution of the weights;
all activations share the standardized weights. Measurements are kept in a folder, chunk by chunk; a second run goes on
where the first one stopped, and judges them by the bands of today. Width 1000 takes about an hour of one core.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np

import glorotlab as gl
from glorotlab import activations
from glorotlab.errors import AssumptionError
from glorotlab.machine import machine_line

ACTIVATIONS = {"tanh": "fan_avg", "softsign": "fan_avg", "relu": "fan_in", "gelu": "fan_in"}
SCALES = {"fan_avg": 1.0, "fan_in": 2.0}
"""The normalized initialization of Glorot & Bengio (2010), and that of He et al. (2015)."""

STATISTICS = ("activation", "backprop_gradient", "example_weight_gradient", "batch_weight_gradient")
DEPTHS, DISTRIBUTIONS = (2, 5, 10), ("normal", "uniform")
EXAMPLES, CLASSES, CHUNK, LEVEL = 30, 9, 200, 0.95
ALLOWED = (0.93, 0.97)

Cell = tuple[int, int, str]
"""Width, number of hidden layers, distribution of the weights."""


def spec_of(width: int, depth: int, distribution: str, activation: str) -> gl.NetworkSpec:
    mode = ACTIVATIONS[activation]
    initializer = f"variance_scaling(scale={SCALES[mode]:g}, mode={mode}, distribution={distribution})"
    return gl.NetworkSpec.parse(f"1024,{width}x{depth},{CLASSES}", activation=activation, initializer=initializer)


def bands_of(spec: gl.NetworkSpec, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Ends of the bands, (statistics, layers, 2)."""
    found = gl.predict(spec, inputs=x, labels=y, level=LEVEL)
    names = [f"{name}_second_moment" for name in STATISTICS]
    return np.array([[found[f"{name}_{end}"].values for end in ("low", "high")] for name in names]).transpose(0, 2, 1)


def standard_weights(random: np.random.Generator, distribution: str, fan_in: int, fan_out: int) -> np.ndarray:
    """Weights of variance 1, float32."""
    if distribution == "normal":
        return random.standard_normal((fan_in, fan_out), dtype=np.float32)
    weights = random.random((fan_in, fan_out), dtype=np.float32)
    weights -= 0.5
    weights *= np.sqrt(12).astype(np.float32)
    return weights


def statistics_of(spec: gl.NetworkSpec, weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Second moments of one network, (statistics, layers), with nothing of glorotlab but f and f'."""
    record, fans = activations.get(spec.activation), spec.fans
    mode = ACTIVATIONS[spec.activation]
    scale = SCALES[mode]
    deviations = [np.float32(np.sqrt(scale / (n if mode == "fan_in" else (n + m) / 2))) for n, m in fans]
    z, s = [x], []
    for weight, deviation in zip(weights, deviations, strict=True):
        s.append(z[-1] @ weight * deviation)
        z.append(record.function(s[-1]))
    logits = s[-1].astype(np.float64)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    d = (p / p.sum(axis=1, keepdims=True) - np.eye(CLASSES)[y]).astype(np.float32)
    found = np.full((len(STATISTICS), len(fans)), np.nan)
    for layer in range(len(fans) - 1, -1, -1):
        below, own = z[layer].astype(np.float64), d.astype(np.float64)
        m, g = below @ below.T / below.shape[1], own @ own.T / own.shape[1]
        if layer < len(fans) - 1:
            found[0, layer] = np.mean(z[layer + 1].astype(np.float64) ** 2)
        found[1:, layer] = np.trace(g) / len(x), np.diagonal(m) @ np.diagonal(g) / len(x), (m * g).mean()
        if layer:
            d = d @ weights[layer].T * deviations[layer] * record.derivative(s[layer - 1])
    return found


def draw_networks(cell: Cell, seeds: range, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Second moments of networks drawn one by one, (activations, networks, statistics, layers)."""
    width, depth, distribution = cell
    specs = [spec_of(*cell, name) for name in ACTIVATIONS]
    values = []
    for seed in seeds:
        random = np.random.default_rng([seed, width, depth, DISTRIBUTIONS.index(distribution)])
        weights = [standard_weights(random, distribution, *fans) for fans in specs[0].fans]
        values.append([statistics_of(spec, weights, x, y) for spec in specs])
    return np.array(values).swapaxes(0, 1)


def measure(cell: Cell, draws: int, folder: Path, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Draw the chunks of one cell that the folder lacks; return all, (activations, networks, statistics, layers)."""
    chunks = []
    for start in range(0, draws, CHUNK):
        file = folder / ("_".join(map(str, (*cell, start))) + ".npy")
        if not file.exists():
            began = time.perf_counter()
            seeds = range(start, min(start + CHUNK, draws))
            partial = file.with_suffix(".part")
            with partial.open("wb") as stream:
                np.save(stream, draw_networks(cell, seeds, x, y), allow_pickle=False)
            partial.replace(file)
            print(*cell, f"networks {seeds[0]} to {seeds[-1]}: {time.perf_counter() - began:.0f} s", flush=True)
        chunks.append(np.load(file, allow_pickle=False))
    return np.concatenate(chunks, axis=1)


def judge(cell: Cell, values: np.ndarray, x: np.ndarray, y: np.ndarray) -> list[float]:
    """Print the share of networks inside each band, statistic by statistic; return all shares."""
    found = []
    for name, networks in zip(ACTIVATIONS, values, strict=True):
        try:
            bands = bands_of(spec_of(*cell, name), x, y)
        except AssumptionError as refusal:
            print(*cell, name, "refused:", refusal, flush=True)
            continue
        inside = ((networks >= bands[..., 0]) & (networks <= bands[..., 1])).mean(axis=0)
        for statistic, row, band in zip(STATISTICS, inside, bands, strict=True):
            shares = [float(share) for share, (low, _) in zip(row, band, strict=True) if np.isfinite(low)]
            text = " ".join(f"{100 * share:.1f}{'*' * (not allowed(share))}" for share in shares)
            print("{:5} {:3} {:8}".format(*cell), f"{name:9} {networks.shape[0]:5} {statistic:24} {text}", flush=True)
            found += shares
    return found


def allowed(share: float) -> bool:
    return ALLOWED[0] <= share <= ALLOWED[1]


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[100])
    parser.add_argument("--draws", type=int, default=2000, help="networks of a cell")
    parser.add_argument("--out", type=Path, default=Path("band_coverage"), help="folder of the measurements")
    options = parser.parse_args(arguments)
    print(machine_line())
    options.out.mkdir(parents=True, exist_ok=True)
    x, y = gl.shapeset(EXAMPLES)
    cells = list(itertools.product(options.widths, DEPTHS, DISTRIBUTIONS))
    measured = {cell: measure(cell, options.draws, options.out, x, y) for cell in cells}
    print("\nshare of networks inside the 95 % band, in per cent, by layer; * outside 93 to 97", flush=True)
    shares = [share for cell, values in measured.items() for share in judge(cell, values, x, y)]
    good, low, high = sum(map(allowed, shares)), *(100 * end for end in ALLOWED)
    print(f"{good} of {len(shares)} bands hold {low:.0f} to {high:.0f} % of the networks")


if __name__ == "__main__":
    main(*sys.argv[1:])
