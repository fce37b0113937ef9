"""LayerGraph: a network of layers, in the order in which they are computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from glorotlab import notebook
from glorotlab.errors import InvalidValueError
from glorotlab.spec.layers.base import Layer


@dataclass(frozen=True)
class Input(Layer):
    """An input of the network, which is one of its arguments."""

    kind = "input"


@dataclass(frozen=True)
class Unknown(Layer):
    """A layer that the theory does not cover; it is measured all the same.

    Parameters
    ----------
    reason : str
        What it is and why it is not followed, in words that end a sentence: ``softmax attention ...``.
    """

    kind = "unknown"
    reason: str


@dataclass(frozen=True)
class Node:
    """One step of the computation.

    Parameters
    ----------
    name : str
        The module's name in the user's model, as ``named_modules`` has it, with ``#2`` and so on behind it where it
        is called again; of a function its name and number, as ``torch.fx`` has it: ``add_1``.
    layer : Layer
    inputs : tuple of str
        Names of the nodes it reads.
    units : int
        Number of features or channels of its result.
    positions : tuple of int
        Shape of its result's other axes but that of the examples; empty of a vector.
    channels_last : bool
        Whether units are the last axis, as of tokens, and not the second, as of images.
    source : str
        The line of the user's code, where it is known: ``model.py:12``.
    parameters : tuple of str
        Names of its parameters in the user's model, weights first.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    units: int
    positions: tuple[int, ...] = ()
    channels_last: bool = False
    source: str = ""
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class LayerGraph:
    """Nodes in the order of computation: each reads nodes before it.

    Parameters
    ----------
    nodes : tuple of Node
    output : str
        Name of the node whose value the model returns.

    Raises
    ------
    InvalidValueError
        Where a name is there twice, or a node reads one that is not before it.
    """

    nodes: tuple[Node, ...]
    output: str

    def __post_init__(self) -> None:
        before: set[str] = set()
        for node in self.nodes:
            missing = [name for name in node.inputs if name not in before]
            if missing:
                raise InvalidValueError(f"node {node.name!r} reads {missing[0]!r}: allowed are nodes before it")
            if node.name in before:
                raise InvalidValueError(f"node name {node.name!r} is used twice: allowed are distinct names")
            before.add(node.name)
        if self.output not in before:
            raise InvalidValueError(f"output {self.output!r}: allowed are nodes of the graph")

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    def _repr_html_(self) -> str:
        rows = [
            (node.name, getattr(node.layer, "reason", node.layer.kind), ", ".join(node.inputs), node.units, node.source)
            for node in self.nodes
        ]
        return notebook.form(f"Output {self.output}", notebook.table(("node", "layer", "reads", "units", "line"), rows))

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def readers(self) -> dict[str, tuple[Node, ...]]:
        """Nodes that read each node, in order; one that reads it twice occurs twice."""
        readers: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in node.inputs:
                readers[name].append(node)
        return {name: tuple(nodes) for name, nodes in readers.items()}

    @cached_property
    def trunk(self) -> tuple[Node, ...]:
        """Nodes that all paths from the inputs to the output pass through, in order, without the inputs."""
        place = {node.name: index for index, node in enumerate(self.nodes)}
        last = {
            name: max((place[reader.name] for reader in readers), default=-1) for name, readers in self.readers.items()
        }
        last[self.output] = len(self.nodes)
        trunk, needed = [], 0
        for index, node in enumerate(self.nodes):
            if not isinstance(node.layer, Input) and needed <= index:  # nothing before it is read after it
                trunk.append(node)
            needed = max(needed, last[node.name])
        return tuple(trunk)
