"""How often one network lies inside its predicted 95 % band: python benchmarks/band_coverage.py [--widths 100 1000].

Networks are drawn by NumPy alone on a few Shapeset images, DRAWS for each width, depth and distribution of the weights;
all activations share the standardised weights. Each chunk of draws is kept in FILE as it is done; a second run with the
same FILE goes on where the first one stopped. Width 1000 and ten layers take about half an hour on one slow core.
"""

import argparse
import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np

import glorotlab as gl
from glorotlab import activations
from glorotlab.errors import AssumptionError

ACTIVATIONS = {"tanh": "fan_avg", "softsign": "fan_avg", "relu": "fan_in", "gelu": "fan_in"}
SCALES = {"fan_avg": 1.0, "fan_in": 2.0}
"""The normalised initialisation of Glorot & Bengio (2010), and that of He et al. (2015)."""

STATISTICS = ("activation", "backprop_gradient", "example_weight_gradient", "batch_weight_gradient")
DEPTHS, DISTRIBUTIONS = (2, 5, 10), ("normal", "uniform")
EXAMPLES, CLASSES, CHUNK, LEVEL = 30, 9, 200, 0.95
ALLOWED = (0.93, 0.97)

Bands = dict[str, np.ndarray]
"""Ends of the bands of an activation, (statistics, layers, 2)."""


def spec_of(width: int, depth: int, distribution: str, activation: str) -> gl.NetworkSpec:
    mode = ACTIVATIONS[activation]
    initializer = f"variance_scaling(scale={SCALES[mode]:g}, mode={mode}, distribution={distribution})"
    return gl.NetworkSpec.parse(f"1024,{width}x{depth},{CLASSES}", activation=activation, initializer=initializer)


def bands_of(spec: gl.NetworkSpec, x: np.ndarray, y: np.ndarray) -> np.ndarray:
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


def count_inside(
    cell: tuple[int, int, str], seeds: range, bands: Bands, x: np.ndarray, y: np.ndarray
) -> dict[str, list[list[list[int]]]]:
    """Networks below, inside and above each band: of each activation (3, statistics, layers)."""
    width, depth, distribution = cell
    counts = {name: np.zeros((3, *low_high.shape[:2]), dtype=int) for name, low_high in bands.items()}
    fans = spec_of(*cell, "tanh").fans
    for seed in seeds:
        random = np.random.default_rng([seed, width, depth, DISTRIBUTIONS.index(distribution)])
        weights = [standard_weights(random, distribution, *each) for each in fans]
        for name, low_high in bands.items():
            values = statistics_of(spec_of(*cell, name), weights, x, y)
            low, high = low_high[..., 0], low_high[..., 1]
            counts[name] += np.array([values < low, (values >= low) & (values <= high), values > high])
    return {name: count.tolist() for name, count in counts.items()}


def run_cell(cell: tuple[int, int, str], draws: int, done: set[int], out: Path, x: np.ndarray, y: np.ndarray) -> None:
    """Append the chunks of one cell that are missing to the file."""
    starts = [start for start in range(0, draws, CHUNK) if start not in done]
    if not starts:
        return
    bands: Bands = {}
    for name in ACTIVATIONS:
        try:
            bands[name] = bands_of(spec_of(*cell, name), x, y)
        except AssumptionError as refusal:
            print(*cell, name, "refused:", refusal, flush=True)
    for start in starts:
        began = time.perf_counter()
        counts = count_inside(cell, range(start, start + CHUNK), bands, x, y)
        with out.open("a") as file:
            file.write(json.dumps({"cell": cell, "start": start, "counts": counts}) + "\n")
        seconds = time.perf_counter() - began
        print(*cell, f"networks {start} to {start + CHUNK - 1}: {seconds:.0f} s", flush=True)


def table(lines: list[dict]) -> None:
    """Print, for each cell and statistic, the share of networks inside its band, layer by layer."""
    totals: dict[tuple, np.ndarray] = {}
    for line in lines:
        for name, counts in line["counts"].items():
            key = (*line["cell"], name)
            totals[key] = totals.get(key, 0) + np.array(counts)
    outside, number = 0, 0
    print("\nshare of networks inside the 95 % band, in per cent, by layer; * outside 93 to 97")
    for (width, depth, distribution, name), counts in sorted(totals.items()):
        for statistic, (_, inside, _), total in zip(STATISTICS, counts.swapaxes(0, 1), counts.sum(axis=0), strict=True):
            shares = inside[total > 0] / total[total > 0]
            wrong = (shares < ALLOWED[0]) | (shares > ALLOWED[1])
            outside, number = outside + int(wrong.sum()), number + len(shares)
            text = " ".join(f"{100 * share:.1f}{'*' if bad else ''}" for share, bad in zip(shares, wrong, strict=True))
            print(f"{width:5} {depth:3} {distribution:8} {name:9} {total.max():5} {statistic:24} {text}")
    print(
        f"{number - outside} of {number} bands hold {100 * ALLOWED[0]:.0f} to {100 * ALLOWED[1]:.0f} % of the networks"
    )


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[100])
    parser.add_argument("--draws", type=int, default=2000, help="networks of a cell")
    parser.add_argument("--out", type=Path, default=Path("band_coverage.jsonl"))
    options = parser.parse_args(arguments)
    x, y = gl.shapeset(EXAMPLES)

    def lines() -> list[dict]:
        return [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []

    for cell in itertools.product(options.widths, DEPTHS, DISTRIBUTIONS):
        done = {line["start"] for line in lines() if tuple(line["cell"]) == cell}
        run_cell(cell, options.draws, done, options.out, x, y)
    table(lines())


if __name__ == "__main__":
    main(*sys.argv[1:])
