"""Matrices whose rows start on a cache line.

A 64-byte vector load that crosses a cache line costs two; rows of 1,000 float32 start on a line only every other
row, and NumPy's own memory on none. Rows a multiple of 4,096 bytes apart all fall into one set of the first-level
cache. Both are avoided by padding each row; the padding is never read or written.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

CACHE_LINE = 64
CACHE_WAY = 4096


def padded_matrix(rows: int, columns: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an uninitialised (rows, columns) matrix of contiguous rows, each on a cache line of its own."""
    itemsize = np.dtype(dtype).itemsize
    stride = -(-columns * itemsize // CACHE_LINE) * CACHE_LINE
    if stride % CACHE_WAY == 0:
        stride += CACHE_LINE
    memory = np.empty(rows * stride + CACHE_LINE, dtype=np.uint8)
    offset = -memory.ctypes.data % CACHE_LINE
    whole = memory[offset : offset + rows * stride].view(dtype).reshape(rows, stride // itemsize)
    return whole[:, :columns]


def padded_zeros(rows: int, columns: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return such a matrix of zeros."""
    matrix = padded_matrix(rows, columns, dtype)
    matrix[...] = 0
    return matrix
