"""Kill workers of a sweep until twenty pools of processes have broken: no run fails, is lost or is trained twice.

python benchmarks/robustness/broken_pools.py --pools 20

A sweep has two processes here. In each of its pools a worker that has a run in hand is killed by SIGKILL, which breaks
the pool: all of its runs are handed to a new one. In the end every run must have finished, each session must begin
where one before it had saved the run or later, none where the run had ended, and the bits must be those of a sweep
that nobody disturbed. Exit code 1 where anything else is found.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from harness import scratch
from runs import CLASSES, FAN_IN, write_dataset

from glorotlab.errors import RunError
from glorotlab.spec.sweep import SweepSpec
from glorotlab.training.runs.provenance import read_sessions
from glorotlab.training.runs.run import load_run
from glorotlab.training.runs.status import read_status
from glorotlab.training.sweeps import workers
from glorotlab.training.sweeps.executors import processes
from glorotlab.training.sweeps.results import SweepResults
from glorotlab.training.sweeps.state import SweepState
from glorotlab.training.sweeps.sweep import sweep

WITHIN = 0.7
"""Seconds after the first run of a pool has begun in which the kill falls."""

CHECKPOINT_EVERY = 0.1


@dataclass
class Killer:
    """What kills a worker of every pool, and takes down what was saved then.

    Parameters
    ----------
    folder : Path
        Folder of the sweep.
    pools : int
        How many to break.
    draw : random.Random
    """

    folder: Path
    pools: int
    draw: random.Random
    opened: int = 0
    kills: list[str] = field(default_factory=list)
    saved: list[tuple[str, int, int]] = field(default_factory=list)
    due: float = 0.0

    def open(self, count: int) -> AbstractContextManager[Executor]:
        """Open a pool, and count it."""
        self.opened += 1
        self.due = 0.0
        return processes(count)

    def __call__(self, state: SweepState) -> None:
        """Kill a worker, where this pool is to break and one of its runs has begun for long enough."""
        if len(self.kills) >= min(self.opened, self.pools):
            return
        owners = self._owners()
        if not owners:
            return
        self.due = self.due or time.monotonic() + self.draw.uniform(0, WITHIN)
        if time.monotonic() >= self.due:
            deaths = Counter(self.kills)
            victim = min(owners, key=lambda run: (deaths[run], run))
            self._take_down()
            os.kill(owners[victim], signal.SIGKILL)
            self.kills.append(victim)

    def _owners(self) -> dict[str, int]:
        """Return the processes that train now, by run."""
        owners = {}
        for path in self.folder.glob("*/lock"):
            with contextlib.suppress(OSError, ValueError):  # it is just coming or going
                pid = json.loads(path.read_bytes())["pid"]
                os.kill(pid, 0)
                owners[path.parent.name] = pid
        return owners

    def _take_down(self) -> None:
        """Take down, for each run, the sessions it has had and the updates that are saved."""
        for path in self.folder.glob("*/status.json"):
            with contextlib.suppress(RunError):
                sessions = len(read_sessions(path.parent))
                self.saved.append((path.parent.name, sessions, read_status(path.parent)["updates"]))


def problems_of(results: SweepResults, undisturbed: SweepResults, killer: Killer, updates: int) -> list[str]:
    """Return a line for everything that was lost, made twice or is different."""
    problems = [f"{name}: {error}" for name, error in results.errors.items()]
    if results.runs != undisturbed.runs:
        problems.append("the runs have other names")
    for name in results.runs:
        run, expected = load_run(results.folder / name), load_run(undisturbed.folder / name)
        begun = [session["from_update"] for session in run.provenance]
        if (run.status, run.updates) != ("finished", updates):
            problems.append(f"{name}: {run.status} after {run.updates} updates")
        if begun[0] != 0 or begun != sorted(begun) or begun[-1] >= updates:
            problems.append(f"{name}: sessions from {begun}")
        for _, sessions, saved in (note for note in killer.saved if note[0] == name):
            if any(start < saved for start in begun[sessions:]):
                problems.append(f"{name}: {saved} updates were saved, and then sessions began at {begun[sessions:]}")
        same = all(run.weights[key].tobytes() == array.tobytes() for key, array in expected.weights.items())
        tables = all(getattr(run, table).identical(getattr(expected, table)) for table in ("statistics", "curves"))
        if not (same and tables):
            problems.append(f"{name}: other bits than those of an undisturbed sweep")
    folders = {path.name for path in results.folder.iterdir()}
    if folders != {"sweep.json", *results.runs}:
        problems.append(f"left behind: {sorted(folders ^ {'sweep.json', *results.runs})}")
    return problems


def main() -> int:
    """Break pools, and return 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=int, default=20)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--updates", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with scratch() as place:
        run = {
            "data": os.fspath(write_dataset(Path(place) / "data.npz")),
            "network": {"layers": f"{FAN_IN},5,{CLASSES}"},
            "training": {"updates": options.updates, "batch_size": 5},
        }
        spec = SweepSpec(run=run, repeats=options.runs)
        undisturbed = sweep(spec, Path(place) / "undisturbed", workers=2, threads=1)
        killer = Killer(Path(place) / "killed", options.pools, random.Random(options.seed))  # noqa: S311
        started = time.monotonic()
        with patch.object(workers, "processes", killer.open):
            results = sweep(
                spec, killer.folder, workers=2, threads=1, checkpoint_every=CHECKPOINT_EVERY, progress=killer
            )
        problems = problems_of(results, undisturbed, killer, options.updates)
        sessions = [len(load_run(results.folder / name).provenance) for name in results.runs]
        seconds = time.monotonic() - started
        print(
            f"{len(killer.kills)} kills over {len(set(killer.kills))} runs, {killer.opened} pools in {seconds:.0f} s: "
            f"{options.runs - len(results.errors)} of {options.runs} runs finished, "
            f"in {sum(sessions)} sessions, at most {max(sessions)} of one run; {len(problems)} problems"
        )
        print("\n".join(problems))
    return int(bool(problems) or len(killer.kills) < options.pools)


if __name__ == "__main__":
    sys.exit(main())
