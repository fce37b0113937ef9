"""The kernels of a graph of layers: a pass down for what each node needs, one up for signals, one down for gradients.

A node that is not followed stops what depends on it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.bias import Bias
from glorotlab.spec.layers.graph import Input, LayerGraph, Node, Unknown
from glorotlab.spec.layers.pooling import Flatten, Window
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.mean_field.layers import (
    activation,
    bias,
    concatenation,
    convolution,
    dense,
    dropout,
    embedding,
    normalisation,
    pooling,
    residual,
)
from glorotlab.theory.mean_field.layers.base import (
    Block,
    Gradient,
    Kernels,
    Signal,
    Walk,
    blocks_of,
    shifted,
    vector_kernels,
)
from glorotlab.theory.mean_field.output_gradient import OutputGradient

KINDS: dict[str, ModuleType] = {
    "dense": dense,
    "activation": activation,
    "residual": residual,
    "bias": bias,
    "concatenation": concatenation,
    "normalisation": normalisation,
    "dropout": dropout,
    "convolution": convolution,
    "pooling": pooling,
    "embedding": embedding,
}
"""Module with the theory of each kind of layer."""

MOST_PAIRS = 2**23
"""Largest number of pairs of points in the maps of a graph; with more, pairs of different examples are left out:
statistics of single examples need none."""


@dataclass(frozen=True)
class Followed:
    """The signals and gradients of a graph's nodes.

    Parameters
    ----------
    walk : Walk
    gradients : dict of str to Gradient
    refused : dict of str to str
        Why a node is not followed; nodes that depend on it are not here.
    """

    walk: Walk
    gradients: dict[str, Gradient] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def output(self) -> Signal | None:
        """Signal of the output node, if it is known."""
        return self.walk.signals.get(self.walk.graph.output)


FAILURES = (AssumptionError, ValueError, IndexError, KeyError, ArithmeticError)
"""Errors of a layer that is not supported; wrong shapes in a graph end in NumPy's errors."""

WINDOW = " (window)"
"""Suffix of the name of a pooling node without the axes that it removes, for the pooling alone."""


def with_vectors(graph: LayerGraph) -> LayerGraph:
    """Return a graph whose windows of all positions have a node for it where their result is a vector."""
    positions = {node.name: node.positions for node in graph}
    nodes = []
    for node in graph:
        below = positions[node.inputs[0]] if node.inputs else ()
        if isinstance(node.layer, Window) and not node.positions and below:
            inner = replace(node, name=node.name + WINDOW, positions=(1,) * len(below))
            nodes += [inner, replace(node, layer=Flatten(), inputs=(inner.name,), parameters=())]
        else:
            nodes.append(node)
    return LayerGraph(tuple(nodes), graph.output)


def follow(graph: LayerGraph, inputs: Mapping[str, np.ndarray[Any, Any]]) -> Followed:
    """Carry the kernels of a batch forward.

    Parameters
    ----------
    graph : LayerGraph
    inputs : mapping of str to array
        What is fed into each input node, examples first.
    """
    graph = with_vectors(graph)
    examples = len(next(iter(inputs.values())))
    blocks = _blocks(graph, pairs=True)
    if _size(graph, blocks, examples) > MOST_PAIRS:
        blocks = _blocks(graph, pairs=False)
    found = Followed(Walk(graph, inputs, blocks))
    weights: dict[str, str] = {}
    for node in graph:
        missing = [name for name in node.inputs if name not in found.walk.signals]
        if missing and not (node.layer.kind == "embedding" and graph[missing[0]].layer.kind == "input"):
            continue
        try:
            if isinstance(node.layer, WeightedLayer | Bias) and node.parameters:
                other = weights.setdefault(node.parameters[0], node.name)
                if other != node.name:
                    raise AssumptionError(f"its weights are those of {other!r}, so that both depend on each other")
            _check_rank(node, graph)
            blocks[node.name] = _known(node, found.walk)
            signal = _forward(node, found.walk)
        except FAILURES as error:
            found.refused[node.name.removesuffix(WINDOW)] = _reason(error)
        else:
            if signal is not None:
                found.walk.signals[node.name] = signal
    return found


def follow_back(found: Followed, output: OutputGradient) -> None:
    """Carry the gradient of the output node down to all nodes that it depends on."""
    walk = found.walk
    signal = walk.signals[walk.graph.output]
    kernels = vector_kernels(Covariance(output.kernel, np.zeros_like(output.kernel)))
    top = {block: kernels[block] for block in signal.kernels}
    sources = frozenset({walk.graph.output})
    gradients, refused = carry_back(walk, Gradient.of_total(top, signal, output.curvature, output.means, sources))
    found.gradients.update(gradients)
    found.refused.update(refused)


def carry_back(walk: Walk, top: Gradient) -> tuple[dict[str, Gradient], dict[str, str]]:
    """Return the gradients below a gradient of the output node, and the reasons why some are not known."""
    graph, gradients, refused = walk.graph, dict[str, Gradient](), dict[str, str]()
    sent: dict[str, list[Gradient | None]] = {node.name: [] for node in graph}
    sent[graph.output].append(top)
    for node in reversed(graph.nodes):
        if not sent[node.name] or node.name not in walk.signals:
            continue
        gradient, below = None, list[Gradient | None]()
        try:
            gradient = together(node.name, sent[node.name])
            if gradient is not None and node.inputs:
                below = KINDS[node.layer.kind].backward(node, walk, gradient)
        except FAILURES as error:
            refused[node.name.removesuffix(WINDOW)] = _reason(error)
        if gradient is not None:
            gradients[node.name] = gradient
        for name, own in zip(node.inputs, below or [None] * len(node.inputs), strict=False):
            sent[name].append(own)
    return gradients, refused


def together(name: str, parts: list[Gradient | None]) -> Gradient | None:
    """Return the sum of gradients from several readers, or None if one is not known."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    total = reduce(_sum, known)
    without_weights = [part.arrivals for part in known if part.arrivals]
    if without_weights:
        fresh = [part for part in known if not part.arrivals]
        arrivals = {name: reduce(_sum, fresh)} if fresh else {}
        total = replace(total, arrivals=reduce(lambda one, other: {**one, **other}, without_weights, arrivals))
    return total


def _sum(one: Gradient, other: Gradient) -> Gradient:
    if one.sources & other.sources:
        raise AssumptionError("gradients that come back on two ways without weights between them")
    if one.passed is not None or other.passed is not None:
        raise AssumptionError("gradients of max pooling beside those of other readers of its input")
    apart = dict(one.apart)
    for block, own in other.apart.items():
        apart[block] = apart[block] + own if block in apart else own
    return Gradient(
        apart,
        one.aligned + other.aligned,
        one.mean + other.mean,
        one.sources | other.sources,
        error=max(one.error, other.error),
    )


def _blocks(graph: LayerGraph, *, pairs: bool) -> dict[str, frozenset[Block]]:
    """Return the blocks that the kernels of every node must have, from the output down."""
    needed: dict[str, set[Block]] = {node.name: set() for node in graph}
    rank = len(graph[graph.output].positions)
    needed[graph.output].add(Block(pairs, (0,) * rank))
    result = {}
    for node in reversed(graph.nodes):
        own = needed[node.name] or {Block(False, (0,) * len(node.positions))}
        result[node.name] = blocks_of(own)
        if isinstance(node.layer, Unknown) or node.layer.kind not in KINDS:
            continue
        if len(getattr(node.layer, "kernel_size", node.positions)) != len(node.positions):
            continue
        for name in node.inputs:
            needed[name] |= _needed(node, graph, name, result[node.name])
    return result


def _needed(node: Node, graph: LayerGraph, name: str, blocks: frozenset[Block]) -> set[Block]:
    """Return the blocks that one of a node's inputs must have for the node's own blocks."""
    rank, found = len(graph[name].positions), set()
    for below in KINDS[node.layer.kind].needs(node, blocks):
        displacement = below.displacement if len(below.displacement) == rank else (0,) * rank
        found.add(Block(below.pairs, displacement).canonical)
    return found


def _known(node: Node, walk: Walk) -> frozenset[Block]:
    """Return the blocks that follow from what the inputs hold, where one has left pairs of points unknown."""
    blocks = walk.blocks[node.name]
    if isinstance(node.layer, Unknown | Input):
        return blocks
    held = {name: walk.signals[name].kernels.keys() for name in node.inputs if name in walk.signals}
    known = frozenset(
        block
        for block in blocks
        if all(_needed(node, walk.graph, name, frozenset({block})) <= own for name, own in held.items())
    )
    if not any(block.still and not block.pairs for block in known):
        raise AssumptionError("kernels between positions, which batch normalization of maps leaves unknown")
    return known


def _size(graph: LayerGraph, blocks: Mapping[str, frozenset[Block]], examples: int) -> int:
    """Return the number of pairs of points of the maps."""
    return sum(
        prod(node.positions) * sum(examples ** (2 if block.pairs else 1) for block in blocks[node.name])
        for node in graph
        if node.positions
    )


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, AssumptionError) else f"shapes or numbers that do not fit: {error}"


def _check_rank(node: Node, graph: LayerGraph) -> None:
    """Raise if a node's result has other axes than its kind requires."""
    if isinstance(node.layer, Unknown | Input | Flatten) or node.layer.kind == "embedding":
        return
    ranks = {len(graph[name].positions) for name in node.inputs}
    axes = getattr(node.layer, "kernel_size", node.positions)
    if ranks != {len(node.positions)} or len(axes) != len(node.positions):
        raise AssumptionError(f"a {node.layer.kind} layer that changes the number of axes")


def _forward(node: Node, walk: Walk) -> Signal | None:
    if isinstance(node.layer, Input):
        return _input(node, walk)
    if isinstance(node.layer, Unknown):
        raise AssumptionError(node.layer.reason)
    signal: Signal = KINDS[node.layer.kind].forward(node, walk)
    return signal


def _input(node: Node, walk: Walk) -> Signal | None:
    """Return the signal of inputs, or None for tokens, which embeddings alone read."""
    readers = walk.graph.readers[node.name]
    if readers and all(reader.layer.kind == "embedding" for reader in readers):
        return None
    x = walk.inputs[node.name].astype(np.float64)
    sources = frozenset({node.name})
    if not node.positions:
        if not walk.blocks[node.name] & {Block(True, ())}:
            return Signal(x.shape[1], {Block(False, ()): (x**2).mean(axis=1)}, x.mean(axis=1), False, sources)
        covariance = Covariance.of_inputs(x)
        return Signal(x.shape[1], vector_kernels(covariance), x.mean(axis=1), False, sources, covariance.gap)
    maps = np.moveaxis(x, -1, 1) if node.channels_last else x
    kernels = Kernels()
    for block in walk.blocks[node.name]:
        other = shifted(maps, block.displacement)
        if block.pairs:
            kernels[block] = np.einsum("ac...,bc...->ab...", maps, other, optimize=True) / maps.shape[1]
        else:
            kernels[block] = (maps * other).mean(axis=1)
    return Signal(maps.shape[1], kernels, maps.mean(axis=1), False, sources)
