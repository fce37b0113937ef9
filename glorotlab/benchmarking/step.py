"""Timing of one training step: glorotlab and its peers on the same network, data and arithmetic, in turn in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from glorotlab.benchmarking import ROUNDS
from glorotlab.benchmarking.cases import Case
from glorotlab.benchmarking.cpus import limited_cpus
from glorotlab.benchmarking.peers.peer import Array, Labels, Peer, TrainingStep
from glorotlab.errors import GlorotlabError
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.threads import num_threads, set_num_threads

LEARNING_RATE = 0.01
OWN = "glorotlab"

WARM_UP = 0.3
"""Seconds a side runs before it is timed: another side's idle threads spin for about a tenth of one, the caches hold
the other side's weights, and a virtual CPU that was idle takes as long to come back to speed.
"""

BLOCK = 0.1
"""Seconds that are then timed, about; at least MIN_STEPS steps."""

MIN_STEPS = 3


@dataclass(frozen=True)
class SideTiming:
    """How fast one side takes the step.

    Parameters
    ----------
    name : str
    seconds : float
        A step, the median over rounds.
    ratio, ratio_low, ratio_high : float
        This side's time over glorotlab's, each pair from one round: median and quartiles.
    flops, bandwidth : float
        ``case.flops`` and ``case.bytes`` over ``seconds``: useful work a second, whatever else the side does.
    """

    name: str
    seconds: float
    ratio: float
    ratio_low: float
    ratio_high: float
    flops: float
    bandwidth: float


@dataclass(frozen=True)
class CaseTiming:
    """The sides of one case, glorotlab first.

    Parameters
    ----------
    case : Case
    threads : int
        Of every side alike.
    sides : tuple of SideTiming
    """

    case: Case
    threads: int
    sides: tuple[SideTiming, ...]


class OwnStep:
    """glorotlab's network as a side."""

    def __init__(self, network: Network) -> None:
        self.weights, self.biases, self.train_step = network.weights, network.biases, network.train_step

    def prepare(self, x: Array, labels: Labels) -> tuple[Array, Labels]:
        """Return the batch as it is."""
        return x, labels


def time_case(
    case: Case, threads: int, peers: Sequence[Peer], *, rounds: int = ROUNDS, warm_up: float = WARM_UP
) -> CaseTiming:
    """Time a case.

    Each round takes every side in turn, beginning with another one: it runs for ``warm_up`` seconds, and its steps are
    then timed for BLOCK of them. No side waits for a step's cost before the next step but at a block's end.

    Parameters
    ----------
    case : Case
    threads : int
        Of every side; the process is held on as many CPUs meanwhile.
    peers : sequence of Peer
        That can run here.
    rounds : int
    warm_up : float
        Seconds.

    Raises
    ------
    GlorotlabError
        Where a peer does not compute the same step; nothing is then timed.
    """
    x, labels = batch_of(case.spec, case.batch, case.dtype)
    with limited(threads, peers):
        sides = build_sides(case, peers)
        check_equal(sides, x, labels)
        steps = {name: _step(side, x, labels) for name, side in sides.items()}
        times = _rounds(list(steps.values()), rounds, warm_up)
    return summary(case, threads, list(steps), times)


def batch_of(spec: NetworkSpec, batch: int, dtype: str) -> tuple[Array, Labels]:
    """Return inputs uniform in [-1, 1] and labels, the same in every call."""
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (batch, spec.fan_in)).astype(dtype)
    return x, generator.integers(0, spec.classes, batch)


@contextmanager
def limited(threads: int, peers: Sequence[Peer]) -> Iterator[None]:
    """Hold the process on as many CPUs as threads, and glorotlab and every peer at as many threads."""
    before = num_threads()
    with limited_cpus(threads), ExitStack() as limits:
        limits.callback(set_num_threads, before)
        set_num_threads(threads)
        for peer in {peer.limited: peer for peer in peers}.values():
            limits.enter_context(peer.limited(threads))
        yield


def build_sides(case: Case, peers: Sequence[Peer]) -> dict[str, TrainingStep]:
    """Return glorotlab's network and every peer's copy of it by name."""
    network = Network(case.spec, dtype=case.dtype)
    copies = {peer.name: peer.build(network, case.batch) for peer in peers}
    return {OWN: OwnStep(network), **copies}


def check_equal(sides: dict[str, TrainingStep], x: Array, labels: Labels) -> None:
    """Take two steps on every side: all report the same costs and move the same way, beyond what rounding explains."""
    own = sides[OWN]
    start = [array.copy() for array in (*own.weights, *own.biases)]
    costs = _two_costs(own, x, labels)
    eps = np.finfo(x.dtype).eps
    for name, side in sides.items():
        equal = name == OWN or np.allclose(costs, _two_costs(side, x, labels), rtol=1e-3, atol=0)
        ends = zip(start, [*own.weights, *own.biases], [*side.weights, *side.biases], strict=True)
        for old, ours, theirs in ends:
            allowed = 1e-2 * np.linalg.norm(theirs - old) + 4 * eps * np.linalg.norm(theirs)
            equal &= theirs.dtype == x.dtype and bool(np.linalg.norm(ours - theirs) <= allowed)
        if not equal:
            raise GlorotlabError(f"glorotlab and {name} disagree on a training step: nothing to time")


def summary(case: Case, threads: int, names: Sequence[str], times: Any) -> CaseTiming:
    """Return what seconds a step of shape (rounds, sides), glorotlab's in the first column, come to."""
    times = np.asarray(times)
    sides = []
    for name, seconds, ratios in zip(names, np.median(times, axis=0), (times / times[:, :1]).T, strict=True):
        low, middle, high = map(float, np.quantile(ratios, (0.25, 0.5, 0.75)))
        rates = float(case.flops / seconds), float(case.bytes / seconds)
        sides.append(SideTiming(name, float(seconds), middle, low, high, *rates))
    return CaseTiming(case, threads, tuple(sides))


def _two_costs(side: TrainingStep, x: Array, labels: Labels) -> list[float]:
    step = _step(side, x, labels)
    return [float(step()) for _ in range(2)]


def _step(side: TrainingStep, x: Array, labels: Labels) -> Callable[[], Any]:
    batch = side.prepare(x, labels)
    return lambda: side.train_step(*batch, LEARNING_RATE)


def _rounds(steps: Sequence[Callable[[], Any]], rounds: int, warm_up: float) -> list[list[float]]:
    """Return seconds a step of every side, one list a round."""
    times = []
    for turn in range(rounds):
        order = [(turn + k) % len(steps) for k in range(len(steps))]
        found = {side: _seconds(steps[side], warm_up) for side in order}
        times.append([found[side] for side in range(len(steps))])
    return times


def _seconds(step: Callable[[], Any], warm_up: float) -> float:
    """Warm up, waiting for each step, then time as many steps as take about BLOCK; return the seconds of one."""
    warmed, start = 0, time.perf_counter()
    while not warmed or time.perf_counter() - start < warm_up:
        float(step())
        warmed += 1
    count = max(MIN_STEPS, round(warmed * BLOCK / (time.perf_counter() - start)))
    cost = None
    start = time.perf_counter()
    for _ in range(count):
        cost = step()
    float(cost)  # type: ignore[arg-type]  # waits for the last step
    return (time.perf_counter() - start) / count
