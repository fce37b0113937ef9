"""What subnormal numbers cost a step and a pass: python benchmarks/speed/subnormals.py [LAYERS [ROUNDS]].

Three kinds of a step on numbers too small for the usual exponents, each over the same step on ordinary ones, at every
SIMD level and in both dtypes:

- gradients: the outputs are sigmoids so far from their targets, and their weights so small, that dC/ds is about 1e-39
  (1e-310 in float64) in every hidden layer;
- activations: the inputs are so small that every z is;
- velocities: what momentum leaves of gradients that have stopped.

Steps flush such numbers to zero (docs/architecture.md). ``backpropagate`` does not, so its ratio is what the CPU itself
makes of them. All sides take turns in every round; medians of the rounds' ratios are printed.
"""

import statistics
import sys
import time

import numpy as np

from glorotlab.benchmarking.levels import simd_level
from glorotlab.kernels import simd
from glorotlab.machine import machine_line
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.threads import num_threads, set_num_threads

LAYERS, BATCH, UPDATES = "1024,1000x5,9", 10, 4
SMALL = {"float32": 1e-39, "float64": 1e-310}
WEIGHT = 1e-10


class Side:
    """A network, and a batch whose numbers are ordinary or subnormal."""

    def __init__(self, kind: str, layers: str, dtype: str) -> None:
        spec = NetworkSpec.parse(layers, output="sigmoid", cost="quadratic")
        rng, tiny = np.random.default_rng(0), SMALL[dtype]
        self.network = Network(spec, dtype=dtype)
        self.x = rng.normal(size=(BATCH * UPDATES, spec.fan_in)).astype(dtype)
        self.labels = rng.integers(0, spec.classes, len(self.x))
        self.step = {"learning_rate": 0.01, "momentum": 0.9 if "velocities" in kind else 0.0}
        match kind:
            case "gradients":
                self.network.biases[-1][...] = np.log(30 * tiny / WEIGHT)  # which exp(-s) reaches in float64 too
                self.network.weights[-1][...] *= WEIGHT
            case "activations":
                self.x *= self.x.dtype.type(tiny)
            case "velocities":
                self.step["learning_rate"] = 0.0
                self.take_steps()
                state = self.network.state()
                self.network.load_state(
                    {name: np.full_like(own, tiny) if "velocity" in name else own for name, own in state.items()}
                )

    def take_steps(self) -> float:
        return seconds(self.network.train_steps, self.x, self.labels, batch_size=BATCH, **self.step) / UPDATES

    def take_pass(self) -> float:
        return seconds(self.network.backpropagate, self.x[:BATCH], self.labels[:BATCH])


KINDS = {"gradients": "ordinary", "activations": "ordinary", "velocities": "ordinary velocities"}
"""Each kind of subnormal numbers, and the side it is compared with."""


def seconds(task, *arguments, **options) -> float:
    started = time.perf_counter()
    task(*arguments, **options)
    return time.perf_counter() - started


def ratios(layers: str, dtype: str, rounds: int) -> dict[str, tuple[float, float]]:
    """Return of each kind the median ratios of a step and of a pass to those of ordinary numbers."""
    sides = {kind: Side(kind, layers, dtype) for kind in (*dict.fromkeys(KINDS.values()), *KINDS)}
    times: list[dict[str, tuple[float, float]]] = []
    for _ in range(rounds + 1):
        times.append({kind: (side.take_steps(), side.take_pass()) for kind, side in sides.items()})
    del times[0]  # warms up

    def ratio(kind: str, which: int) -> float:
        return statistics.median(one[kind][which] / one[KINDS[kind]][which] for one in times)

    return {kind: (ratio(kind, 0), ratio(kind, 1)) for kind in KINDS}


def main(layers: str = LAYERS, rounds: int = 15) -> None:
    print(machine_line())
    print(f"{layers}, batch {BATCH}, one thread: time over that of ordinary numbers (a step | a pass)")
    before = num_threads()
    set_num_threads(1)
    for level in simd.LEVELS:
        with simd_level(level):
            for dtype in SMALL:
                measured = ratios(layers, dtype, rounds)
                text = ", ".join(f"{kind} {step:.2f} | {once:.2f}" for kind, (step, once) in measured.items())
                print(f"{level}, {dtype}: {text}", flush=True)
    set_num_threads(before)


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
