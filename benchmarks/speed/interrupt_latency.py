"""How long after Ctrl-C a run ends its loop: python benchmarks/speed/interrupt_latency.py [INTERRUPTS].

A thread sends this process a real SIGINT at random instants; what is timed ends where KeyboardInterrupt leaves the
loop, before anything is written. Once with updates alone, as in nearly all of a run, once with a record of all
statistics and errors (on 20,000 examples) after each update, so that most interrupts fall into one.
"""

import os
import random
import signal
import statistics
import sys
import threading
import time

import numpy as np

from glorotlab.data.catalogue import load_dataset
from glorotlab.data.dataset import Dataset
from glorotlab.interrupts import held_interrupts
from glorotlab.machine import machine_line
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec, TrainingSpec
from glorotlab.threads import num_threads
from glorotlab.training.loop import _Loop

NETWORKS = ("1024,30,9", "784,30,30,10", "1024,1000x5,9")
"""A small one and the paper's on Shapeset, Nielsen's on as many random images as MNIST has."""

EXAMPLES = 70_000
WAIT = (0.1, 0.8)
"""Seconds of training before an interrupt."""


def data(layers: str) -> Dataset:
    if layers.startswith("1024,"):
        return load_dataset("shapeset")
    draw = np.random.default_rng(0)
    x = draw.random((EXAMPLES, int(layers.split(",")[0])), dtype=np.float32)
    return Dataset.from_arrays(x, draw.integers(0, 10, EXAMPLES), validation_fraction=1 / 7, test_fraction=1 / 7)


def latency(loop: _Loop, wait: float) -> float:
    """Train until a signal that comes after ``wait`` seconds; return how long it took to be answered."""
    sent = []

    def interrupt() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(wait, interrupt)
    try:
        with held_interrupts() as release:
            timer.start()
            loop.run(release)
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0]
    raise RuntimeError("the run ended before the interrupt")


def main(interrupts: int = 20) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    draw = random.Random(0)  # noqa: S311
    print(machine_line())
    print(f"{num_threads()} threads; {interrupts} interrupts; milliseconds from SIGINT to the end of the loop")
    print(f"{'layers':>15}  {'during':<8} {'median':>7} {'largest':>8}")
    for layers in NETWORKS:
        dataset = data(layers)
        for during, every in (("updates", 10**9), ("records", 1)):
            training = TrainingSpec(updates=10**9, monitor_every=every, validation_every=every)
            loop = _Loop(RunSpec(network=NetworkSpec.parse(layers), training=training), dataset, lambda *_: None)
            loop.begin(lambda: None)
            latency(loop, WAIT[1])  # until it knows how long an update takes
            latencies = [1e3 * latency(loop, draw.uniform(*WAIT)) for _ in range(interrupts)]
            print(f"{layers:>15}  {during:<8} {statistics.median(latencies):7.1f} {max(latencies):8.1f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
