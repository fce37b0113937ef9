"""What checkpoints cost: size and seconds of one, and their share of a run: python benchmarks/speed/checkpoint_cost.py.

The run is stopped after some seconds; what it writes at its start and its end is counted apart.
"""

import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path

from glorotlab.machine import machine_line
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec, TrainingSpec
from glorotlab.training.loop import train
from glorotlab.training.runs.folder import RunFolder
from glorotlab.training.runs.saver import Saver

NETWORKS = ("1024,100x4,9", "1024,1000x5,9")
"""A small network, and the paper's."""

PARTS = ((Saver, "begin"), (Saver, "save_if_due"), (Saver, "end"), (RunFolder, "write_derived"))


def timed(inner, times: list[float]):
    def call(self, *arguments):
        started = time.perf_counter()
        try:
            return inner(self, *arguments)
        finally:
            times.append(time.perf_counter() - started)

    return call


def main(seconds: int = 60, every: int = 5) -> None:
    print(machine_line())
    for layers in NETWORKS:
        spent: dict[str, list[float]] = {name: [] for _, name in PARTS}
        originals = [(owner, name, getattr(owner, name)) for owner, name in PARTS]
        for owner, name, inner in originals:
            setattr(owner, name, timed(inner, spent[name]))
        training = TrainingSpec(updates=10**9, momentum=0.9, monitor_every=1000, validation_every=10**9)
        with tempfile.TemporaryDirectory(dir=".") as folder, contextlib.suppress(KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
            signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
            signal.alarm(seconds)
            started = time.perf_counter()
            try:
                train(RunSpec(network=NetworkSpec.parse(layers), training=training), folder, checkpoint_every=every)
            finally:
                whole = time.perf_counter() - started
                size = (Path(folder) / "checkpoint.npz").stat().st_size / 2**20
        for owner, name, inner in originals:
            setattr(owner, name, inner)
        derived = spent["write_derived"][:-1]
        written = [one for one in spent["save_if_due"] if one > 1e-3]
        asking = (sum(spent["save_if_due"]) - sum(written)) / whole
        each = (sum(written) - sum(derived)) / max(1, len(written))
        print(
            f"{layers}: {size:.1f} MiB; start {sum(spent['begin']):.3f} s, end {sum(spent['end']):.3f} s; on the way "
            f"{len(written)} checkpoints of {each:.3f} s and {len(derived)} times the tables, {sum(derived):.3f} s: "
            f"{sum(written) / whole:.2%} of {whole:.0f} s; asking whether one is due: {asking:.2%}",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
