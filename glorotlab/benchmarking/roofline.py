"""The machine's roofline, measured: its multiply-adds a second, and how fast it moves memory.

The bound of a step is a time that no implementation on this machine beats (Williams, Waterman & Patterson 2009):
its products at the peak rate of fused multiply-adds, or its weights moved at full bandwidth, whichever takes longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from glorotlab.arrays import FloatArray
from glorotlab.benchmarking.cases import Case
from glorotlab.kernels import roofline, simd
from glorotlab.kernels.network.buffers import padded_matrix

SIZES = tuple(1 << exponent for exponent in range(14, 29))
"""Sizes of the buffers in bytes, 16 KB to 256 MB for all threads together."""

REPEATS = 15
"""Number of repeats of a measurement, of which the best counts."""

SECONDS = 2e-3
"""Approximate time of one repeat in seconds, short so that other programs leave some undisturbed."""

WARM_UP = 0.3
"""Time in seconds before the first repeat, in which other threads may still spin or two of ours share a CPU."""

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
"""Folder that describes the caches of the first CPU, on Linux."""

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class Roofline:
    """The limits of the machine; each number is the best of several runs.

    Parameters
    ----------
    threads : int
    dtype : str
    simd : str
        Level of the loops and of glorotlab's kernels; peers use what they were built for.
    flops : float
        Peak of fused multiply-adds, floating-point operations a second, from registers alone.
    sizes : sequence of int
        Bytes of the buffers that bandwidth was measured on, all threads together, ascending.
    read : sequence of float
        Bytes a second of reading a buffer over and over, one for each size.
    read_write : sequence of float
        Bytes a second of reading and writing it, both counted.
    """

    threads: int
    dtype: str
    simd: str
    flops: float
    sizes: Sequence[int]
    read: Sequence[float]
    read_write: Sequence[float]

    def best(self, other: Roofline) -> Roofline:
        """Return the higher of two measurements of the same roofline, number by number."""
        read, read_write = (
            tuple(map(max, mine, its)) for mine, its in ((self.read, other.read), (self.read_write, other.read_write))
        )
        return replace(self, flops=max(self.flops, other.flops), read=read, read_write=read_write)

    def bound(self, case: Case) -> float:
        """Return the least time of a step in seconds.

        It is the longer of two times. Arithmetic: ``case.flops`` at the peak. Memory: the weights read once forward,
        and read and written once backward, at the bandwidths of a buffer of the weights' size, which is that of the
        cache level that holds them (between two sizes, linear in the logarithm). Activations, biases, the cost and the
        traffic of batches are left out, and forward and backward cannot lend each other idle units: the bound is lower
        than any step could reach, and a share of it is understated.
        """
        size = np.log(case.weight_bytes)
        read, read_write = (float(np.interp(size, np.log(self.sizes), rate)) for rate in (self.read, self.read_write))
        memory = case.weight_bytes / read + 2 * case.weight_bytes / read_write
        return max(case.flops / self.flops, memory)


def measure_roofline(
    threads: int,
    dtype: str,
    *,
    sizes: Sequence[int] = SIZES,
    repeats: int = REPEATS,
    seconds: float = SECONDS,
    warm_up: float = WARM_UP,
) -> Roofline:
    """Measure peak and bandwidths, in two or three seconds for the default sizes.

    Parameters
    ----------
    threads : int
    dtype : str
    sizes : sequence of int
        Bytes, ascending.
    repeats : int
        Repeats of each measurement, the best of which counts.
    seconds : float
        Length of a repeat, about; one pass over the buffer at least.
    warm_up : float
        Seconds of multiply-adds before the first, at least.
    """
    sums = np.empty(threads, dtype)
    _enough(lambda n: roofline.multiply_add(0.5, 1.0, n, sums), warm_up)
    rounds = _enough(lambda n: roofline.multiply_add(0.5, 1.0, n, sums), seconds)
    flops = roofline.multiply_add(0.5, 1.0, rounds, sums)
    peak = flops / _best(lambda: roofline.multiply_add(0.5, 1.0, rounds, sums), repeats)
    read, read_write = zip(*(_bandwidths(size, sums, repeats, seconds) for size in sizes), strict=True)
    return Roofline(threads, dtype, simd.get_level(), peak, tuple(sizes), read, read_write)


def _bandwidths(size: int, sums: FloatArray, repeats: int, seconds: float) -> tuple[float, float]:
    """Return the bandwidths, in bytes per second, of reading, and of reading and writing, ``size`` bytes."""
    buffer = padded_matrix(1, size // sums.itemsize, sums.dtype)[0]
    buffer[...] = 1
    passes = _enough(lambda n: roofline.read(buffer, n, sums), seconds)
    read = _best(lambda: roofline.read(buffer, passes, sums), repeats)
    read_write = _best(lambda: roofline.scale(buffer, 1.0, passes, len(sums)), repeats)
    return size * passes / read, 2 * size * passes / read_write


def cache_levels() -> dict[str, int]:
    """Return name and bytes of each data cache of the first CPU, smallest first, if the system tells."""
    levels: dict[str, int] = {}
    for folder in sorted(CACHES.glob("index*")) if CACHES.exists() else ():
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            levels[f"L{level}"] = int(size[:-1]) * UNITS[size[-1]] if size[-1] in UNITS else int(size)
    return levels


def _enough(run: Callable[[int], object], seconds: float) -> int:
    """Return an n for which ``run(n)`` takes about as many seconds."""
    n = 1
    while (taken := _seconds(lambda: run(n))) < seconds:  # noqa: B023
        n = max(2 * n, int(n * min(100.0, seconds / max(taken, 1e-9))))
    return n


def _best(run: Callable[[], object], repeats: int) -> float:
    """Return the least seconds of several runs."""
    return min(_seconds(run) for _ in range(repeats))


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
