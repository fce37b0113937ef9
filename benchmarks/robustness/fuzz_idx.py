"""Fuzz target idx: files of MNIST's format, compressed by gzip or not."""

import gzip
import math
import random
import struct

import numpy as np
from harness import Target, Wrong
from mutations import INTEGERS, mutate_bytes

from glorotlab.data.idx import DTYPES, read_idx

SIZES = {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}
"""Bytes of a value, by the third byte of the header."""


class Idx(Target):
    """A file is read; what is accepted holds as many values as its header says, bit for bit."""

    name = "idx"

    def make(self, rng: random.Random) -> bytes:
        """Return the bytes of a file, whose header may lie and whose bytes may be damaged before or after gzip."""
        content = _sample(rng)
        if rng.random() < 0.6:
            content = mutate_bytes(rng, content)
        if rng.random() < 0.3:
            content = gzip.compress(content, compresslevel=1, mtime=0)
            if rng.random() < 0.6:
                content = mutate_bytes(rng, content)
        return content

    def run(self, made: bytes) -> None:
        """Read the file, and its values once more without numpy's reshaping."""
        path = self.folder / "file"
        path.write_bytes(made)
        values = read_idx(path)
        content = gzip.decompress(made) if made[:2] == b"\x1f\x8b" else made
        shape = struct.unpack_from(f">{content[3]}I", content, 4)
        if values.shape != shape or values.dtype.newbyteorder(">") != DTYPES[content[2]]:
            raise Wrong(f"{values.dtype} of shape {values.shape}: the header says {content[2]:#x} and {shape}")
        if values.astype(values.dtype.newbyteorder(">")).tobytes() != content[4 + 4 * content[3] :]:
            raise Wrong("other values than the file's")


def _sample(rng: random.Random) -> bytes:
    """Return a header of up to four dimensions and the values it asks for, or fewer or more."""
    code = rng.choice(list(SIZES))
    dimensions = rng.choice((1, 1, 2, 3, 4))
    shape = [rng.choice((1, 2, 3, 5)) for _ in range(dimensions)]
    held = math.prod(shape) * SIZES[code]
    if rng.random() < 0.2:
        shape[rng.randrange(dimensions)] = rng.choice(INTEGERS)
    if rng.random() < 0.1:
        held += rng.choice((-1, 1, -8, 8))
    if rng.random() < 0.05:
        dimensions = rng.choice((0, 5, 32, 33, 64, 255))
        shape += [rng.choice((0, 1, 2**32 - 1))] * (dimensions - len(shape))
        shape = shape[:dimensions]
    if rng.random() < 0.05:
        code = rng.randrange(256)
    header = struct.pack(">HBB", 0, code, dimensions) + b"".join(struct.pack(">I", size) for size in shape)
    return header + np.frombuffer(rng.randbytes(max(held, 0)), np.uint8).tobytes()
