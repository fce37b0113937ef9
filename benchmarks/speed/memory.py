"""Memory of a network that trains, each in a process of its own, on Linux: python benchmarks/speed/memory.py.

Growth of the process's resident memory, so that nothing is hidden: its peak while the network is built, and its peak
while it takes some steps. The examples are there before. "Needed" are weights, biases and their velocities, and of the
batch inputs, s, z and dC/ds of every unit; nothing is counted for padding.
"""

import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from glorotlab.benchmarking.cases import PAPER, Case
from glorotlab.benchmarking.step import LEARNING_RATE, batch_of
from glorotlab.machine import machine_line
from glorotlab.network.mlp import Network

CASES = (Case(PAPER, 10), Case(PAPER, 512), Case(PAPER, 10, "float64"), Case("1024,100x5,10"), Case("1024,4000x2,10"))
MOMENTA = (0.0, 0.9)
STEPS = 20


def needed(case: Case, momentum: float) -> tuple[int, int]:
    """Return bytes of the parameters with their velocities, and bytes of the batch."""
    item = np.dtype(case.dtype).itemsize
    units = sum(case.spec.layer_sizes[1:])
    parameters = (case.weights + units) * item * (2 if momentum else 1)
    return parameters, (case.spec.fan_in + 3 * units) * item * case.batch


def resident(field: str) -> int:
    """Return bytes that this process has in memory, now (VmRSS) or at most since the last reset (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{field}:\s+(\d+) kB", status)[1])


def reset_peak() -> int:
    """Begin a new VmHWM and return where it begins."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def train(case: Case, momentum: float) -> tuple[int, int]:
    """Return the growth in this process at most while the network is built, and while it trains."""
    x, labels = batch_of(case.spec, case.batch, case.dtype)
    order = np.tile(np.arange(case.batch), STEPS)
    options = {"batch_size": case.batch, "momentum": momentum}
    small = Case("20,30x2,10", case.batch, case.dtype)  # loads all code
    Network(small.spec, dtype=case.dtype).train_steps(x[:, :20], labels, LEARNING_RATE, **options)
    before = reset_peak()
    network = Network(case.spec, dtype=case.dtype)
    built = resident("VmHWM")
    reset_peak()
    network.train_steps(x, labels, LEARNING_RATE, order=order, **options)
    return built - before, resident("VmHWM") - before


def main(*arguments: str) -> None:
    if arguments:  # in a child
        case, momentum = json.loads(arguments[0])
        print(json.dumps(train(Case(**case), momentum)))
        return
    print(machine_line())
    print(f"{'case':36} momentum  parameters MB  batch MB  build MB  train MB  (train - batch) / parameters")
    for case in CASES:
        for momentum in MOMENTA:
            command = [sys.executable, __file__, json.dumps([asdict(case), momentum])]
            child = subprocess.run(command, capture_output=True, text=True, check=True)
            built, trained = json.loads(child.stdout)
            parameters, batch = needed(case, momentum)
            columns = (f"{number / 1e6:.1f}" for number in (parameters, batch, built, trained))
            print("{:36} {:8} {:>14} {:>9} {:>9} {:>9}".format(str(case), momentum, *columns), end="")
            print(f"  {(trained - batch) / parameters:.3f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
