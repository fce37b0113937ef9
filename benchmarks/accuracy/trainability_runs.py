"""Train the networks that advice is calibrated on: python benchmarks/accuracy/trainability_runs.py OUT.csv.

Each network (``trainability_networks.draw``) takes 500 updates of 20 examples by plain gradient descent at learning
rates 10^(k/2), in passes over its 500 examples whose order is drawn. The rates begin around 2 / lambda_1 of theory and
go on in both directions until the best has two worse ones on either side and one run has ended above its beginning, so
that where they began does not matter; at most 12. Rates are compared by the cost of the last tenth of the updates, and
those below a thousandth of the cost before any step by the mean cost. A run ends once it has diverged or is solved.

One row a run: the network, the rate, the cost before any step, the mean cost of each tenth of the updates, and the
share of the 500 examples that are then classified wrongly, with the share that the most frequent class leaves. A file
that is there is continued; a network whose rows are not all there is trained again.
"""

import argparse
import csv
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from trainability_networks import Drawn, draw

import glorotlab as gl
from glorotlab.machine import machine_line

UPDATES, BATCH, PARTS, MAX_RATES = 500, 20, 10, 12
FIRST = range(-4, 1)
"""Half decades around 2 / lambda_1 that every network is trained at."""

DIVERGED, SOLVED, PATIENCE = 2.0, 1e-3, 3
"""A run is not continued where a tenth, from the third on, costs more than twice its beginning, or any less than a
thousandth: what is left of it counts as the last cost."""

STABLE = 1.1
"""A rate is stable where its run ends at no more than this many times the cost before any step."""

LEARNS = 0.05
"""A network learns something where an error is this far below chance; of others no largest stable rate is sought."""

FIELDS = (
    *("number", "data", "centred", "layers", "activation", "initializer", "bias", "output", "cost", "exponent"),
    *("beginning", *(f"cost_{part}" for part in range(1, PARTS + 1)), "error", "chance"),
)


def run(drawn: Drawn, exponent: int) -> dict[str, float]:
    """Train one network at the rate 10^(exponent / 2), and return the numbers of its row."""
    x, y = drawn.examples()
    network = gl.Network(drawn.spec, seed=drawn.number)
    rng, rate = np.random.default_rng(drawn.number), 10 ** (exponent / 2)
    passes = -(-UPDATES * BATCH // len(x))
    order = np.concatenate([rng.permutation(len(x)) for _ in range(passes)])[: UPDATES * BATCH]
    costs: list[float] = []
    beginning = float(network.backpropagate(x, y).cost.mean())
    for rows in order.reshape(PARTS, -1):
        costs.append(float(network.train_steps(x, y, rate, batch_size=BATCH, order=rows).mean()))
        diverged = len(costs) >= PATIENCE and costs[-1] > DIVERGED * beginning
        if not math.isfinite(costs[-1]) or diverged or costs[-1] < SOLVED * beginning:
            costs += [costs[-1]] * (PARTS - len(costs))
            break
    share = np.bincount(y).max() / len(y)
    error = wrong(network, drawn, x, y) if math.isfinite(costs[-1]) else 1.0
    return {
        "beginning": beginning,
        **{f"cost_{part}": value if math.isfinite(value) else math.inf for part, value in enumerate(costs, 1)},
        "error": error,
        "chance": 1 - share,
    }


def wrong(network: gl.Network, drawn: Drawn, x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of examples whose largest output, or whose single one's side of 1/2, is the wrong class."""
    output = network.forward(x).output
    if drawn.spec.classes > 1:
        return float((output.argmax(axis=1) != y).mean())
    return float(((output[:, 0] > 0.5) != y).mean())


def key(row: Mapping[str, float]) -> tuple[float, float]:
    """Return what runs of one network are compared by: the last cost, where it is not as good as 0, then the mean."""
    costs = [float(row[f"cost_{part}"]) for part in range(1, PARTS + 1)]
    return max(costs[-1], SOLVED * float(row["beginning"])), sum(costs) / PARTS


def rates(drawn: Drawn) -> Iterator[dict[str, float]]:
    """Yield rows of all rates of a network."""
    x, y = drawn.examples()
    verdict = gl.trainability(drawn.spec, inputs=x[:100], labels=y[:100])
    centre = 0 if not verdict.learning_rate else round(2 * math.log10(verdict.learning_rate))
    keys: dict[int, tuple[float, float]] = {}
    stable: dict[int, bool] = {}
    learns = False
    wanted = [centre + step for step in FIRST]
    while wanted:
        exponent = wanted.pop(0)
        row = run(drawn, exponent)
        keys[exponent], stable[exponent] = key(row), row[f"cost_{PARTS}"] <= STABLE * row["beginning"]
        learns |= row["error"] < row["chance"] - LEARNS
        yield {"exponent": exponent, **row}
        if not wanted and len(keys) < MAX_RATES:
            best, highest, lowest = min(keys, key=lambda at: keys[at]), max(keys), min(keys)
            if best > highest - 2 or (learns and stable[highest]):
                wanted = [highest + 1]
            elif best < lowest + 2 and (learns or not any(stable.values())):
                wanted = [lowest - 1]


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--networks", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print(machine_line())
    done: set[int] = set()
    if options.out.exists():
        with options.out.open(newline="") as file:
            rows = list(csv.DictReader(file))
        done = {int(row["number"]) for row in rows}
    with options.out.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if not done:
            writer.writeheader()
        for number in range(options.networks):
            if number in done:
                continue
            drawn = draw(options.seed, number)
            fixed = {"number": number, "data": drawn.data, "centred": int(drawn.centred), "layers": drawn.spec.layers}
            fixed |= {name: getattr(drawn.spec, name) for name in FIELDS[4:9]}
            # All rows of a network are written at once: one that is interrupted leaves none.
            rows = [fixed | row for row in rates(drawn)]
            writer.writerows(rows)
            file.flush()
            os.fsync(file.fileno())
            best = min(row["error"] for row in rows)
            print(
                f"{number} {drawn.data} {drawn.spec.layers} {drawn.family}: {len(rows)} rates, error {best:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    import sys

    main(*sys.argv[1:])
