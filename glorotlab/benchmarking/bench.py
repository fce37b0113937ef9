"""The whole benchmark: rooflines, then case by case, with what the machine and the peers are."""

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
    """What a run found; also one that was stopped.

    Parameters
    ----------
    peers : sequence of Peer
        Asked for; those that cannot run here are named in ``missing``.
    rooflines : dict of Roofline
        By threads, dtype and SIMD level; each the best of all its measurements.
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
        """Time every case on every number of threads, a roofline before the first and after each; fills the lists.

        Other programs can only lower a roofline, which would raise every share of it: hence the best of many.

        Parameters
        ----------
        cases : sequence of Case
        threads : sequence of int
        rounds : int
        progress : callable (done, total)

        Raises
        ------
        InvalidValueError
            Where this process has fewer CPUs than threads are asked for, or rounds are not 1 or more.
        GlorotlabError
            Where a peer does not compute the same step.
        """
        check(threads, rounds)
        for count in threads:
            for dtype in DTYPES if not cases else ():
                self._measure_rooflines(count, dtype, [simd.get_level()])
            for case in cases:
                progress(len(self.timings), len(threads) * len(cases))
                levels = [simd.get_level(), *(other_levels() if case.every_level else ())]
                unknown = [level for level in levels if (count, case.dtype, level) not in self.rooflines]
                self._measure_rooflines(count, case.dtype, unknown)
                self.timings.append(time_case(case, count, self.runnable, rounds=rounds))
                gc.collect()  # the peers' copies of the network
                self._measure_rooflines(count, case.dtype, levels)
        self.complete = True

    def _measure_rooflines(self, threads: int, dtype: str, levels: Sequence[str]) -> None:
        for level in levels:
            with limited_cpus(threads), simd_level(level):
                found = measure_roofline(threads, dtype)
            key = threads, dtype, level
            self.rooflines[key] = found.best(self.rooflines.get(key, found))

    def bound(self, timing: CaseTiming) -> float:
        """Return the bound of a case that was timed, by the roofline at the SIMD level in use, seconds a step."""
        return self.rooflines[timing.threads, timing.case.dtype, simd.get_level()].bound(timing.case)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; times in seconds, rates a second."""
        return {
            "machine": machine(),
            "peers": {peer.name: peer.version() for peer in self.peers},
            "missing": self.missing,
            "complete": self.complete,
            "rooflines": [asdict(each) for each in self.rooflines.values()],
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
    """Return what the numbers rest on."""
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
