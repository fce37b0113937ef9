"""Fuzz target sweep: the TOML of a sweep, as ``glorotlab sweep SWEEP.toml`` reads it."""

import itertools
import random
from typing import Any

from fuzz_spec import SAMPLES, WORDS
from harness import Target, Wrong
from mutations import mutate_text, mutate_tree, toml_text

from glorotlab.spec.sweep import MAX_RUNS, SweepSpec

RUN: dict[str, Any] = {"network": {"layers": "4,5,3"}, "training": {"updates": 3}, "data": "a.npz"}

SWEEPS: tuple[dict[str, Any], ...] = (
    {"grid": {"learning_rate": [0.1, 0.01], "activation": ["tanh", "relu"]}, "repeats": 2, "choose": ["learning_rate"]},
    {"grid": {"learning_rate": {"low": 0.001, "high": 0.1, "scale": "log", "points": 3}, "nesterov": [True, False]}},
    {"random": {"learning_rate": {"low": 0.1, "high": 1}, "l2": {"low": 0.0, "high": 0.1}}, "draws": 3, "draw_seed": 1},
    {"cases": [{"name": "a", "layers": "4,5,3"}, {"name": "b", "layers": "4,6,3", "seed": 2}], "repeats": 2},
    {"random": {"batch_size": {"low": 1, "high": 9}}, "draws": 4, "grid": {"layers": ["4,5,3", "4,6,3"]}},
)

RANGES = (
    {"low": 1, "high": 2},
    {"low": 0, "high": 1, "scale": "log", "points": 2},
    {"low": -1e308, "high": 1e308, "points": 9},
)
NAMES = (
    "grid",
    "random",
    "cases",
    "repeats",
    "draws",
    "choose",
    "name",
    "low",
    "high",
    "points",
    "scale",
    "seed",
    "20000",
)

COUNTS = (0, 1, 3, 1000, MAX_RUNS - 1, MAX_RUNS, MAX_RUNS + 1, 10**9)

LOOKED_AT = 50
"""Runs of an accepted sweep whose specs are looked at."""


class SweepText(Target):
    """A text becomes a SweepSpec; what is accepted has as many runs as its axes say, each with a spec of its own."""

    name = "sweep"

    def make(self, rng: random.Random) -> str:
        """Return a text whose values, or whose words, are others than allowed."""
        sweep: Any = rng.choice(SWEEPS)
        if rng.random() < 0.6:
            sweep = mutate_tree(rng, sweep, (*SAMPLES, *RANGES, *NAMES))
        if isinstance(sweep, dict) and rng.random() < 0.1:
            sweep |= {rng.choice(("repeats", "draws")): rng.choice(COUNTS)}
        tree: Any = RUN if rng.random() < 0.9 else mutate_tree(rng, RUN, SAMPLES)
        tree = (tree if isinstance(tree, dict) else {"network": tree}) | {"sweep": sweep}
        text = toml_text(rng, tree)
        return mutate_text(rng, text, (*WORDS, *NAMES)) if rng.random() < 0.2 else text

    def run(self, made: str) -> None:
        """Read the text, and look at the first runs."""
        sweep = SweepSpec.from_toml(made)
        size = 1
        for length in sweep.shape:
            size *= length
        if not 1 <= size <= MAX_RUNS:
            raise Wrong(f"a sweep of {size} runs")
        points = list(itertools.islice(sweep.points(), LOOKED_AT))
        if len(points) != min(size, LOOKED_AT):
            raise Wrong(f"{len(points)} of {size} runs")
        if len({str(labels) for labels, _ in points}) != len(points):
            raise Wrong("two runs with the same labels")
