"""One epoch of Nielsen's [784,30,10], ours and his: python benchmarks/speed/nielsen_epoch.py [ROUNDS [EXAMPLES]].

His is the plain NumPy program that the tests hold glorotlab to (tests/references/nielsen_network.py): one example at a
time, in float64. Both train on mini-batches of 10 with eta 0.5 and lambda 5, in turn in each round; medians count. The
images are those of MNIST where they are found, else random numbers of the same shape.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np

from glorotlab.data.catalogue import describe_dataset, load_dataset
from glorotlab.machine import machine_line
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.threads import num_threads, set_num_threads

sys.path.append(str(Path(__file__).parents[2] / "tests" / "references"))
from nielsen_network import NielsenNetwork, columns

LAYERS, BATCH, ETA, LAMBDA = "784,30,10", 10, 0.5, 5.0
EXAMPLES = 50_000


def training_examples(count: int):
    """Return the examples of an epoch, and what they are."""
    if describe_dataset("mnist").available:
        return *load_dataset("mnist").train.batch(0, count), "MNIST"
    rng = np.random.default_rng(0)
    return rng.uniform(size=(count, 784)).astype(np.float32), rng.integers(10, size=count), "random numbers"


def epoch_of_ours(spec: NetworkSpec, x, y, dtype: str, threads: int):
    """Return a function that trains a network of ours for an epoch, in a given order of the examples."""
    network, inputs = Network(spec, dtype=dtype), np.ascontiguousarray(x, dtype=dtype)

    def epoch(order) -> None:
        set_num_threads(threads)
        network.train_steps(inputs, y, ETA, batch_size=BATCH, order=order, l2=LAMBDA / len(y))

    return epoch


def epoch_of_his(spec: NetworkSpec, x, y):
    """Return a function that trains a network of his for an epoch, in a given order of the examples."""
    network, pairs = NielsenNetwork(Network(spec, dtype="float64")), columns(x.astype(np.float64), y, spec.classes)

    def epoch(order) -> None:
        for rows in order.reshape(-1, BATCH):
            network.update([pairs[row] for row in rows], ETA, LAMBDA, len(pairs))

    return epoch


def main(rounds: int = 5, examples: int = EXAMPLES) -> None:
    print(machine_line())
    most = num_threads()
    x, y, what = training_examples(examples)
    spec = NetworkSpec.parse(
        LAYERS, activation="sigmoid", initializer="nielsen_default", output="sigmoid", cost="cross_entropy"
    )
    sides = {"Nielsen's program, float64": epoch_of_his(spec, x, y)} | {
        f"glorotlab, {dtype}, {threads} thread{'s' * (threads > 1)}": epoch_of_ours(spec, x, y, dtype, threads)
        for dtype in ("float64", "float32")
        for threads in sorted({1, most})
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds):
        order = np.random.default_rng(number).permutation(examples)
        for side, epoch in sides.items():
            started = time.perf_counter()
            epoch(order)
            seconds[side].append(time.perf_counter() - started)
    set_num_threads(most)
    his = next(iter(seconds.values()))
    print(f"an epoch of {LAYERS} on {examples:,} examples ({what}), mini-batches of {BATCH}, {rounds} rounds")
    for side, taken in seconds.items():
        ratio = statistics.median(theirs / ours for theirs, ours in zip(his, taken, strict=True))
        print(f"{side:32} {statistics.median(taken):8.3f} s  {ratio:6.1f} times as fast as his")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
