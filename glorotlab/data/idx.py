"""The idx format of MNIST: a big-endian header of type and dimensions, then the values.

Bytes 0 and 1 are zero, byte 2 is the type, byte 3 the number of dimensions; each dimension is an unsigned
32-bit integer (LeCun, Cortes & Burges, "The MNIST database of handwritten digits").
"""

import math
import os
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from glorotlab.data.files import open_decompressed
from glorotlab.errors import DataError

DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
"""Types of the values, by the third byte of the header."""

MAX_DIMENSIONS = 32

CHUNK = 1 << 20
"""Number of bytes read at a time."""


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an idx file, compressed by gzip or not.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    ndarray
        Values in native byte order: uint8, int8, int16, int32, float32 or float64, of the file's shape.

    Raises
    ------
    DataError
        Where the file cannot be read, is not idx, is truncated or has bytes left over.
    """
    with open_decompressed(path) as file:
        return parse_idx(file, os.fspath(path))


def parse_idx(file: BinaryIO, name: str) -> NDArray[Any]:
    """Read idx from an open binary file; ``name`` names it in error messages. See `read_idx`."""
    dtype, shape = _read_header(file, name)
    expected = math.prod(shape) * dtype.itemsize
    content = _read_at_most(file, expected + 1)
    if len(content) < expected:
        raise DataError(f"{name}: truncated: {len(content)} bytes of values, dimensions {shape} need {expected}")
    if len(content) > expected:
        raise DataError(f"{name}: bytes left over after the {expected} that dimensions {shape} need")
    values = np.frombuffer(content, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)


def _read_header(file: BinaryIO, name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4:
        raise DataError(f"{name}: truncated: {len(magic)} bytes, an idx header has at least 8")
    zeros, code, dimensions = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0":
        raise DataError(f"{name}: wrong magic number 0x{magic.hex()}: an idx file begins with 0x0000")
    if code not in DTYPES:
        allowed = ", ".join(f"0x{known:02x}" for known in DTYPES)
        raise DataError(f"{name}: unknown idx type 0x{code:02x}: allowed are {allowed}")
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise DataError(f"{name}: {dimensions} dimensions: allowed are 1 to {MAX_DIMENSIONS}")
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(f"{name}: truncated within its {dimensions} dimensions")
    shape: tuple[int, ...] = struct.unpack(f">{dimensions}I", sizes)
    if 0 in shape:
        raise DataError(f"{name}: dimensions {shape}: allowed are sizes of at least 1")
    return DTYPES[code], shape


def _read_at_most(file: BinaryIO, limit: int) -> bytearray:
    """Read up to ``limit`` bytes; memory follows what the file holds, not what its header claims."""
    content = bytearray()
    while chunk := file.read(min(CHUNK, limit - len(content))):
        content += chunk
    return content
