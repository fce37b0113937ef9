"""Table 1: test error of five networks of five hidden layers on four datasets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from glorotlab.arrays import Array, Progress
from glorotlab.averages import mean_and_error
from glorotlab.data.catalogue import load_dataset
from glorotlab.experiments.claims import judge
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import (
    Claim,
    Experiment,
    Finding,
    Results,
    Table,
    demote,
    exchange,
    part_of,
    substitute,
)
from glorotlab.experiments.glorot_bengio.common import training
from glorotlab.experiments.glorot_bengio.common.datasets import LABELS, absent, split_by_presence
from glorotlab.experiments.scales import Scale
from glorotlab.experiments.significance import LEVEL, mcnemar, paired_over_seeds
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, finish, handle, new_figure
from glorotlab.plotting.style import PAPER as PAPER_MARK
from glorotlab.training.error_curves import correctly_classified
from glorotlab.training.runs.run import Run
from glorotlab.training.sweeps.store import RunStore

NAME = "table_1"

PAPER = {
    "softsign": (16.27, 1.64, 55.78, 69.14),
    "softsign_normalized": (16.06, 1.72, 53.8, 68.13),
    "tanh": (27.15, 1.76, 55.9, 70.58),
    "tanh_normalized": (15.60, 1.64, 52.92, 68.57),
    "sigmoid": (82.61, 2.21, 57.28, 70.66),
}
"""Test error in per cent on each dataset of ``LABELS`` (Glorot & Bengio 2010, table 1)."""

CLOSE = 1.0
"""Largest difference in percentage points at which an error reproduces the paper's."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Train the five networks on every dataset that is here, and classify its test examples."""
    here, missing = split_by_presence(tuple(LABELS))
    networks = training.named(*training.FIVE)
    results: Results = {
        "absent": missing,
        "constant_errors": training.constant_errors(scale.shapeset, scale.seeds),
    }
    for place, dataset in enumerate(here):
        part = part_of(progress, place, len(here))
        runs = training.train(scale, store, networks, part, dataset)
        for name, several in runs.items():
            key = training.key_of(name, dataset)
            results[f"{key}_curves"] = training.stack(several, "curves")
            results[f"{key}_correct"] = _correct(several)
    return results


def _correct(runs: list[Run]) -> xr.Dataset:
    """Return which test examples each network classifies correctly; none, where it is no longer finite."""
    rows = []
    for run in runs:
        test = load_dataset(run.spec.data, seed=run.spec.seed, keep=True).test
        correct = correctly_classified(run.network(), test)
        rows.append(np.zeros(int(test.length), dtype=bool) if correct is None else correct)
    seeds = [run.spec.seed for run in runs]
    answers = xr.Dataset({"correct": (("seed", "example"), np.array(rows, dtype=np.int8))}, {"seed": seeds})
    return described(answers, correct=("whether a test example is classified correctly", "1"))


def _errors(results: Results, name: str, dataset: str = "shapeset") -> Array:
    """Return final test errors in per cent, shape (seed,)."""
    return 100 * training.final_errors(results, training.key_of(name, dataset))


def _label(name: str) -> str:
    return training.NETWORKS[name].label


def _ahead(results: Results) -> Claim:
    tanh = _errors(results, "tanh")
    better = ("tanh_normalized", "softsign", "softsign_normalized")
    lead = {f"tanh - {_label(name)}": tanh - _errors(results, name) for name in better}
    sentence = "On Shapeset-3x2 tanh N and both softsigns are ahead of tanh."
    return judge(NAME, sentence, lead, low=0.0, rule="every difference in percentage points is above 0")


def _constant_guess(results: Results) -> Claim:
    above = {"sigmoid - best constant guess": training.above_chance(results, "sigmoid")}
    sentence = "On Shapeset-3x2 the sigmoid network is at the level of the best constant guess."
    rule = f"the difference of their test errors (fractions) is within {training.NEAR} of 0"
    return judge(NAME, sentence, above, low=-training.NEAR, high=training.NEAR, rule=rule)


def _the_papers(results: Results) -> Claim:
    away = {f"{_label(name)}: measured - paper": _errors(results, name) - paper[0] for name, paper in PAPER.items()}
    rule = f"every error is within {CLOSE:g} percentage point of the paper's"
    return judge(NAME, "On Shapeset-3x2 the errors are the paper's.", away, low=-CLOSE, high=CLOSE, rule=rule)


def _sigmoid_is_last(dataset: str) -> Finding:
    """Return that sigmoid has the largest error of the five on a dataset."""

    def decide(results: Results) -> Claim:
        sentence = f"On {LABELS[dataset]} sigmoid has the largest error of the five networks."
        if dataset in absent(results):
            return Claim(NAME, sentence, "undecided", explanation=absent(results)[dataset])
        sigmoid = _errors(results, "sigmoid", dataset)
        others = [name for name in training.FIVE if name != "sigmoid"]
        lead = {f"sigmoid - {_label(name)}": sigmoid - _errors(results, name, dataset) for name in others}
        return judge(NAME, sentence, lead, low=0.0, rule="every difference in percentage points is above 0")

    first, second = (training.key_of(name, dataset) for name in ("sigmoid", "softsign_normalized"))
    return Finding(decide, exchange(first, second, "curves"))


FINDINGS = (
    Finding(_ahead, demote("tanh", "softsign_normalized", "sigmoid", "curves")),
    Finding(_constant_guess, substitute("sigmoid", "softsign_normalized", "curves")),
    Finding(
        _the_papers,
        substitute("tanh_normalized", "sigmoid", "curves"),
        training.unless_shorter_than(training.PAPER_UPDATES, ["pass", "fail"], "tanh", "curves"),
    ),
    *map(_sigmoid_is_last, LABELS),
)
"""What the paper's table says."""


def table(results: Results) -> Table:
    """Return measured errors with their standard errors beside the paper's; bold as the paper marks it.

    A network is bold where it is the best on a dataset, or McNemar's exact test does not tell it from the best.
    """
    here = [dataset for dataset in LABELS if dataset not in absent(results)]
    head = ("network", *(f"{LABELS[dataset]}, %" for dataset in LABELS))
    rows, bold = [], set()
    p_values = {dataset: _p_values(results, dataset) for dataset in here}
    for row, name in enumerate(training.FIVE):
        cells = [_label(name)]
        for column, dataset in enumerate(LABELS):
            paper = f"paper {PAPER[name][column]:.2f}"
            if dataset not in here:
                cells.append(f"– ({paper})")
                continue
            mean, error = mean_and_error(_errors(results, name, dataset))
            exact, over_seeds = p_values[dataset][name]
            p = f"p {exact:.1g}{_text(', ', over_seeds, '.1g')}"
            cells.append(f"{mean:.2f}{_text(' ± ', float(error), '.2f')} ({paper}; {p})")
            if exact > LEVEL:
                bold.add((row, column + 1))
        rows.append(tuple(cells))
    return Table(_caption(results), head, tuple(rows), frozenset(bold))


def _text(before: str, value: float, digits: str) -> str:
    return f"{before}{value:{digits}}" if np.isfinite(value) else ""


def _caption(results: Results) -> str:
    sizes = "; ".join(_size(results, dataset) for dataset in LABELS if dataset not in absent(results))
    reasons = "".join(f" {LABELS[name]}: {reason}." for name, reason in absent(results).items())
    return (
        f"Test error, mean over networks ± standard error ({sizes}). In brackets are the paper's, after 5,000,000 "
        "updates of 1,000-unit layers, and the p-values of the null hypothesis that it errs as often as the best "
        f"of its column: exactly on the same test examples (McNemar), over seeds (paired t-test). Bold: p > {LEVEL} by "
        f"McNemar's test. N = normalized initialization.{reasons}"
    )


def _size(results: Results, dataset: str) -> str:
    curves = results[f"{training.key_of('tanh', dataset)}_curves"]
    networks, updates = curves.sizes["seed"], curves.attrs["updates"]
    return f"{LABELS[dataset]}: {curves.attrs['network']}, {updates:,.0f} updates, networks: {networks}"


def _p_values(results: Results, dataset: str) -> dict[str, tuple[float, float]]:
    """Return of each network the p-values of both tests against the network with the least error."""

    def correct(name: str) -> npt.NDArray[np.bool_]:
        return np.asarray(results[f"{training.key_of(name, dataset)}_correct"]["correct"].values, dtype=bool)

    errors = {name: _errors(results, name, dataset) for name in training.FIVE}
    best = min(errors, key=lambda name: float(errors[name].mean()))
    return {
        name: (mcnemar(correct(name), correct(best)), paired_over_seeds(errors[name], errors[best])) for name in errors
    }


def draw(results: Results) -> Figure:
    """Draw measured errors and the paper's, one panel a dataset."""
    figure = new_figure(2, 2, size=(9.2, 6.2), sharey=True)
    ranking = training.FIVE[::-1]
    for column, (ax, dataset) in enumerate(zip(figure.axes, LABELS, strict=True)):
        for place, name in enumerate(ranking):
            ax.plot([PAPER[name][column]], [place], color=OKABE_ITO[1], **PAPER_MARK)
            if dataset not in absent(results):
                mean, error = mean_and_error(_errors(results, name, dataset))
                ax.errorbar([mean], [place], xerr=[error], color=OKABE_ITO[0], **MEASUREMENT)
        if dataset in absent(results):
            ax.text(0.5, 0.5, "not measured: its data are not here", transform=ax.transAxes, ha="center")
        ax.set_yticks(range(len(ranking)), [_label(name) for name in ranking])
        ax.margins(x=0.12, y=0.12)
        finish(ax, LABELS[dataset], "test error (%)", "")
    mark = {key: MEASUREMENT[key] for key in ("linestyle", "marker", "markersize")}
    handles = [
        handle("measured, with standard error", OKABE_ITO[0], **mark),
        handle("Glorot & Bengio (2010), after 5 million updates", OKABE_ITO[1], **PAPER_MARK),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Final test error, five hidden layers",
    source="Glorot & Bengio (2010), table 1",
    caption="The last point of the error curves of figures 11 and 12 (points) and the paper's table (hollow diamonds).",
    effort=5,
    run=run,
    findings=FINDINGS,
    draw=draw,
    table=table,
    derivations=("compromise", "normalized_initialization"),
    trains=True,
)
