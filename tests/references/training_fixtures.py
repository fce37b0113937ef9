"""Small data and specs to train on: arrays in memory, and an endless stream that costs nothing."""

import math
import os
from pathlib import Path

import numpy as np

import glorotlab
from glorotlab.data.dataset import Dataset
from glorotlab.data.shapeset import ShapesetSource
from glorotlab.data.source import ArraySource
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec, TrainingSpec
from glorotlab.streams import Purpose

FAN_IN, CLASSES = 6, 3

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(glorotlab.__file__).parents[1])}
"""Of processes that find this very glorotlab from any folder."""


class Endless:
    """Example i is a formula in i."""

    length, fan_in, classes = math.inf, FAN_IN, CLASSES

    def batch(self, start, size):
        i = np.arange(start, start + size)
        return np.sin(np.outer(i + 1, np.arange(1, FAN_IN + 1))).astype(np.float32), (i * i + i // 5) % CLASSES


def arrays(count, seed=0):
    """Three Gaussian clusters far enough apart to be told apart."""
    rng = np.random.default_rng(seed)
    y = rng.integers(CLASSES, size=count)
    return rng.normal(size=(count, FAN_IN)).astype(np.float32) + 4 * np.eye(CLASSES, FAN_IN, dtype="f")[y], y


def finite(count=47, held_out=320):
    """47 training examples: no batch size of the tests divides it. 320 to test on: more than are monitored."""
    held = [ArraySource(*arrays(held_out, seed), CLASSES) for seed in (1, 2)]
    return Dataset("clusters", ArraySource(*arrays(count), CLASSES), *held)


def endless():
    held = finite()
    return Dataset("endless", Endless(), held.validation, held.test)


def run_spec(layers="6,12,11,3", *, seed=0, dtype="float32", data="shapeset", network=None, **training):
    training = {"updates": 23, "batch_size": 5, "learning_rate": 0.1} | training
    return RunSpec(
        network=NetworkSpec.parse(layers, **(network or {})),
        training=TrainingSpec(**training),
        data=data,
        seed=seed,
        dtype=dtype,
    )


def stream(seed=0):
    """The images of Shapeset-3x2 themselves, 20 to test on."""
    held = [ShapesetSource(seed, purpose, 20) for purpose in (Purpose.SHAPESET_VALIDATION, Purpose.SHAPESET_TEST)]
    return Dataset("shapeset", ShapesetSource(seed), *held)


DATA = {"finite": finite, "endless": endless, "stream": stream}


def bits(run):
    """Everything a run found out, as bytes and tables to compare for equality."""
    tables = {name: getattr(run, name) for name in ("statistics", "histograms", "curves")}
    return {
        "weights": {name: array.tobytes() for name, array in run.weights.items()},
        "tables": {name: bytes(table.to_netcdf(engine="scipy")) for name, table in tables.items()},
        "ending": (run.status, run.updates, run.spec),
    }


def contents(folder):
    """Every path below a folder, its bytes and its times."""
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else None, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def stop_after(step):
    """Return a progress callback that presses Ctrl-C after an update: of runs whose every update is reported."""

    def progress(done, total):
        if done == step:
            raise KeyboardInterrupt

    return progress
