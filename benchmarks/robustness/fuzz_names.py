"""Fuzz target names: initializers, biases, activations and generated data, with their parameters in brackets."""

import math
import random

import numpy as np
from harness import Target, Wrong
from mutations import NUMBERS, mutate_text

from glorotlab import initializers
from glorotlab.activations import named
from glorotlab.spec.generated_data import canonical_data
from glorotlab.spec.network import NetworkSpec

SAMPLES = {
    "initializer": (
        *initializers.NAMES,
        "normal(std=0.05)",
        "uniform(bound=0.1)",
        "truncated_normal(std=2)",
        "sparse(k=15, std=1)",
        "sparse(k=3)",
        "variance_scaling(scale=2, mode=fan_in, distribution=truncated_normal)",
        "variance_scaling(mode=fan_avg, distribution=orthogonal)",
    ),
    "bias": (
        "zeros",
        "normal(std=1)",
        "uniform(bound=0.5)",
        "constant(value=0.5)",
        "variance_scaling(scale=1, distribution=uniform)",
        "normal",
        "constant",
    ),
    "activation": (*named.RECORDS, "leaky_relu(slope=0.2)", "leaky_relu()", "leaky_relu(slope=0)"),
    "data": ("shapeset", "shapeset(test=2000)", "shapeset(train=100, validation=10, test=10)"),
    "layers": ("784,1000x5,10", "4,3", "4,5x2,6x3,3", "1,1", "20,64x3,1"),
}
WORDS = (
    "std",
    "bound",
    "k",
    "slope",
    "scale",
    "mode",
    "distribution",
    "value",
    "test",
    "train",
    "(",
    ")",
    "=",
    ",",
    "x",
)
WORDS += (
    "fan_in",
    "fan_avg",
    "none",
    "normal",
    "orthogonal",
    "standard",
    "inf",
    "(",
    "()",
    "((",
    "))",
    " ",
    "\n",
    "é",
    "K",
)
SHAPE = (5, 4)


class Names(Target):
    """A name is looked up; what is accepted has one canonical text, which says the same, and draws finite numbers."""

    name = "names"

    def make(self, rng: random.Random) -> tuple[str, str]:
        """Return what is named, and a name."""
        kind = rng.choice(list(SAMPLES))
        text = rng.choice(SAMPLES[kind])
        return kind, mutate_text(rng, text, (*WORDS, *NUMBERS)) if rng.random() < 0.9 else text

    def run(self, made: tuple[str, str]) -> None:
        """Look the name up, and its canonical text again."""
        kind, text = made
        getattr(self, f"_{kind}")(text)

    def _initializer(self, text: str) -> None:
        record = initializers.get(text)
        if initializers.get(record.name) != record:
            raise Wrong(f"{record.name!r} is another initializer")
        moments = record.variance(*SHAPE), record.excess_kurtosis(*SHAPE)
        weights = record.sample(np.random.default_rng(0), *SHAPE).astype(np.float32)
        if not (moments[0] > 0 and all(map(math.isfinite, moments)) and np.isfinite(weights).all()):
            raise Wrong(f"{record.name!r} has moments {moments} and weights up to {np.abs(weights).max()}")

    def _bias(self, text: str) -> None:
        record = initializers.get_bias(text)
        if initializers.get_bias(record.name) != record:
            raise Wrong(f"{record.name!r} is another initializer of biases")
        biases = record.sample(np.random.default_rng(0), *SHAPE).astype(np.float32)
        if not (record.variance_at(SHAPE[0]) >= 0 and np.isfinite(biases).all()):
            raise Wrong(f"{record.name!r} has variance {record.variance_at(SHAPE[0])} and biases {biases}")

    def _activation(self, text: str) -> None:
        record = named.read(text)
        if record is None:
            NetworkSpec.parse("4,5,3", activation=f"{text}?")  # no name, so an expression; this one is refused
            return
        again = named.read(record.name)
        if again is None or again.name != record.name or again.parameters != record.parameters:
            raise Wrong(f"{record.name!r} is another activation")
        x = np.linspace(-3, 3, 25)
        if not (np.isfinite(record.function(x)).all() and np.isfinite(record.derivative(x)).all()):
            raise Wrong(f"{record.name!r} is not finite")

    def _data(self, text: str) -> None:
        canonical = canonical_data(text)
        if canonical_data(canonical) != canonical:
            raise Wrong(f"{canonical!r} has another canonical text")

    def _layers(self, text: str) -> None:
        spec = NetworkSpec.parse(text)
        if NetworkSpec.parse(spec.layers).layer_sizes != spec.layer_sizes:
            raise Wrong(f"{spec.layers!r} are other layers")
