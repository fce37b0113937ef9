"""Kill a training process at random moments, again and again, and resume it: nothing is lost, the bits are the same.

python benchmarks/robustness/kills.py --kills 100 --seed 0

A process trains with a checkpoint after every update, and is killed by SIGKILL between its start and its end, mostly
while it writes. After each kill the folder must load, hold no fewer updates than before, and no more than one fewer
than the process had said; a run that has ended is compared, bit for bit, with one that nobody disturbed, and another
one begins. Exit code 1 where anything differs.
"""

import argparse
import contextlib
import multiprocessing
import random
import signal
import sys
import time
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from harness import scratch
from runs import run_spec, write_dataset

from glorotlab.errors import RunError
from glorotlab.spec.run import RunSpec
from glorotlab.threads import set_num_threads
from glorotlab.training.loop import train
from glorotlab.training.runs.run import load_run

UPDATES = 60
BACK = 1
"""Updates that a kill may take back of those a process has reported: the one whose checkpoint was being written."""

SPECS: tuple[dict[str, Any], ...] = (
    {"momentum": 0.9, "l2": 0.01, "monitor_every": 7, "validation_every": 11},
    {"dtype": "float64", "learning_rates": "hessian", "curvature_every": 20, "network": {"activation": "relu"}},
    {"pretraining_updates": 10, "monitor_every": 1, "validation_every": 1, "network": {"layers": "4,6,5,3"}},
)
WITHIN = 0.3
"""Seconds after a random update in which the kill falls."""

CONTEXT = multiprocessing.get_context("forkserver")


def _train(said: Any, spec: RunSpec, folder: Path, threads: int) -> None:
    set_num_threads(threads)
    said.send(train(spec, folder, progress=lambda done, total: said.send(done), checkpoint_every=0).status)


def kill_once(spec: RunSpec, folder: Path, draw: random.Random) -> tuple[int, bool]:
    """Train until a random moment; return the updates the process last spoke of, and whether it had ended."""
    reader, writer = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_train, args=(writer, spec, folder, 1 + draw.randrange(3)), daemon=True)
    process.start()
    writer.close()
    said: list[Any] = []
    with contextlib.suppress(EOFError):
        for _ in range(draw.randrange(UPDATES // 3)):
            said.append(reader.recv())
        time.sleep(draw.uniform(0, WITHIN) ** 2)
    process.kill()
    process.join()
    with contextlib.suppress(EOFError, OSError):
        while True:
            said.append(reader.recv())
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"the process ended by itself with {process.exitcode}")
    return max([word for word in said if isinstance(word, int)], default=0), bool(said) and isinstance(said[-1], str)


def updates_in(folder: Path) -> int:
    """Return the updates of the run in a folder, 0 where none has begun; RunError where it does not load."""
    if not (folder / "checkpoint.npz").exists():
        return 0
    run = load_run(folder)
    run.network()
    return run.updates


def differences(folder: Path, spec: RunSpec) -> list[str]:
    """Return what differs between the run in a folder and one that nobody disturbed, by name."""
    expected, run = train(spec), load_run(folder)
    different = [name for name, array in expected.weights.items() if run.weights[name].tobytes() != array.tobytes()]
    for name in ("statistics", "histograms", "curves"):
        if not getattr(run, name).identical(getattr(expected, name)):
            different.append(name)
    return different


def pretraining_updates(spec: RunSpec) -> int:
    """Return how many of the updates that are reported train one layer after the other beforehand."""
    return spec.training.pretraining_updates * (len(spec.network.layer_sizes) - 2)


def main() -> int:
    """Kill and resume; return 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    CONTEXT.set_forkserver_preload(["runs", "glorotlab.training.loop", "xarray"])
    forkserver.ensure_running()
    draw = random.Random(options.seed)  # noqa: S311
    kills = runs = torn = begun = 0
    problems: list[str] = []
    with scratch() as place:
        data = write_dataset(Path(place) / "data.npz")
        while kills < options.kills:
            spec = run_spec(data, updates=UPDATES, seed=runs, **SPECS[runs % len(SPECS)])
            folder, before, ended = Path(place) / str(runs), 0, False
            while not ended:
                said, ended = kill_once(spec, folder, draw)
                kills += not ended
                torn += any(path.name.startswith(".checkpoint") for path in folder.glob(".*"))
                try:
                    now = updates_in(folder)
                except RunError as error:
                    problems.append(f"run {runs}: {error}")
                    break
                begun += now > 0
                if now < max(before, said - pretraining_updates(spec) - BACK):
                    problems.append(f"run {runs}: {now} updates after {before}, and {said} were reported")
                before = now
            runs += 1
            if ended and (different := differences(folder, spec)):
                problems.append(f"run {runs - 1}: {', '.join(different)} differ from an undisturbed run")
    print(
        f"{kills} kills of {runs} runs, {begun} with updates done, {torn} within a checkpoint; {len(problems)} problems"
    )
    print("\n".join(problems))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
