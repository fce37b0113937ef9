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
from glorotlab.benchmarking.cases import Case, groups_of
from glorotlab.benchmarking.cpus import cpus, limited_cpus
from glorotlab.benchmarking.peers import Peer
from glorotlab.benchmarking.roofline import Roofline, cache_levels, measure_roofline
from glorotlab.benchmarking.step import CaseTiming, time_case
from glorotlab.errors import InvalidValueError
from glorotlab.kernels import simd
from glorotlab.training.provenance import processor

ROUNDS = 11


@dataclass
class Benchmark:
    """What a run found; also one that was stopped.

    Parameters
    ----------
    peers : sequence of Peer
        Asked for; those that cannot run here are named in ``missing``.
    rooflines : list of Roofline
    timings : list of CaseTiming
    """

    peers: Sequence[Peer]
    rooflines: list[Roofline] = field(default_factory=list)
    timings: list[CaseTiming] = field(default_factory=list)

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
        """Measure a roofline for every number of threads and dtype, and time every case; fills the lists as it goes.

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
        dtypes = list(dict.fromkeys(case.dtype for case in cases)) or ["float32", "float64"]
        total = len(threads) * (len(dtypes) + len(cases))
        for count in threads:
            with limited_cpus(count):
                of_dtype = {dtype: measure_roofline(count, dtype) for dtype in dtypes}
            self.rooflines += of_dtype.values()
            for case in cases:
                progress(len(self.rooflines) + len(self.timings), total)
                self.timings.append(time_case(case, of_dtype[case.dtype], self.runnable, rounds=rounds))
                gc.collect()  # the peers' copies of the network
        progress(total, total)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; times in seconds, rates a second."""
        return {
            "machine": machine(),
            "peers": {peer.name: peer.version() for peer in self.peers},
            "missing": self.missing,
            "rooflines": [asdict(each) for each in self.rooflines],
            "cases": [_record(timing) for timing in self.timings],
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


def _record(timing: CaseTiming) -> dict[str, Any]:
    case = timing.case
    return {
        "groups": groups_of(case),
        **asdict(case),
        "threads": timing.threads,
        "weights": case.weights,
        "flops": case.flops,
        "bytes": case.bytes,
        "bound": timing.bound,
        "sides": [asdict(side) for side in timing.sides],
    }
