"""How far predictions are from measurements: python benchmarks/prediction_error.py [--seeds N] [--out FILE].

Every activation, initialiser and network below on 300 test examples: Shapeset, and MNIST where GLOROTLAB_DATA has it.
Networks are drawn until the standard error of each second moment is small enough (ENOUGH), or N are drawn. Each cell's
line is printed and kept in FILE as it is done; a second run with the same FILE goes on where the first one stopped.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import xarray as xr

import glorotlab as gl
from glorotlab.data.files import search_folders
from glorotlab.errors import AssumptionError
from glorotlab.measurement.compare import SECOND_MOMENTS

ACTIVATIONS = ("tanh", "softsign", "sigmoid", "relu", "gelu", "elu", "erf", "silu")
INITIALIZERS = ("standard", "glorot_uniform", "he_normal", "orthogonal", "nielsen_default")
NETWORKS = {"shapeset": "1024,1000x5,9", "mnist": "784,500,300,700,10"}
EXAMPLES, CHUNK = 300, 20
ENOUGH = {name: 0.02 if name.startswith("batch") else 0.0035 for name in SECOND_MOMENTS}
ALLOWED = {name: 0.02 if name.startswith("batch") else 0.01 for name in SECOND_MOMENTS}
"""Relative standard error at which no more networks are drawn, and deviation allowed beyond two of them."""

Row = tuple[str, int, float, float, float]
"""Variable, layer, measured / predicted, standard error of that, z-score."""


def rows_of(prediction: xr.Dataset, measurement: xr.Dataset) -> list[Row]:
    entries = [e for name in SECOND_MOMENTS for e in gl.compare(prediction, measurement).select(name)]
    return [(e.variable, e.layer, e.ratio, e.ratio_error, e.z_score) for e in entries]


def cell(dataset: gl.Dataset, activation: str, initializer: str, most: int) -> tuple[list[Row], int, str]:
    """Rows of one cell, the networks drawn for them, and the refusal where there is one."""
    spec = gl.NetworkSpec.parse(NETWORKS[dataset.name], activation=activation, initializer=initializer)
    x, y = dataset.test.batch(0, EXAMPLES)
    try:
        prediction = gl.predict(spec, inputs=x, labels=y)
    except AssumptionError as refusal:
        return [], 0, str(refusal)
    parts: list[xr.Dataset] = []
    rows: list[Row] = []
    for start in range(0, most, CHUNK):
        seeds = range(start, min(start + CHUNK, most))
        parts.append(gl.measure(spec, x, y, seeds=seeds)[[*SECOND_MOMENTS]])
        rows = rows_of(prediction, xr.concat(parts, "seed", combine_attrs="drop_conflicts"))
        if all(error <= ENOUGH[variable] for variable, _, _, error, _ in rows):
            break
    return rows, min(start + CHUNK, most), ""


def beyond(row: Row) -> float:
    """What of a deviation two standard errors do not explain."""
    _, _, ratio, error, _ = row
    return max(0.0, abs(ratio - 1) - 2 * error)


def holm(p: np.ndarray, level: float = 0.01) -> int:
    """Number of hypotheses Holm's step-down procedure rejects."""
    accepted = np.flatnonzero(np.sort(p) > level / np.arange(len(p), 0, -1))
    return int(accepted[0]) if len(accepted) else len(p)


def summary(cells: dict[str, dict]) -> None:
    from scipy.stats import norm

    rows = [row for found in cells.values() for row in found["rows"]]
    print(f"\n{len(rows)} numbers; |measured / predicted - 1| in per cent, noise of the measurement included:")
    print("variable                                     numbers    50th    90th    99th   largest beyond 2 SE  outside")
    for name in SECOND_MOMENTS:
        chosen = [row for row in rows if row[0] == name]
        if chosen:
            middle, high, highest = 100 * np.quantile([abs(row[2] - 1) for row in chosen], (0.5, 0.9, 0.99))
            excess = [beyond(row) for row in chosen]
            outside = sum(value > ALLOWED[name] for value in excess)
            numbers = f"{len(chosen):7} {middle:7.2f} {high:7.2f} {highest:7.2f} {100 * max(excess):21.2f}"
            print(f"{name:44} {numbers} {outside:8}")
    p = 2 * norm.sf(np.abs([row[4] for row in rows]))
    print(f"{holm(p)} of {len(rows)} z-scores differ from 0 at a familywise level of 1 % (Holm)")


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=600, help="most networks of a cell")
    parser.add_argument("--out", type=Path, default=Path("prediction_error.jsonl"))
    options = parser.parse_args(arguments)
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    cells = {found["cell"]: found for found in map(json.loads, lines)}
    names = [name for name in NETWORKS if name != "mnist" or any(f.exists() for f in search_folders("mnist"))]
    for name in names:
        dataset = gl.load_dataset(name)
        for activation, initializer in itertools.product(ACTIVATIONS, INITIALIZERS):
            label = f"{name} {activation} {initializer}"
            if label not in cells:
                rows, networks, refusal = cell(dataset, activation, initializer, options.seeds)
                cells[label] = {"cell": label, "networks": networks, "rows": rows, "refused": refusal}
                with options.out.open("a") as file:
                    file.write(json.dumps(cells[label]) + "\n")
            found = cells[label]
            worst = max(found["rows"], key=beyond, default=None)
            text = found["refused"] or f"worst {worst[0]} of layer {worst[1]}: {worst[2]:.4f} ± {worst[3]:.4f}"
            print(f"{label:42} {found['networks']:4} networks  {text}", flush=True)
    summary(cells)


if __name__ == "__main__":
    main(*sys.argv[1:])
