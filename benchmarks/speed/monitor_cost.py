"""What monitors cost a run: python benchmarks/speed/monitor_cost.py [RECORDS [UPDATES]].

Time of one record of the statistics of 300 examples, gradients included, over the time of the updates between two of
them. Updates and records take turns, medians count; the data are drawn once.
"""

import statistics
import sys
import time

from glorotlab.data.catalogue import load_dataset
from glorotlab.machine import machine_line
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.threads import num_threads, set_num_threads, single_threaded_blas
from glorotlab.training.monitors import StatisticsMonitor

NETWORKS = {"1024,1000x5,9": "shapeset"}
"""The paper's network, by layers, and its data."""

INTERVALS = (20_000, 1000)
"""Updates between two records: the paper's, and a researcher's who looks closely."""

BATCH = 10


def seconds(task, *arguments, **options) -> float:
    started = time.perf_counter()
    task(*arguments, **options)
    return time.perf_counter() - started


def measure(layers: str, dataset: str, records: int, updates: int) -> tuple[float, float]:
    """Return seconds of one record and of one update."""
    data = load_dataset(dataset)
    network, monitor = Network(NetworkSpec.parse(layers, activation="tanh")), StatisticsMonitor(data.test)
    x, y = data.train.batch(0, BATCH * updates)
    taken: list[float] = []
    recorded: list[float] = []
    with single_threaded_blas():  # as in a run
        network.train_steps(x, y, 1e-3, batch_size=BATCH)
        monitor.record(0, network)
        for step in range(records):
            taken.append(seconds(network.train_steps, x, y, 1e-3, batch_size=BATCH) / updates)
            recorded.append(seconds(monitor.record, step + 1, network))
    return statistics.median(recorded), statistics.median(taken)


def main(records: int = 9, updates: int = 100) -> None:
    print(machine_line())
    most = num_threads()
    for threads in sorted({1, most}):
        set_num_threads(threads)
        for layers, dataset in NETWORKS.items():
            record, update = measure(layers, dataset, records, updates)
            shares = ", ".join(f"{record / (record + n * update):.3%} of a run every {n:,}" for n in INTERVALS)
            times = f"a record {record * 1e3:.1f} ms, an update {update * 1e3:.3f} ms"
            print(f"{layers}, {threads} threads: {times}: {shares}")
    set_num_threads(most)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
