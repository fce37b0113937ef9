"""Images of Shapeset-3x2, drawn into arrays or into the buffer of a compiled loop."""

import numpy as np
from numpy.typing import NDArray

from glorotlab.kernels.network.batch_source import BatchSource

class ImageStream(BatchSource):
    """Images first, first + 1, ... of stream (seed, purpose), drawn when a compiled loop loads them.

    Parameters
    ----------
    seed, purpose, first : int
        Each in [0, 2**64).

    Raises
    ------
    InvalidValueError
        Where seed or first is outside its range.
    """

    def __init__(self, seed: int, purpose: int, first: int = 0) -> None: ...

def render(
    seed: int,
    purpose: int,
    start: int,
    images: NDArray[np.float32] | NDArray[np.float64],
    labels: NDArray[np.int64],
    threads: int = 1,
) -> None:
    """Fill ``images`` and ``labels`` with the images start, start + 1, ... of a stream.

    Parameters
    ----------
    seed : int
        In [0, 2**64).
    purpose : Purpose
        What the stream is for.
    start : int
        Index of the first image. In [0, 2**64 - n].
    images : ndarray of float32 or float64, shape (n, 1024)
        Receives the pixels, row by row, in [-1, 1]. Rows are contiguous, from one to the next it may be further
        than their length. float64 receives the same numbers as float32.
    labels : ndarray of int64, shape (n,)
        Receives the classes 0..8.
    threads : int
        How many threads share the images; the result does not depend on it.

    Raises
    ------
    InvalidValueError
        Where the shapes do not fit each other, or an argument is outside its range.
    """
