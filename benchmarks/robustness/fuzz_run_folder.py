"""Fuzz target run_folder: folders of runs whose files are damaged, missing, links, pipes, folders or of others."""

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import limits
from harness import Target, Wrong
from mutations import json_text, mutate_bytes, mutate_text, mutate_tree
from runs import UPDATES, make_run, run_spec, write_dataset

from glorotlab.errors import RunError
from glorotlab.training.loop import train
from glorotlab.training.runs.lock import Owner
from glorotlab.training.runs.run import load_run
from glorotlab.training.runs.status import UNREADABLE, list_runs, read_status

NAMES = (
    "lock",
    "status.json",
    "checkpoint.npz",
    "spec.toml",
    "provenance.json",
    "statistics.nc",
    "curves.nc",
    "histograms.nc",
)
OTHERS = (".status.json.x1", ".checkpoint.npz.abc", "notes.txt", "a\nb", "\x1b[31mred", "weights.npz")
KINDS = (
    "bytes",
    "bytes",
    "json",
    "json",
    "json",
    "text",
    "empty",
    "missing",
    "link",
    "dangling",
    "loop",
    "fifo",
    "folder",
    "huge",
)
VICTIM = b"what is no run's\n" * 100

STATUSES = ("finished", "diverged", "interrupted", "running")

Change = tuple[str, str, bytes]


class RunFolders(Target):
    """Run folders are listed, loaded and resumed; files outside of them stay as they are, and one hides no other."""

    name = "run_folder"

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self.spec = run_spec(write_dataset(self.folder / "data.npz"), momentum=0.5)
        self.files = make_run(self.spec, self.folder / "made")
        self.all_runs, self.outside = self.folder / "runs", self.folder / "outside"
        self.run_folder = self.all_runs / "a"
        (self.all_runs / "sound").mkdir(parents=True)
        for name, content in self.files.items():
            (self.all_runs / "sound" / name).write_bytes(content)
        self.outside.mkdir()
        self.owner = json.loads(Owner.this_process().to_bytes())

    def make(self, rng: random.Random) -> tuple[str, list[Change]]:
        """Return what is done with a folder, and what is wrong with it: names, kinds and contents."""
        what = rng.choices(("list", "load", "train"), (6, 3, 1))[0]
        changes = []
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            name = rng.choice(NAMES) if rng.random() < 0.9 else rng.choice(OTHERS)
            kind = rng.choice(KINDS)
            changes.append((name, kind, self._content(rng, name, kind)))
        if what == "train" and rng.random() < 0.8:  # a new run, or one whose derived files are made again
            kept = rng.choice(((), ("checkpoint.npz",)))
            changes = [(name, "missing", b"") for name in self.files if name not in kept] + changes
        return what, changes

    def _content(self, rng: random.Random, name: str, kind: str) -> bytes:
        sound = self.files.get(name, b"{}")
        if kind == "bytes":
            return mutate_bytes(rng, sound)
        if kind == "huge":
            return sound + bytes(200_000)
        if kind == "text":
            return mutate_text(rng, sound[:2000].decode("latin-1")).encode("utf-8", "replace")
        if kind == "json":
            tree = self.owner if name == "lock" else json.loads(sound) if name.endswith(".json") else {"a": 1}
            if name == "lock":
                tree |= {"pid": rng.choice((1, os.getpid(), 2**31)), "since": time.time()}
            return json_text(mutate_tree(rng, tree) if rng.random() < 0.9 else tree).encode("utf-8", "surrogatepass")
        return b""

    def run(self, made: tuple[str, list[Change]]) -> None:
        """Damage the folder, do with it what a user would, and look at what is outside of it."""
        what, changes = made
        self._lay_out(changes)
        try:
            getattr(self, f"_{what}")()
        finally:
            self._check_outside()

    def _lay_out(self, changes: list[Change]) -> None:
        for folder in (self.outside, self.run_folder):
            folder.mkdir(exist_ok=True)
            limits.empty(folder)
        (self.outside / "victim").write_bytes(VICTIM)
        for name, content in self.files.items():
            (self.run_folder / name).write_bytes(content)
        for name, kind, content in changes:
            place(self.run_folder / name, kind, content)

    def _check_outside(self) -> None:
        if os.listdir(self.outside) != ["victim"] or (self.outside / "victim").read_bytes() != VICTIM:
            raise Wrong(f"files outside the run folder have changed: {sorted(os.listdir(self.outside))}")

    def _list(self) -> None:
        runs = {run["run"]: run for run in list_runs(self.all_runs)}
        if runs.get("sound", {}).get("status") != "finished":
            raise Wrong("a sound run is not listed, or not as finished")
        run = runs.get("a", {"status": UNREADABLE})
        sound = run["status"] in STATUSES and type(run["updates"]) is int and run["updates"] >= 0
        if run["status"] != UNREADABLE and not sound:
            raise Wrong(f"status {run['status']!r} with {run['updates']!r} updates")
        read_status(self.run_folder)

    def _load(self) -> None:
        run = load_run(self.run_folder)
        if run.updates != UPDATES or run.status != "finished":
            raise Wrong(f"{run.status} after {run.updates} updates, in place of a finished run")

    def _train(self) -> None:
        run = train(self.spec, self.run_folder)
        if run.updates != UPDATES or run.status != "finished":
            raise Wrong(f"{run.status} after {run.updates} updates")
        try:
            if load_run(self.run_folder).updates != UPDATES:
                raise Wrong("the folder holds another run")
        except RunError as error:
            raise Wrong(f"what was trained cannot be loaded: {error}") from None


def place(path: Path, kind: str, content: bytes) -> None:
    """Put something of a kind in place of a file."""
    if path.is_symlink() or path.exists():
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    match kind:
        case "missing":
            return
        case "link":
            path.symlink_to(os.path.join("..", "..", "outside", "victim"))
        case "dangling":
            path.symlink_to(os.path.join("..", "..", "outside", "nothing"))
        case "loop":
            path.symlink_to(path.name)
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case _:
            path.write_bytes(content)
