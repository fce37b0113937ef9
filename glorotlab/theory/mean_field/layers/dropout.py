"""Dropout in training mode: z m / k, m being 1 with probability k: E z^2 / k, and other pairs as they are.

Masks are independent over examples, positions and units (Srivastava et al. 2014); the same mask is met going back.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glorotlab.arrays import Array
from glorotlab.spec.layers.dropout import Dropout
from glorotlab.spec.layers.graph import Node
from glorotlab.theory.mean_field.layers.base import Block, Gradient, Kernels, Signal, Walk, at, outer


def needs(node: Node, blocks: frozenset[Block]) -> frozenset[Block]:
    """Return the blocks that the input must have: the same."""
    return blocks


def forward(node: Node, walk: Walk) -> Signal:
    """Return the signal after dropout."""
    below, keep = walk.input_of(node.name), _keep(node)
    kernels, gap = _masked(below.kernels, 1 / keep), None
    if below.gap is not None:
        kernel = kernels[below.across]
        q = np.diagonal(kernel)
        gap = np.add.outer(q, q) - 2 * np.abs(kernel)
        np.fill_diagonal(gap, 0)
    return replace(below, kernels=kernels, gap=gap, gaussian=below.gaussian and keep == 1, draws=None)


def backward(node: Node, walk: Walk, gradient: Gradient) -> list[Gradient]:
    """Return the gradient of z; given z, m^2 / k^2 times what is aligned has mean 1 / k and second moment 1 / k^3."""
    below, keep = walk.input_of(node.name), _keep(node)
    apart, aligned = _masked(gradient.apart, 1 / keep), gradient.aligned / keep
    if aligned.any():
        excess = (1 / keep - 1) * outer(aligned, below.here) * at(below.kernels, below.here)
        for block in (block for block in apart if block.still):
            apart[block] = apart[block] + (_across(excess) if block.pairs else excess)
    return [Gradient(apart, aligned, gradient.mean, gradient.sources)]


def _keep(node: Node) -> float:
    assert isinstance(node.layer, Dropout)  # noqa: S101
    return node.layer.keep


def _masked(kernels: Kernels, factor: float) -> Kernels:
    """Multiply second moments of points by themselves."""
    masked = dict(kernels)
    for block, kernel in kernels.items():
        if block.still:
            masked[block] = kernel * factor
            if block.pairs:
                masked[block] = kernel.copy()
                places = np.arange(len(kernel))
                masked[block][places, places] *= factor
    return masked


def _across(values: Array) -> Array:
    """Return values (examples, *positions) on the diagonal of pairs of examples."""
    full = np.zeros((len(values), *values.shape))
    places = np.arange(len(values))
    full[places, places] = values
    return full
