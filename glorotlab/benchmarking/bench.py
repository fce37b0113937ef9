"""The whole benchmark: rooflines, then case by case, with machine and peers."""

from __future__ import annotations

import gc
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from glorotlab import __version__
from glorotlab.benchmarking import ROUNDS
from glorotlab.benchmarking.cases import Case, groups_of
from glorotlab.benchmarking.cpus import cpus, limited_cpus
from glorotlab.benchmarking.levels import other_levels, simd_level
from glorotlab.benchmarking.peers import Peer
from glorotlab.benchmarking.roofline import Roofline, cache_levels, measure_roofline
from glorotlab.benchmarking.step import CaseTiming, time_case
from glorotlab.errors import InvalidValueError
from glorotlab.kernels import simd
from glorotlab.machine import processor
from glorotlab.network.mlp import DTYPES


@dataclass
class Benchmark:
    """The measurements of a run, complete or stopped.

    Parameters
    ----------
    peers : sequence of Peer
        The peers asked for; those that cannot run here are named in ``missing``.
    rooflines : dict of (int, str, str) to Roofline
        Rooflines by threads, dtype and SIMD level; each is the best of all its measurements.
    timings : list of CaseTiming
    complete : bool
        Whether every case was timed.
    """

    peers: Sequence[Peer]
    rooflines: dict[tuple[int, str, str], Roofline] = field(default_factory=dict)
    timings: list[CaseTiming] = field(default_factory=list)
    complete: bool = False

    @property
    def runnable(self) -> list[Peer]:
        """The peers that can run here."""
        return [peer for peer in self.peers if peer.available()]

    def able(self, case: Case) -> list[Peer]:
        """Return the peers that can run a case here."""
        return [peer for peer in self.runnable if peer.has(case.spec.activation)]

    @property
    def missing(self) -> dict[str, str]:
        """Peers that cannot run here, and why."""
        return {peer.name: reason for peer in self.peers if (reason := peer.missing())}

    def run(
        self,
        cases: Sequence[Case],
        threads: Sequence[int],
        *,
        rounds: int = ROUNDS,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Time every case on every number of threads, and measure a roofline before the first and after each.

        Other programs can only lower a roofline, which would raise every share of it: hence the best of many counts.

        Parameters
        ----------
        cases : sequence of Case
        threads : sequence of int
        rounds : int
        progress : callable
            Called with the cases done and the cases in all.

        Raises
        ------
        InvalidValueError
            Where this process has fewer CPUs than threads are asked for, or rounds are not 1 or more.
        GlorotlabError
            Where a peer does not compute the same step.
        """
        check(threads, rounds)
        total = len(threads) * len(cases)
        for count in threads:
            for dtype in DTYPES if not cases else ():
                self._measure_rooflines(count, dtype, [simd.get_level()])
            for case in cases:
                progress(len(self.timings), total)
                levels = [simd.get_level(), *(other_levels() if case.every_level else ())]
                unknown = [level for level in levels if (count, case.dtype, level) not in self.rooflines]
                self._measure_rooflines(count, case.dtype, unknown)
                self.timings.append(time_case(case, count, self.able(case), rounds=rounds))
                gc.collect()  # frees the peers' copies of the network
                self._measure_rooflines(count, case.dtype, levels)
        if cases:
            progress(total, total)
        self.complete = True

    def _measure_rooflines(self, threads: int, dtype: str, levels: Sequence[str]) -> None:
        for level in levels:
            with limited_cpus(threads), simd_level(level):
                measured = measure_roofline(threads, dtype)
            key = threads, dtype, level
            self.rooflines[key] = measured.best(self.rooflines.get(key, measured))

    def bound(self, timing: CaseTiming) -> float:
        """Return the bound of a timed case in seconds a step, by the roofline at the SIMD level in use."""
        return self.rooflines[timing.threads, timing.case.dtype, simd.get_level()].bound(timing.case)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; times in seconds, rates a second."""
        return {
            "machine": machine(),
            "peers": {peer.name: peer.version() for peer in self.peers},
            "missing": self.missing,
            "complete": self.complete,
            "rooflines": [asdict(roofline) for roofline in self.rooflines.values()],
            "cases": [_record(timing, self.bound(timing)) for timing in self.timings],
        }


def check(threads: Sequence[int], rounds: int) -> None:
    """Raise InvalidValueError where a number is not allowed."""
    for count in threads:
        if not 1 <= count <= cpus():
            raise InvalidValueError(f"--threads {count}: allowed are 1 to {cpus()}, the CPUs this process may use")
    if rounds < 1:
        raise InvalidValueError(f"--rounds {rounds}: allowed are whole numbers from 1")


def machine() -> dict[str, Any]:
    """Return processor, versions, SIMD level and caches, by name."""
    return {
        "glorotlab": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "simd": simd.get_level(),
        "caches": cache_levels(),
    }


def _record(timing: CaseTiming, bound: float) -> dict[str, Any]:
    case = timing.case
    return {
        "groups": groups_of(case),
        **asdict(case),
        "threads": timing.threads,
        "weights": case.weights,
        "flops": case.flops,
        "bytes": case.bytes,
        "bound": bound,
        "sides": [asdict(side) | {"roofline_share": bound / side.fastest} for side in timing.sides],
    }
