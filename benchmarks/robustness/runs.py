"""Small runs on disk, which targets damage: a dataset of 30 examples, and folders of runs that were made with it."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec
from glorotlab.spec.training import TrainingSpec
from glorotlab.training.loop import train
from glorotlab.training.runs import provenance

FAN_IN, CLASSES, UPDATES = 4, 3, 4


def write_dataset(path: Path) -> Path:
    """Write 30 examples of three classes as .npz, and return the path."""
    generator = np.random.default_rng(0)
    labels = np.arange(30) % CLASSES
    inputs = generator.uniform(-0.5, 0.5, (30, FAN_IN)) + np.eye(CLASSES, FAN_IN)[labels] / 2
    np.savez(path, x=inputs.astype(np.float32), y=labels)
    return path


def run_spec(data: Path, **fields: Any) -> RunSpec:
    """Return the spec of a small run; ``fields`` are those of its training, or ``network`` and ``dtype``."""
    network = {"layers": f"{FAN_IN},5,{CLASSES}"} | fields.pop("network", {})
    top = {name: fields.pop(name) for name in ("dtype", "seed") if name in fields}
    return RunSpec(
        network=NetworkSpec.parse(network.pop("layers"), **network),
        training=TrainingSpec(**({"updates": UPDATES, "batch_size": 5} | fields)),
        data=os.fspath(data),
        **top,
    )


def make_run(spec: RunSpec, folder: Path) -> dict[str, bytes]:
    """Train a run in a folder, and return the content of each of its files."""
    provenance._git("/", "--version")  # nothing a run starts is started by an input
    provenance._git_state()
    train(spec, folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
