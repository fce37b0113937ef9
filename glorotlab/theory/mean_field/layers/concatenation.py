"""Concatenations: H = sum_i n_i H_i / n, the mean over the units of all parts; each part gets its units' gradient.

What comes back from weights above is alike for all units, but for what is in proportion to a unit's own value.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.graph import Node
from glorotlab.theory.mean_field.layers.base import Block, Gradient, Signal, Walk


def needs(node: Node, blocks: frozenset[Block]) -> frozenset[Block]:
    """Return the blocks that the inputs must have: the same."""
    return blocks


def forward(node: Node, walk: Walk) -> Signal:
    """Return the signal of all units, which is not Gaussian because their variances differ."""
    parts = [walk.signals[name] for name in node.inputs]
    if any(part.positions != node.positions for part in parts) or sum(part.units for part in parts) != node.units:
        raise AssumptionError("a concatenation along other axes than the units'")
    shares = np.array([part.units for part in parts]) / node.units
    weighted = list(zip(shares, parts, strict=True))
    kernels = {
        block: sum((share * part.kernels[block] for share, part in weighted), start=np.zeros(()))
        for block in walk.blocks[node.name]
    }
    mean = sum((share * part.mean for share, part in weighted), start=np.zeros(()))
    gap = None
    if all(part.gap is not None for part in parts):
        kernel = kernels[Block(True, ())]
        distance = sum((share * part.covariance.distance() for share, part in weighted), start=np.zeros(()))
        sums = np.add.outer(np.diagonal(kernel), np.diagonal(kernel))
        gap = np.where(kernel < 0, 2 * sums - distance, distance)
    sources = frozenset[str]().union(*(part.sources for part in parts))
    return Signal(node.units, kernels, mean, False, sources, gap, max(part.error for part in parts))


def backward(node: Node, walk: Walk, gradient: Gradient) -> list[Gradient]:
    """Return the gradients of the parts."""
    whole, parts = walk.signals[node.name], [walk.signals[name] for name in node.inputs]
    return [replace(gradient, mean=gradient.mean + gradient.aligned * (part.mean - whole.mean)) for part in parts]
