"""How long 10,000 finished run folders take to list: python benchmarks/speed/run_listing.py [FOLDERS].

They are made by hand in a temporary folder: each with the files a run leaves, `status.json` as it is written.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from glorotlab.machine import machine_line
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec, TrainingSpec
from glorotlab.training.runs.checkpoint import FORMAT
from glorotlab.training.runs.folder import DERIVED
from glorotlab.training.runs.status import FILE, list_runs

REPEATS = 5


def make(folder: Path, count: int) -> None:
    network = NetworkSpec.parse("1024,1000x5,9")
    for seed in range(count):
        spec = RunSpec(network=network, training=TrainingSpec(updates=20_000), seed=seed)
        place = folder / spec.content_hash[:16]
        place.mkdir()
        for name in ("checkpoint.npz", *DERIVED):
            (place / name).touch()
        status = {
            "format": FORMAT,
            "status": "finished",
            "updates": 20_000,
            "updates_in_all": 20_000,
            "seconds": 1234.567,
            "content_hash": spec.content_hash,
            "fields": spec.by_field(),
            "training_cost": 0.5 + seed / count,
            "validation_error": 0.25,
            "test_error": 0.26,
        }
        (place / FILE).write_text(json.dumps(status))


def timed(call) -> str:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return f"{statistics.median(times):.2f} s (median of {REPEATS}; {min(times):.2f} to {max(times):.2f})"


def main(count: int = 10_000) -> None:
    print(machine_line())
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), count)
        print(f"{count} run folders, list_runs: {timed(lambda: list_runs(name))}")
        for command in (["list"], ["list", "--json"], ["compare"]):
            arguments = [sys.executable, "-m", "glorotlab", "runs", *command, name]

            def call(arguments: list[str] = arguments) -> None:
                subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)

            print(f"glorotlab runs {' '.join(command)}, the whole command: {timed(call)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
