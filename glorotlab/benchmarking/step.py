"""Timing of one training step against NumPy: the same network, data and arithmetic, interleaved in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from glorotlab.benchmarking.numpy_step import NumpyNetwork
from glorotlab.errors import GlorotlabError
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.threads import num_threads, set_num_threads

LEARNING_RATE = 0.01

WARM_UP = 0.3
"""Seconds either side runs before it is timed: the other side's idle BLAS threads spin for about a tenth of one, the
caches hold the other side's weights, and a virtual CPU that was idle takes as long to come back to speed.
"""


@dataclass(frozen=True)
class StepTiming:
    """Median milliseconds of one step.

    Parameters
    ----------
    threads : int
    glorotlab, numpy : float
    ratio : float
        Median over rounds of numpy / glorotlab, each pair timed back to back.
    ratio_low, ratio_high : float
        Quartiles of the same.
    gigaflops : float
        Of glorotlab: three multiply-adds a weight and example, less the first layer's unused one for its inputs.
    """

    threads: int
    glorotlab: float
    numpy: float
    ratio: float
    ratio_low: float
    ratio_high: float
    gigaflops: float


def time_step(
    spec: NetworkSpec, *, batch: int = 10, dtype: str = "float32", threads: int = 1, rounds: int = 15, steps: int = 20
) -> StepTiming:
    """Time the training step of a network.

    Parameters
    ----------
    spec : NetworkSpec
    batch : int
    dtype : str
    threads : int
        Of the kernels and of NumPy's BLAS alike.
    rounds, steps : int
        Each round times ``steps`` steps of either side, one after the other.

    Raises
    ------
    GlorotlabError
        Where the two do not compute the same step.
    """
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (batch, spec.fan_in)).astype(dtype)
    y = generator.integers(0, spec.classes, batch)
    network = Network(spec, dtype=dtype)
    peer = NumpyNetwork(network, batch)
    before = num_threads()
    set_num_threads(threads)
    try:
        with threadpool_limits(threads, user_api="blas"):
            _check_equal(network, peer, x, y)
            pairs = np.array(
                [
                    (
                        _seconds(lambda: network.train_step(x, y, LEARNING_RATE), steps),
                        _seconds(lambda: peer.train_step(x, y, LEARNING_RATE), steps),
                    )
                    for _ in range(rounds)
                ]
            )
    finally:
        set_num_threads(before)
    ours, theirs = np.median(pairs, axis=0)
    low, middle, high = np.quantile(pairs[:, 1] / pairs[:, 0], (0.25, 0.5, 0.75))
    return StepTiming(threads, 1e3 * ours, 1e3 * theirs, middle, low, high, _flops(spec, batch) / ours / 1e9)


def _seconds(step: Callable[[], float], steps: int) -> float:
    start = time.perf_counter()
    while time.perf_counter() - start < WARM_UP:
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


def _flops(spec: NetworkSpec, batch: int) -> float:
    weights = [fan_in * fan_out for fan_in, fan_out in spec.fans]
    return 2.0 * batch * (3 * sum(weights) - weights[0])


def _check_equal(network: Network, peer: NumpyNetwork, x: npt.NDArray[Any], y: npt.NDArray[np.int64]) -> None:
    """Both sides must report the same costs in two steps and have moved the same way, beyond what rounding explains."""
    start = [array.copy() for array in [*peer.weights, *peer.biases]]
    costs = [(network.train_step(x, y, LEARNING_RATE), peer.train_step(x, y, LEARNING_RATE)) for _ in range(2)]
    equal = all(np.isclose(ours, theirs, rtol=1e-3) for ours, theirs in costs)
    eps = np.finfo(network.dtype).eps
    ends = zip(start, [*network.weights, *network.biases], [*peer.weights, *peer.biases], strict=True)
    for old, ours, theirs in ends:
        allowed = 1e-2 * np.linalg.norm(theirs - old) + 4 * eps * np.linalg.norm(theirs)
        equal &= bool(np.linalg.norm(ours - theirs) <= allowed)
    if not equal:
        raise GlorotlabError("glorotlab and NumPy disagree on a training step: nothing to time")
