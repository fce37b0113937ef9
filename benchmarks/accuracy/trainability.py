"""How good the probability that a network trains is: python benchmarks/accuracy/trainability.py RUNS.csv [--plot FILE].

RUNS.csv is what ``trainability_runs.py`` wrote. A network *trains* where, at its best learning rate, it closes a
quarter of the gap between chance and the best network of the same data: it is clearly off chance. Networks are split by
family, an activation with a kind of initializer: a third of the families, drawn by a seed, is held out, and what is
printed of them was fitted to the others. The numbers of ``glorotlab/theory/advice/calibration.py`` are that fit.

Printed are the scores on both sets, the reliability diagram, the verdict of the bounds beside it, the table of learning
rates, and the coefficients. ``--share`` moves the quarter, ``--split`` draws other families.
"""

import argparse
import csv
import dataclasses
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from logistic_regression import auroc, brier, calibration_error, fit, probabilities, reliability
from trainability_networks import Drawn
from trainability_runs import PARTS, STABLE, key

import glorotlab as gl
from glorotlab.errors import AssumptionError
from glorotlab.machine import machine_line
from glorotlab.theory.advice.calibration import FARTHEST, MAX_OUTPUTS
from glorotlab.theory.advice.numbers import Numbers, numbers
from glorotlab.theory.advice.predictors import Predictors, predictors
from glorotlab.theory.advice.trainability import bound_exceeded
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import Batch, labelled_batch

EXAMPLES, SHARE, HELD_OUT, RIDGE = 100, 0.25, 3, 0.1
NAMES = tuple(field.name for field in dataclasses.fields(Predictors))


@dataclass(frozen=True)
class Trained:
    """A network of the set: what theory says before, and what training showed.

    Parameters
    ----------
    drawn : Drawn
    numbers : Numbers or None
        None where theory refuses.
    closed : float
        Share of the gap between chance and the best network that was closed at the best rate.
    best, stable : float
        Powers of ten of the best and of the largest stable learning rate, the latter NaN where there is none.
    """

    drawn: Drawn
    numbers: Numbers | None
    closed: float
    best: float
    stable: float


def read(path: Path) -> list[Trained]:
    """Return the networks of a file of runs."""
    with path.open(newline="") as file:
        runs = defaultdict(list)
        for row in csv.DictReader(file):
            runs[int(row["number"])].append(row)
    least: dict[str, float] = defaultdict(lambda: 1.0)
    errors = {number: min(float(row["error"]) for row in rows) for number, rows in runs.items()}
    for number, rows in runs.items():
        least[rows[0]["data"]] = min(least[rows[0]["data"]], errors[number])
    return [_trained(rows, errors[number], least[rows[0]["data"]]) for number, rows in sorted(runs.items())]


def _trained(rows: Sequence[Mapping[str, str]], error: float, least: float) -> Trained:
    first = rows[0]
    fields = {name: first[name] for name in ("activation", "initializer", "bias", "output", "cost")}
    spec = gl.NetworkSpec.parse(first["layers"], **fields)
    drawn = Drawn(int(first["number"]), first["data"], first["centred"] == "1", spec)
    chance = float(first["chance"])
    best = min(rows, key=lambda row: key({name: float(row[name]) for name in ("beginning", *_costs())}))
    stable = [row for row in rows if float(row[f"cost_{PARTS}"]) <= STABLE * float(row["beginning"])]
    highest = max((int(row["exponent"]) / 2 for row in stable), default=math.nan)
    x, y = drawn.examples()
    return Trained(
        drawn,
        known(spec, labelled_batch(spec, x[:EXAMPLES], y[:EXAMPLES], None)),
        (chance - error) / (chance - least),
        int(best["exponent"]) / 2,
        highest,
    )


def known(spec: gl.NetworkSpec, batch: Batch) -> Numbers | None:
    """Return a network's numbers; None where ``advise`` has no more than the probability ``REFUSED``."""
    try:
        if forward(spec, Batch.one(batch.mean_second_moment)).q[-1, 0] > MAX_OUTPUTS:
            return None  # which spares the kernels of all examples, slow where signals are so large
        found = numbers(spec, batch)
    except AssumptionError:
        return None
    return None if math.isnan(found.condition) or found.logit_second_moment > MAX_OUTPUTS else found


def _costs() -> list[str]:
    return [f"cost_{part}" for part in range(1, PARTS + 1)]


def held_out(networks: Sequence[Trained], seed: int) -> np.ndarray:
    """Return which networks belong to the families that are held out."""
    families = sorted({network.drawn.family for network in networks})
    chosen = np.random.default_rng(seed).permutation(len(families))[: len(families) // HELD_OUT]
    out = {families[place] for place in chosen}
    return np.array([network.drawn.family in out for network in networks])


def standardised(networks: Sequence[Trained]) -> tuple[np.ndarray, np.ndarray]:
    """Return means and standard deviations of the predictors."""
    values = np.array([dataclasses.astuple(predictors(network.numbers)) for network in networks])
    return values.mean(axis=0), values.std(axis=0)


def deviations(networks: Sequence[Trained], mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return standardized predictors, cut off as those of ``advise``."""
    values = np.array([dataclasses.astuple(predictors(network.numbers)) for network in networks])
    return np.clip((values - mean) / deviation, -FARTHEST, FARTHEST)


def scores(name: str, p: np.ndarray, y: np.ndarray) -> None:
    """Print how good probabilities are."""
    said = p >= 1 / 2
    print(f"{name:32} {len(y):4} networks, {int(y.sum()):3} train: AUROC {auroc(p, y):.3f}, ", end="")
    print(f"Brier {brier(p, y):.3f}, calibration error {calibration_error(p, y):.3f}, ", end="")
    print(f"right {int((said == y).sum())}; of {int((1 - y).sum())} that fail ", end="")
    print(f"{int((said & (y == 0)).sum())} are said to train")


def rate_errors(name: str, error: np.ndarray) -> None:
    """Print how far rates are from the best, in powers of ten."""
    off = np.abs(error)
    median, most = 10 ** np.quantile(off, (0.5, 0.9))
    print(f"{name:32} {10 ** np.median(error):8.3g} times the best in the median; ", end="")
    print(f"off by a factor {median:.3g} in the median, {most:.3g} in 90 %; ", end="")
    print(f"within 3 {np.mean(off <= math.log10(3)):.0%}, within 10 {np.mean(off <= 1):.0%}")


def write(path: Path, networks: Sequence[Trained], trains: np.ndarray, out: np.ndarray) -> None:
    """Write one row a network: all that a fit needs; what theory refuses is empty."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["family", "held_out", "trains", *NAMES, "curvature", "hidden_layers", "growth", "best", "bounds"]
        )
        for network, own, held in zip(networks, trains, out, strict=True):
            row: list[object] = [""] * (len(NAMES) + 5)
            if network.numbers is not None:
                values = [f"{value:.4g}" for value in dataclasses.astuple(predictors(network.numbers))]
                growth = max(network.numbers.gradient_ratio, 1.0)
                values += [f"{network.numbers.curvature:.4g}", network.numbers.hidden_layers, f"{growth:.4g}"]
                row = [*values, network.best, int(bound_exceeded(network.numbers) is None)]
            writer.writerow([network.drawn.family, int(held), int(own), *row])


def plot(path: Path, p: np.ndarray, y: np.ndarray) -> None:
    """Draw the reliability diagram: bins with their standard errors beside the diagonal."""
    import matplotlib.pyplot as plt

    rows = np.array([row[2:] for row in reliability(p, y)])
    count, mean, share = rows.T
    figure, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7")
    axes.errorbar(mean, share, np.sqrt(mean * (1 - mean) / count), fmt="o", capsize=3)
    for number, at in zip(count, zip(mean, share, strict=True), strict=True):
        axes.annotate(f"{int(number)}", at, xytext=(6, -10), textcoords="offset points")
    axes.set(xlabel="probability said", ylabel="share that trained", title=f"{len(y)} held-out networks")
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    figure.savefig(path)


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--table", type=Path, help="where the numbers of each network go, for a fit without its runs")
    parser.add_argument("--share", type=float, default=SHARE)
    parser.add_argument("--split", type=int, default=0)
    parser.add_argument("--ridge", type=float, default=RIDGE)
    options = parser.parse_args(arguments)
    print(machine_line())
    everything = read(options.runs)
    trains = np.array([network.closed >= options.share for network in everything], dtype=float)
    out = held_out(everything, options.split)
    seen = np.array([network.numbers is not None for network in everything])
    refused = trains[~seen & ~out]
    print(
        f"{len(everything)} networks of {len({n.drawn.family for n in everything})} families, {int(trains.sum())} train"
    )
    print(f"theory refuses {int((~seen).sum())}, of which {int(trains[~seen].sum())} train: ", end="")
    probability_refused = (refused.sum() + 0.5) / (len(refused) + 1)
    print(f"REFUSED = {probability_refused:.2g} (of {len(refused)}, by Jeffreys' prior)")

    chosen = [network for network, ok in zip(everything, seen & ~out, strict=True) if ok]
    mean, deviation = standardised(chosen)
    beta = fit(deviations(chosen, mean, deviation), trains[seen & ~out], options.ridge)
    p = np.full(len(everything), probability_refused)
    all_seen = [network for network, ok in zip(everything, seen, strict=True) if ok]
    p[seen] = probabilities(beta[0] + deviations(all_seen, mean, deviation) @ beta[1:])
    old = np.array([float(n.numbers is not None and bound_exceeded(n.numbers) is None) for n in everything])
    for name, where in (("fitted", ~out), ("held out", out)):
        scores(name, p[where], trains[where])
        scores(f"{name}, verdict of the bounds", old[where], trains[where])
    print("reliability, held out: probability from, to; networks; mean probability; share that trained")
    for row in reliability(p[out], trains[out]):
        print("  {:.1f} {:.1f} {:4} {:.3f} {:.3f}".format(*row))
    if options.plot:
        plot(options.plot, p[out], trains[out])

    if options.table:
        write(options.table, everything, trains, out)

    print(f"INTERCEPT = {beta[0]:.4g}")
    for name, *values in zip(NAMES, mean, deviation, beta[1:], strict=True):
        print(f'    "{name}": Coefficient({", ".join(f"{value:.4g}" for value in values)}),')
    learning_rates(everything, trains.astype(bool) & seen, out)


def learning_rates(networks: Sequence[Trained], chosen: np.ndarray, out: np.ndarray) -> None:
    """Fit the recommended rate to networks that train, and print how far it and others are from the best."""
    some = [network for network, ok in zip(networks, chosen, strict=True) if ok]
    held = out[chosen]
    best = np.array([network.best for network in some])
    curvature = np.log10([network.numbers.curvature for network in some])
    depth = np.log10([len(network.drawn.spec.layer_sizes) - 2 for network in some])
    growth = np.log10([max(network.numbers.gradient_ratio, 1.0) for network in some])
    design = np.column_stack([np.ones(len(some)), curvature, depth, growth])
    beta = np.linalg.lstsq(design[~held], best[~held], rcond=None)[0]
    inverse = np.median((best + curvature)[~held])
    print(f"RATE = Rate({10 ** beta[0]:.4g}, {', '.join(f'{power:.4g}' for power in beta[1:])})")
    for name, where in (("fitted", ~held), ("held out", held)):
        rate_errors(f"{name}: recommended", (design @ beta - best)[where])
        rate_errors(f"{name}: {10**inverse:.2g} / curvature", (inverse - curvature - best)[where])
        rate_errors(f"{name}: 2 K / lambda_1", (np.log10([n.numbers.learning_rate for n in some]) - best)[where])
        rate_errors(f"{name}: largest stable", np.array([n.stable for n in some])[where] - best[where])


if __name__ == "__main__":
    import sys

    main(*sys.argv[1:])
