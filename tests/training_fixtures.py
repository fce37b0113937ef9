"""Small data and specs to train on: arrays in memory, and an endless stream that costs nothing."""

import math

import numpy as np

from glorotlab.data.dataset import Dataset
from glorotlab.data.source import ArraySource
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec, TrainingSpec

FAN_IN, CLASSES = 6, 3


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
