"""Embeddings: H = v_e where two positions have one token, else 0.

The rows of a table are independent: units are Gaussian over the positions where entries are. The gradient of a row is
the sum of those of its token's positions.
"""

from __future__ import annotations

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.embedding import Embedding
from glorotlab.spec.layers.graph import Node
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.mean_field.layers.base import Block, Gradient, Kernels, Signal, Walk, ends, vector_kernels


def needs(node: Node, blocks: frozenset[Block]) -> frozenset[Block]:
    """Return the blocks that the input must have: none."""
    return frozenset()


def forward(node: Node, walk: Walk) -> Signal:
    """Return the signal of the tokens' rows."""
    layer, tokens = node.layer, tokens_of(node, walk)
    assert isinstance(layer, Embedding)  # noqa: S101
    kernels = {block: layer.weight_variance * same_token(layer, tokens, block) for block in walk.blocks[node.name]}
    mean, gap, sources = np.zeros(tokens.shape), None, frozenset({node.name})
    if not node.positions and Block(True, ()) in kernels:
        s = Covariance.of(kernels[Block(True, ())])
        kernels, gap = vector_kernels(s), s.gap
    return Signal(node.units, kernels, mean, True, sources, gap)


def tokens_of(node: Node, walk: Walk) -> Array:
    """Return the token at every position, (examples, *positions)."""
    below = walk.graph[node.inputs[0]]
    if below.layer.kind != "input":
        raise AssumptionError("an embedding of what the network itself computes")
    tokens = walk.inputs[below.name]
    if tokens.dtype.kind not in "iu":
        raise AssumptionError(f"an embedding of inputs of type {tokens.dtype}: tokens are whole numbers")
    return np.asarray(tokens, dtype=np.float64).reshape(len(tokens), *node.positions)


def same_token(layer: Embedding, tokens: Array, block: Block) -> Array:
    """Return 1 where both points have one token that is not padding, else 0."""
    first, second = ends(tokens + 1, block)  # 0 is beyond the border
    same = (first == second) & (second > 0)
    if layer.padding_token is not None:
        same &= first != layer.padding_token + 1
    return np.asarray(same, dtype=np.float64)


def backward(node: Node, walk: Walk, gradient: Gradient) -> list[Gradient]:
    """Return no gradients, because tokens have none."""
    return []


def weight_products(node: Node, walk: Walk, d: Kernels) -> dict[Block, Array]:
    """Return D where both positions have one token, whose sum is that of |dC/d(table)|^2 over units."""
    layer, tokens = node.layer, tokens_of(node, walk)
    assert isinstance(layer, Embedding)  # noqa: S101
    return {block: kernel * same_token(layer, tokens, block) for block, kernel in d.items()}
