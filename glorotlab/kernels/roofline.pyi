"""Loops that do nothing but multiply-adds, or nothing but touch memory, at the SIMD level in use.

``glorotlab.benchmarking.roofline`` times them. Each thread has chains, or a contiguous part of the buffer, of its own.
Buffers are float32 or float64 and contiguous, with at least one number a thread; nothing is checked here.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.kernels._types import Vector

CHAINS: int
"""Independent chains of multiply-adds on a thread: enough to hide their latency."""

def multiply_add(x: float, y: float, rounds: int, sums: Vector) -> int:
    """Run chains of dependent vectors on each thread: value <- x value + y, ``rounds`` times.

    There are CHAINS of them; every lane of chain c begins at c.

    Parameters
    ----------
    x, y : float
    rounds : int
    sums : (threads,)
        Filled with the sum over chains and lanes; its length is the number of threads, its dtype that of the chains.

    Returns
    -------
    int
        Floating-point operations done by all threads together, two a multiply-add.
    """

def read(buffer: npt.NDArray[np.floating[Any]], passes: int, sums: Vector) -> None:
    """Read a buffer ``passes`` times.

    Parameters
    ----------
    buffer : (n,)
    passes : int
    sums : (threads,)
        Of the buffer's dtype; filled with ``passes`` times the sum of each thread's part.
    """

def scale(buffer: Vector, x: float, passes: int, threads: int) -> None:
    """Multiply every number of a buffer by x, in place, ``passes`` times: each pass reads and writes all of it."""
