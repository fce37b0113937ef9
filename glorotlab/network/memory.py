"""How much memory a network takes: sums over its shapes, made before any of it is taken."""

import numpy as np
import numpy.typing as npt

from glorotlab.kernels.network.buffers import READ_TOGETHER, STORED, row_size
from glorotlab.kernels.network.dense import packed_elements
from glorotlab.spec.network import NetworkSpec

Parts = dict[str, float]
"""Number of bytes by the name of their use."""


def parameter_bytes(spec: NetworkSpec, dtype: npt.DTypeLike) -> float:
    """Return the bytes of weights and biases, and so of their velocities, of their rates, and of a copy."""
    matrices = sum(fan_in * row_size(fan_out, dtype, STORED) for fan_in, fan_out in spec.fans)
    return matrices + sum(spec.layer_sizes[1:]) * np.dtype(dtype).itemsize


def gradient_clearance(batch_size: int) -> int:
    """Return the clearance of rows of dC/ds: where a step packs none, it reads them together where they stand."""
    return READ_TOGETHER if packed_elements(batch_size, 1) == 0 else 1


def step_bytes(spec: NetworkSpec, dtype: npt.DTypeLike, batch_size: int) -> float:
    """Return the bytes of a training step's buffers: a mini-batch, s, z and dC/ds of all layers, a packed dC/ds."""
    clearance = gradient_clearance(batch_size)
    units = sum(2 * row_size(size, dtype) + row_size(size, dtype, clearance) for size in spec.layer_sizes[1:])
    packed = packed_elements(batch_size, max(spec.layer_sizes[1:])) * np.dtype(dtype).itemsize
    return batch_size * (row_size(spec.fan_in, dtype) + units) + packed


def pass_bytes(spec: NetworkSpec, dtype: npt.DTypeLike, examples: int, *, gradients: bool = False) -> float:
    """Return the bytes of a pass over examples: s and z of every layer, with ``gradients`` dC/ds too."""
    return (3 if gradients else 2) * examples * sum(spec.layer_sizes[1:]) * float(np.dtype(dtype).itemsize)


def statistics_bytes(spec: NetworkSpec, dtype: npt.DTypeLike, examples: int) -> float:
    """Return the bytes of the estimators: all weight gradients, and products in float64 of one layer at a time."""
    gradients = sum(fan_in * fan_out for fan_in, fan_out in spec.fans) * np.dtype(dtype).itemsize
    return gradients + max(4 * 8 * examples * (fan_in + fan_out) for fan_in, fan_out in spec.fans)
