"""Timing of training steps: glorotlab and its peers on the same network, data and arithmetic, in turn in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from glorotlab.arrays import FloatArray, Labels
from glorotlab.benchmarking import ROUNDS
from glorotlab.benchmarking.cases import Case
from glorotlab.benchmarking.cpus import limited_cpus
from glorotlab.benchmarking.levels import other_levels, simd_level
from glorotlab.benchmarking.peers.peer import Peer, StepByStep, TrainingSteps
from glorotlab.errors import GlorotlabError
from glorotlab.kernels import simd
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.threads import num_threads, set_num_threads

LEARNING_RATE = 0.01
OWN, OWN_STEP = "glorotlab", "glorotlab_step"

WARM_UP = 0.3
"""Time in seconds that an implementation runs before it is timed.

Until then another side's idle threads spin, for about a tenth of a second, and would be counted as this side's CPU
time; the caches hold that side's weights; and a virtual CPU that was idle comes back to speed.
"""

BLOCK = 0.1
"""Approximate longest time of a timed block in seconds; the least is half of it, as in training."""

MIN_STEPS = 3
"""Least number of steps of a block, however long they take."""

CHECKED = (1, 5)
"""Steps of the blocks on which all sides must agree; jax_scan cuts the second into four and one."""


@dataclass(frozen=True)
class SideTiming:
    """The times of one side.

    Parameters
    ----------
    name : str
    seconds, fastest : float
        Time of a step: the median over rounds, and the least.
    ratio, ratio_low, ratio_high : float
        This side's time over glorotlab's, each pair from one round: median and quartiles.
    cpu_seconds, cpu_ratio : float
        CPU time of a step, of all threads of the process, those that spin while they wait among them: the median over
        rounds, and over glorotlab's of the same round.
    flops, bandwidth : float
        ``case.flops`` and ``case.bytes`` over ``seconds``: useful work a second, whatever else the side does.
    """

    name: str
    seconds: float
    fastest: float
    ratio: float
    ratio_low: float
    ratio_high: float
    cpu_seconds: float
    cpu_ratio: float
    flops: float
    bandwidth: float


@dataclass(frozen=True)
class CaseTiming:
    """The timings of one case, glorotlab first.

    Parameters
    ----------
    case : Case
    threads : int
        Threads of each side.
    sides : tuple of SideTiming
    """

    case: Case
    threads: int
    sides: tuple[SideTiming, ...]


class OwnSteps:
    """glorotlab's network as a side: a block of steps is one call, as training makes it, at a SIMD level."""

    def __init__(self, network: Network, level: str) -> None:
        self.network, self.weights, self.biases = network, network.weights, network.biases
        self._level, self._order = level, np.empty(0, np.int64)

    def prepare(self, x: FloatArray, labels: Labels) -> tuple[FloatArray, Labels]:
        """Return the batch as it is."""
        return x, labels

    def train_steps(self, x: FloatArray, labels: Labels, learning_rate: float, count: int) -> float:
        """Take ``count`` steps in one call, each on all rows of x."""
        if len(self._order) != count * len(x):  # only in the first block of so many steps, which is not timed
            self._order = np.tile(np.arange(len(x)), count)
        with simd_level(self._level):
            costs = self.network.train_steps(x, labels, learning_rate, batch_size=len(x), order=self._order)
        return float(costs[-1])


class OwnStep(StepByStep):
    """glorotlab's network as a side that makes one step per call."""

    def __init__(self, network: Network) -> None:
        self.network, self.weights, self.biases = network, network.weights, network.biases

    def prepare(self, x: FloatArray, labels: Labels) -> tuple[FloatArray, Labels]:
        """Return the batch as it is."""
        return x, labels

    def train_step(self, x: FloatArray, labels: Labels, learning_rate: float) -> float:
        """Make one step."""
        return self.network.train_step(x, labels, learning_rate)


def time_case(
    case: Case, threads: int, peers: Sequence[Peer], *, rounds: int = ROUNDS, warm_up: float = WARM_UP
) -> CaseTiming:
    """Time a case.

    Each round takes every side in turn, beginning with another one: it runs for ``warm_up`` seconds, and a block of its
    steps is then timed. No side waits for a step's cost before the next step but at a block's end.

    Parameters
    ----------
    case : Case
    threads : int
        Threads of each side; the process is held on as many CPUs meanwhile.
    peers : sequence of Peer
        Peers that can run here.
    rounds : int
    warm_up : float
        Seconds that a side runs before it is timed.

    Raises
    ------
    GlorotlabError
        Where a peer does not compute the same step; nothing is then timed.
    """
    x, labels = batch_of(case.spec, case.batch, case.dtype)
    with limited(threads, peers):
        sides = build_sides(case, peers)
        check_equal(sides, x, labels)
        times = _rounds([_block(side, x, labels) for side in sides.values()], rounds, warm_up)
    return summary(case, threads, list(sides), *np.moveaxis(np.array(times), -1, 0))


def batch_of(spec: NetworkSpec, batch: int, dtype: str) -> tuple[FloatArray, Labels]:
    """Return inputs uniform in [-1, 1] and labels, the same in every call."""
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (batch, spec.fan_in)).astype(dtype)
    return x, generator.integers(0, spec.classes, batch)


@contextmanager
def limited(threads: int, peers: Sequence[Peer]) -> Iterator[None]:
    """Bind the process to as many CPUs as threads, and set glorotlab and every peer to as many threads."""
    before = num_threads()
    with limited_cpus(threads), ExitStack() as limits:
        limits.callback(set_num_threads, before)
        set_num_threads(threads)
        for peer in {peer.limited: peer for peer in peers}.values():
            limits.enter_context(peer.limited(threads))
        yield


def build_sides(case: Case, peers: Sequence[Peer]) -> dict[str, TrainingSteps]:
    """Return glorotlab's network and its copy in each peer, or at each other SIMD level, by name."""

    def network() -> Network:
        return Network(case.spec, dtype=case.dtype)

    own: dict[str, TrainingSteps] = {OWN: OwnSteps(network(), simd.get_level())}
    if case.every_level:
        return own | {f"{OWN}_{level}": OwnSteps(network(), level) for level in other_levels()}
    return {**own, OWN_STEP: OwnStep(network()), **{peer.name: peer.build(network(), case.batch) for peer in peers}}


def check_equal(sides: dict[str, TrainingSteps], x: FloatArray, labels: Labels) -> None:
    """Make blocks of CHECKED steps on every side, which must agree.

    GlorotlabError where costs, weights or biases differ by more than rounding explains.
    """
    own = sides[OWN]
    start = [array.copy() for array in (*own.weights, *own.biases)]
    costs = _costs(own, x, labels)
    eps = np.finfo(x.dtype).eps
    for name, side in sides.items():
        equal = name == OWN or np.allclose(costs, _costs(side, x, labels), rtol=1e-3, atol=0)
        ends = zip(start, [*own.weights, *own.biases], [*side.weights, *side.biases], strict=True)
        for old, ours, theirs in ends:
            allowed = 1e-2 * np.linalg.norm(theirs - old) + 4 * eps * np.linalg.norm(theirs)
            equal &= theirs.dtype == x.dtype and bool(np.linalg.norm(ours - theirs) <= allowed)
        if not equal:
            raise GlorotlabError(f"glorotlab and {name} disagree on a training step: nothing to time")


def summary(case: Case, threads: int, names: Sequence[str], wall: Any, cpu: Any) -> CaseTiming:
    """Return medians, quartiles and rates.

    Parameters
    ----------
    case : Case
    threads : int
    names : sequence of str
        The sides, glorotlab's first.
    wall, cpu : array_like, shape (rounds, sides)
        Seconds a step, by the clock and of all threads of the process.
    """
    wall, cpu = np.asarray(wall), np.asarray(cpu)
    sides = []
    for side, name in enumerate(names):
        seconds, fastest = float(np.median(wall[:, side])), float(wall[:, side].min())
        low, middle, high = map(float, np.quantile(wall[:, side] / wall[:, 0], (0.25, 0.5, 0.75)))
        cpu_seconds, cpu_ratio = float(np.median(cpu[:, side])), float(np.median(cpu[:, side] / cpu[:, 0]))
        rates = case.flops / seconds, case.bytes / seconds
        sides.append(SideTiming(name, seconds, fastest, middle, low, high, cpu_seconds, cpu_ratio, *rates))
    return CaseTiming(case, threads, tuple(sides))


def _costs(side: TrainingSteps, x: FloatArray, labels: Labels) -> list[float]:
    """Return the last cost of each block of CHECKED steps."""
    block = _block(side, x, labels)
    return [float(block(count)) for count in CHECKED]


def _block(side: TrainingSteps, x: FloatArray, labels: Labels) -> Callable[[int], Any]:
    """Return a function that makes a block of the given number of steps on a batch."""
    batch = side.prepare(x, labels)
    return lambda count: side.train_steps(*batch, LEARNING_RATE, count)


def _rounds(blocks: Sequence[Callable[[int], Any]], rounds: int, warm_up: float) -> list[list[tuple[float, float]]]:
    """Return wall and CPU seconds a step of every side, one list a round."""
    times = []
    for turn in range(rounds):
        order = [(turn + k) % len(blocks) for k in range(len(blocks))]
        taken = {side: _seconds(blocks[side], warm_up) for side in order}
        times.append([taken[side] for side in range(len(blocks))])
    return times


def _seconds(block: Callable[[int], Any], warm_up: float) -> tuple[float, float]:
    """Warm up with blocks that double until one is long enough, then time one like the last.

    Return wall and CPU seconds a step.
    """
    count, begun, known = MIN_STEPS, time.perf_counter(), False
    while True:
        start, cpu_start = time.perf_counter(), time.process_time()
        float(block(count))  # waits for the last step
        taken, cpu_taken = time.perf_counter() - start, time.process_time() - cpu_start
        if taken < BLOCK / 2:
            count, known = 2 * count, False
        elif known and start - begun >= warm_up:
            return taken / count, cpu_taken / count
        else:
            known = True  # a block of this length has been taken, with what it makes once
