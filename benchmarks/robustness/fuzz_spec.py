"""Fuzz target spec: the TOML of a run, as ``glorotlab train SPEC.toml`` reads it."""

import random
from typing import Any

from harness import Target, Wrong
from mutations import VALUES, mutate_text, mutate_tree, toml_text

from glorotlab.spec.run import RunSpec

NETWORK: dict[str, Any] = {
    "layer_sizes": [4, 5, 5, 3],
    "activation": "tanh",
    "initializer": "glorot_uniform",
    "bias": "zeros",
    "output": "softmax",
    "cost": "log_likelihood",
}
TRAINING: dict[str, Any] = {"updates": 20, "batch_size": 10, "learning_rate": 0.05, "momentum": 0.9, "l2": 0.001}
SPECS: tuple[dict[str, Any], ...] = (
    {"data": "shapeset", "seed": 3, "dtype": "float64", "network": NETWORK, "training": TRAINING},
    {"network": {"layers": "784,100x5,10", "activation": "relu"}, "training": {"updates": 5}, "data": "a.npz"},
    {
        "network": {"layer_sizes": [6, 12, 6], "output": "sigmoid", "autoencoder": True},
        "training": {"updates": 9, "momentum": 0.5, "nesterov": True, "momentum_schedule": "sutskever"},
    },
    {
        "network": {"layers": "6,12,3", "initializer": "sparse(k=3)", "bias": "normal(std=1)"},
        "training": {"updates": 9, "learning_rates": "hessian", "damping": 0.2, "pretraining_updates": 4},
    },
)

WORDS = (
    "layers",
    "network",
    "training",
    "tanh",
    "relu",
    "he_normal",
    "normal(std=0.1)",
    "[",
    "]",
    "=",
    ".",
    "'''",
    '"""',
)
WORDS += (
    "\ufeff",
    "\r\n",
    "#",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    "1979-05-27T07:32:00Z",
    "784,1000x5,10",
    "a.b.c",
    "4,5x99999999,3",
)

SAMPLES: tuple[Any, ...] = (
    *VALUES,
    *WORDS,
    [4, 5, 3],
    [4, -5, 3],
    [4, 10**9, 3],
    [3] * 2000,
    "3," * 3000 + "3",
    "4,5x2000,3",
)


class SpecText(Target):
    """A text becomes a RunSpec; what is accepted comes back from its own TOML with the same content hash."""

    name = "spec"

    def make(self, rng: random.Random) -> str:
        """Return a text whose values, or whose words, are others than allowed."""
        tree: Any = rng.choice(SPECS)
        if rng.random() < 0.7:
            tree = mutate_tree(rng, tree, SAMPLES)
        text = toml_text(rng, tree if isinstance(tree, dict) else {"network": tree})
        if rng.random() < 0.02:
            text = "".join(f"{rng.choice('abc')}.{number} = 1\n" for number in range(3000)) + text
        return mutate_text(rng, text, WORDS) if rng.random() < 0.4 else text

    def run(self, made: str) -> None:
        """Read the text, and what the spec writes of itself."""
        spec = RunSpec.from_toml(made)
        again = RunSpec.from_toml(spec.to_toml())
        if again != spec or again.content_hash != spec.content_hash:
            raise Wrong(f"{spec.to_toml()!r} is read as another spec")
        for table in (spec.network.layer_sizes, [spec.training.updates, spec.training.batch_size, spec.seed]):
            if not all(type(number) is int for number in table):
                raise Wrong(f"{table!r} are not whole numbers")
