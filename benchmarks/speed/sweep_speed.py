"""A sweep of 8 equal runs, one process a CPU, against one after another.

    python benchmarks/speed/sweep_speed.py [UPDATES...]

Both sides are timed in turn, each in processes that have trained before: what is timed is the runs alone, not the start
of Python. UPDATES are those of a run of each network.
"""

import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import Executor
from pathlib import Path

from glorotlab.machine import machine_line
from glorotlab.spec.sweep import SweepSpec
from glorotlab.threads import num_threads
from glorotlab.training.sweeps.executors import processes
from glorotlab.training.sweeps.sweep import sweep

NETWORKS = {"1024,100x4,9": 20_000, "1024,1000x5,9": 2000}
"""Weights of a net that stay in a core's cache (0.5 MB), and the paper's (20 MB): layers, and updates of a run."""

RUNS, ROUNDS = 8, 3


def spec(layers: str, updates: int, runs: int = RUNS) -> SweepSpec:
    schedule = {"updates": updates, "monitor_every": 10**9, "validation_every": 10**9}
    return SweepSpec(run={"network": {"layers": layers}, "training": schedule}, repeats=runs)


def seconds(layers: str, updates: int, executor: Executor, threads: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        results = sweep(spec(layers, updates), folder, executor=executor, threads=threads)
        took = time.perf_counter() - started
        if results.errors:
            raise RuntimeError(results.errors)
        seen = results.final()["seconds"].values
        print(f"    {took:.2f} s; of a run {seen.min():.2f} to {seen.max():.2f} s", flush=True)
        return took


def warm(executor: Executor, workers: int) -> None:
    """Let every process import and train once."""
    with tempfile.TemporaryDirectory() as folder:
        sweep(spec("1024,10,9", 3000, runs=8 * workers), Path(folder), executor=executor, threads=1)


def main(*updates: int) -> None:
    print(machine_line())
    workers = num_threads()
    print(f"{workers} processes of 1 thread against 1 process of 1, and of {workers} threads; {os.cpu_count()} CPUs")
    for number, (layers, default) in enumerate(NETWORKS.items()):
        count = updates[number] if number < len(updates) else default
        print(f"{layers}, {RUNS} runs of {count} updates")
        ratios: dict[int, list[float]] = {1: [], workers: []}
        with processes(workers) as many, processes(1) as one:
            warm(many, workers)
            warm(one, 1)
            for _ in range(ROUNDS):
                together = seconds(layers, count, many, 1)
                for threads, measured in ratios.items():
                    measured.append(seconds(layers, count, one, threads) / together)
        for threads, measured in ratios.items():
            shown = ", ".join(f"{ratio:.2f}" for ratio in measured)
            median = statistics.median(measured)
            print(f"  one after another with {threads} threads / together: median {median:.2f} ({shown})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
