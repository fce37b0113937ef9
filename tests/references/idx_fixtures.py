"""Small idx files for the data tests, written independently of the reader."""

import hashlib
import struct

import numpy as np

from glorotlab.data.files import VerifiedFile
from glorotlab.data.mnist import MNIST_FILES

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array):
    """The idx file of an array."""
    header = struct.pack(">HBB", 0, CODES[array.dtype.name], array.ndim)
    sizes = b"".join(struct.pack(">I", size) for size in array.shape)
    return header + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


def tiny_mnist():
    """Arrays in MNIST's order of files: 12 training and 5 test images of 28x28 with their labels."""
    rng = np.random.default_rng(5)
    train_labels = (np.arange(12) % 10).astype(np.uint8)
    test_labels = np.array([9, 0, 3, 3, 7], dtype=np.uint8)
    train, test = (rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (12, 5))
    return train, train_labels, test, test_labels


def tiny_files(contents):
    """The records of small files that stand in for MNIST's."""
    return tuple(
        VerifiedFile(real.name, len(content), hashlib.sha256(content).hexdigest())
        for real, content in zip(MNIST_FILES, contents, strict=True)
    )
