"""Kernels of a node: second moments of its units over pairs of points, a point being an example at a position.

A vector has a point for each example, and all pairs of them. A map has too many pairs of positions, so that those at
some displacements are carried, of one example or of all pairs of examples: a displacement stays itself through a
convolution and an activation, so that few are enough (``needs`` of the layer kinds).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from glorotlab.arrays import Array
from glorotlab.spec.layers.graph import LayerGraph
from glorotlab.theory.gaussian.covariance import Covariance


class Block(NamedTuple):
    """Pairs of points of one example, or of all pairs of examples; the second point is displaced.

    Parameters
    ----------
    pairs : bool
        Whether kernels are (examples, examples, *positions), not (examples, *positions).
    displacement : tuple of int
        From the first point's position to the second's, one number for each axis.
    """

    pairs: bool
    displacement: tuple[int, ...]

    @property
    def turned(self) -> Block:
        """The block of the same pairs in reverse order."""
        return Block(self.pairs, tuple(-step for step in self.displacement))

    @property
    def canonical(self) -> Block:
        """The block that represents this one and its ``turned``."""
        first = next((step for step in self.displacement if step), 0)
        return self if first >= 0 else self.turned

    @property
    def still(self) -> bool:
        """Whether both points have one position."""
        return not any(self.displacement)


Kernels: TypeAlias = dict[Block, Array]
"""Second moments by block; they are 0 if one of the points lies outside of the map."""


Places: TypeAlias = tuple[EllipsisType | slice, ...]
"""Slices of the last axes."""


def places(slices: Iterable[slice]) -> Places:
    """Return slices of an array's last axes, those of positions."""
    return (..., *slices)


def blocks_of(*blocks: Iterable[Block]) -> frozenset[Block]:
    """Return the canonical blocks, including that of every point by itself."""
    found = {block.canonical for each in blocks for block in each}
    return frozenset(found | {Block(False, (0,) * len(block.displacement)) for block in found})


def shifted(values: Array, displacement: tuple[int, ...]) -> Array:
    """Return values (..., *positions) of the displaced positions, 0 beyond the border."""
    if not any(displacement):
        return values
    sizes = values.shape[values.ndim - len(displacement) :]
    result = np.zeros_like(values)
    if any(abs(step) >= size for step, size in zip(displacement, sizes, strict=True)):
        return result
    here = tuple(slice(max(-step, 0), size - max(step, 0)) for step, size in zip(displacement, sizes, strict=True))
    there = tuple(slice(max(step, 0), size - max(-step, 0)) for step, size in zip(displacement, sizes, strict=True))
    result[places(here)] = values[places(there)]
    return result


def ends(values: Array, block: Block) -> tuple[Array, Array]:
    """Return values (examples, *positions) at the first and at the second point of a block's pairs, to broadcast."""
    other = shifted(values, block.displacement)
    return (values[:, np.newaxis], other[np.newaxis]) if block.pairs else (values, other)


def outer(values: Array, block: Block) -> Array:
    """Return the products of values at both points."""
    first, second = ends(values, block)
    return first * second


def at(kernels: Mapping[Block, Array], block: Block) -> Array:
    """Return the kernel of a block or of its ``turned``, whichever is stored."""
    if block in kernels:
        return kernels[block]
    turned = shifted(kernels[block.turned], block.displacement)
    return np.swapaxes(turned, 0, 1) if block.pairs else turned


@dataclass(frozen=True)
class Signal:
    """Second moments of a node's units over networks.

    Parameters
    ----------
    units : int
    kernels : Kernels
    mean : (examples, *positions)
        Means over units.
    gaussian : bool
        Whether units are jointly Gaussian of mean 0, over points and with all other nodes that are.
    sources : frozenset of str
        Nodes with weights, and inputs, whose units this node's depend on one by one: nodes of none in common are
        independent, unit by unit.
    gap : (examples, examples), optional
        Of a vector, as ``Covariance`` has it.
    error : float
        Largest relative error of a pair moment on the way here.
    draws : (examples, draws), optional
        Values of units of equal probability, where they are not Gaussian.
    """

    units: int
    kernels: Kernels
    mean: Array
    gaussian: bool
    sources: frozenset[str]
    gap: Array | None = None
    error: float = 0.0
    draws: Array | None = None

    @property
    def positions(self) -> tuple[int, ...]:
        """Shape of the axes that are not examples."""
        return self.mean.shape[1:]

    @property
    def here(self) -> Block:
        """The block of every point by itself."""
        return Block(False, (0,) * len(self.positions))

    @property
    def across(self) -> Block:
        """The block of all pairs of examples at one position."""
        return Block(True, (0,) * len(self.positions))

    @property
    def q(self) -> Array:
        """Second moment of every point."""
        return self.kernels[self.here]

    @property
    def covariance(self) -> Covariance:
        """Covariance over the examples of a vector, all pairs of which are known."""
        assert self.gap is not None  # noqa: S101
        return Covariance(self.kernels[self.across], self.gap)


def vector_kernels(covariance: Covariance) -> Kernels:
    """Return the kernels of a vector."""
    return {Block(False, ()): np.array(covariance.q), Block(True, ()): covariance.kernel}


@dataclass(frozen=True)
class Gradient:
    """Second moments of dC/d(output) of a node over networks.

    A gradient that comes back through weights is in part in proportion to what these weights are given, since it meets
    its own weights (``gradient_independence``): g = aligned z + rest.

    Parameters
    ----------
    apart : Kernels
        Of the rest; blocks that are not there are 0.
    aligned : (examples, *positions)
        E dg/dz of a Gaussian node: the curvature.
    mean : (examples, *positions)
        E g.
    sources : frozenset of str
        Nodes with weights through which it came last: gradients of none in common are independent.
    passed : Gradient, optional
        What goes to the input of an activation instead, whose slope is in it already.
    draws : (examples, draws), optional
        Gradients of the units that the signal's draws are of.
    error : float
        Relative standard error of what is drawn.
    arrivals : mapping of str to Gradient
        Where units are not Gaussian: what arrives by weights at this node and at those above it that it comes from
        without weights (``unit_program``); empty where all arrives here.
    """

    apart: Kernels
    aligned: Array
    mean: Array
    sources: frozenset[str]
    passed: Gradient | None = None
    draws: Array | None = None
    error: float = 0.0
    arrivals: Mapping[str, Gradient] = field(default_factory=dict)

    def total(self, signal: Signal) -> Kernels:
        """Return D of the whole gradient."""
        return {
            block: rest + outer(self.aligned, block) * at(signal.kernels, block) if self.aligned.any() else rest
            for block, rest in self.apart.items()
        }

    @classmethod
    def of_total(cls, total: Kernels, signal: Signal, aligned: Array, mean: Array, sources: frozenset[str]) -> Gradient:
        """Return a gradient whose D is known."""
        apart = total
        if aligned.any():
            apart = {block: d - outer(aligned, block) * at(signal.kernels, block) for block, d in total.items()}
        return cls(apart, aligned, mean, sources)


@dataclass(frozen=True)
class Walk:
    """A graph with the signals of its nodes so far.

    Parameters
    ----------
    graph : LayerGraph
    inputs : mapping of str to array
        What is fed into the input nodes.
    blocks : mapping of str to frozenset of Block
        What each node's kernels must hold.
    signals : dict of str to Signal
        Of the nodes that are followed.
    memory : dict of str to object
        What ``forward`` of a node leaves for its ``backward``.
    """

    graph: LayerGraph
    inputs: Mapping[str, np.ndarray[Any, Any]]
    blocks: Mapping[str, frozenset[Block]]
    signals: dict[str, Signal] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)

    def input_of(self, name: str) -> Signal:
        """Return the signal of the one node that a node reads."""
        return self.signals[self.graph[name].inputs[0]]
