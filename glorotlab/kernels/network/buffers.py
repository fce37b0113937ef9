"""Matrices whose rows start on a cache line, large ones on huge pages.

A 64-byte vector load that crosses a cache line costs two; rows of 1,000 float32 start on a line only every other
row, and NumPy's own memory on none. Rows a multiple of 4,096 bytes apart all fall into one set of the first-level
cache. Both are avoided by padding each row; the padding is never read or written. Where rows are one line off such a
multiple, a load of one waits for a store to another: those of W are kept two off (``STORED``).

The weights of the paper's network take 20 MB, 5,000 pages of 4 KB: more than a processor keeps the addresses of. On
Linux they are put on pages of 2 MB.
"""

import contextlib
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

CACHE_LINE = 64
CACHE_WAY = 4096
HUGE_PAGE = 1 << 21
UNUSED = 1 / 16
"""Share of a matrix by which its last huge page may exceed it; otherwise the tail is on ordinary pages."""

STORED = 2
"""Clearance of a matrix whose rows are stored while others are loaded, such as W."""

READ_TOGETHER = 16
"""Clearance of a matrix of which a kilobyte of each row is read again and again, as dC/ds of a small batch: pieces of
ten rows are spread over the sets of the first cache, with room beside them for rows of W."""


def padded_matrix(rows: int, columns: int, dtype: npt.DTypeLike, clearance: int = 1) -> npt.NDArray[Any]:
    """Return an uninitialized (rows, columns) matrix of contiguous rows, the first on a cache line.

    Each starts on a line of its own; of a ``clearance`` of one line, rows shorter than that are packed. From a row to
    the next it is so many cache lines of ``clearance``, or more, off any multiple of 4,096 bytes.
    """
    itemsize, stride = np.dtype(dtype).itemsize, row_size(columns, dtype, clearance)
    whole = _memory(rows * stride).view(dtype).reshape(rows, stride // itemsize)
    return whole[:, :columns]


def row_size(columns: int, dtype: npt.DTypeLike, clearance: int = 1) -> int:
    """Return the distance in bytes between two rows of such a matrix."""
    size = columns * np.dtype(dtype).itemsize
    if size < CACHE_LINE and clearance == 1:
        return size
    stride = -(-size // CACHE_LINE) * CACHE_LINE
    near = (clearance - 1) * CACHE_LINE
    while stride + near >= CACHE_WAY and (stride + near) % CACHE_WAY <= 2 * near:
        stride += CACHE_LINE
    return stride


def padded_zeros(rows: int, columns: int, dtype: npt.DTypeLike, clearance: int = 1) -> npt.NDArray[Any]:
    """Return a padded matrix of zeros."""
    matrix = padded_matrix(rows, columns, dtype, clearance)
    matrix[...] = 0
    return matrix


def _memory(size: int) -> npt.NDArray[np.uint8]:
    """Return memory that begins on a cache line; MemoryError if there is not enough."""
    if size >= HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without them; or too little memory, as NumPy then says
            return _huge_pages(size)
    memory = np.empty(size + CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + size]


def _huge_pages(size: int) -> npt.NDArray[np.uint8]:
    """Return memory that begins on a huge page; OSError if that is not possible."""
    unused = -size % HUGE_PAGE
    advised = size + unused if unused <= UNUSED * size else size - size % HUGE_PAGE
    pages = mmap.mmap(-1, max(size, advised) + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory = np.frombuffer(pages, dtype=np.uint8)
    start = -memory.ctypes.data % HUGE_PAGE
    pages.madvise(mmap.MADV_HUGEPAGE, start, advised)
    return memory[start : start + size]
