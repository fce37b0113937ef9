"""Drawn units between weights: activations of sums of activations, which are not Gaussian.

In a residual network a unit's value is added to that of a branch and activated, again and again, without weights in
between. It is a function of a few independent Gaussian numbers, the *fields*, whose kernels are known. At both points
of every pair the fields are drawn by a Sobol rule, turned at random at every place, and with them values and slopes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.residual import Sum
from glorotlab.streams import Purpose, generator
from glorotlab.theory.gaussian.sampling import sobol_normal
from glorotlab.theory.mean_field.layers.base import Block, Kernels, Walk, ends, outer

Values = dict[str, Array]
"""Of every node of a program, (ends, places, draws)."""

NUMBERS, LEAST, MOST = 2**20, 2**6, 2**14
"""How many draws all pairs of a node have together, and one pair at least and at most."""

CHUNK = 2**18
"""Numbers drawn at a time."""

ERROR = 0.002
"""Relative standard error of a second moment that the draws of one node leave; those of all nodes add in square. The
largest seen, between scramblings, are .004 behind 4 blocks of one example and .006 behind 12 of eight."""


class Program(NamedTuple):
    """The nodes between weights from which some nodes are computed.

    Parameters
    ----------
    fields, steps : tuple of str
        Gaussian nodes, and those that are computed of them, in order.
    """

    fields: tuple[str, ...]
    steps: tuple[str, ...]


def program_of(walk: Walk, tops: Sequence[str]) -> Program:
    """Return the program of some nodes.

    Raises
    ------
    AssumptionError
        Where the law of a unit among them is not known.
    """
    needed, fields, steps = set(tops), list[str](), list[str]()
    sources: frozenset[str] = frozenset()
    for node in reversed(walk.graph.nodes):
        if node.name not in needed:
            continue
        signal = walk.signals[node.name]
        if signal.gaussian:
            if sources & signal.sources:
                raise AssumptionError(f"a sum with {node.name!r}, whose units depend on weights of other terms")
            fields.append(node.name)
            sources |= signal.sources
        elif isinstance(node.layer, Elementwise | Sum):
            steps.append(node.name)
            needed.update(node.inputs)
        else:
            raise AssumptionError(
                f"an activation of values that rest on {node.name!r}, whose units are not Gaussian of mean 0: "
                "they are not the sum of many weights times units"
            )
    return Program(tuple(reversed(fields)), tuple(reversed(steps)))


def run(walk: Walk, program: Program, values: Values) -> Values:
    """Return the values of all nodes, given those of the fields."""
    values = dict(values)
    for name in program.steps:
        node = walk.graph[name]
        if isinstance(node.layer, Elementwise):
            values[name] = np.asarray(node.layer.record.function(values[node.inputs[0]]), dtype=np.float64)
        elif isinstance(node.layer, Sum):
            terms = zip(node.layer.factors, node.inputs, strict=True)
            values[name] = sum((factor * values[below] for factor, below in terms), start=np.zeros(1))
    return values


def slopes(walk: Walk, program: Program, values: Values, start: str) -> Values:
    """Return the derivative of all nodes above ``start`` by its value, and 1 of itself."""
    found = {start: np.ones_like(values[start])}
    for name in program.steps:
        node = walk.graph[name]
        if name == start or not found.keys() & set(node.inputs):
            continue
        if isinstance(node.layer, Elementwise):
            below = node.inputs[0]
            found[name] = node.layer.record.derivative(values[below]) * found[below]
        elif isinstance(node.layer, Sum):
            terms = zip(node.layer.factors, node.inputs, strict=True)
            found[name] = sum((factor * found[below] for factor, below in terms if below in found), start=np.zeros(1))
    return found


def moments(
    walk: Walk,
    program: Program,
    blocks: Sequence[Block],
    products: Callable[[Values], list[Array]],
    averages: Callable[[Values], list[Array]],
) -> tuple[list[Kernels], list[Array]]:
    """Return E g_a g_b over blocks for every g of ``products``, and E h at every point for every h of ``averages``.

    Correlations of different points are those of their own draws, and second moments those of single points, which
    have more draws: what is drawn of a pair never passes what its points allow.
    """
    signal = walk.signals[program.fields[0]]
    pairs = sum(signal.kernels[block].size for block in blocks if block != signal.here)
    squares, means = list[Array](), list[Array]()
    for values in _drawn(walk, program, signal.here, _draws(signal.q.size)):
        squares.append(np.array([(g[0] ** 2).mean(axis=-1) for g in products(values)]))
        means.append(np.array([h[0].mean(axis=-1) for h in averages(values)]))
    own = np.concatenate(squares, axis=-1).reshape(-1, *signal.q.shape)
    kernels = [{signal.here: square} for square in own]
    for block in blocks:
        if block == signal.here:
            continue
        rho = np.concatenate(
            [
                np.array([_correlation(g) for g in products(values)])
                for values in _drawn(walk, program, block, _draws(pairs))
            ],
            axis=-1,
        ).reshape(-1, *signal.kernels[block].shape)
        if block.pairs and block.still:
            rho = (rho + np.swapaxes(rho, 1, 2)) / 2
        for found, square, correlation in zip(kernels, own, rho, strict=True):
            found[block] = correlation * outer(np.sqrt(square), block)
    return kernels, list(np.concatenate(means, axis=-1).reshape(-1, *signal.q.shape))


def _correlation(g: Array) -> Array:
    """Return the correlation of both ends, without taking means off; 0 where one is 0."""
    product, squares = (g[0] * g[-1]).mean(axis=-1), (g**2).mean(axis=-1)
    size = np.sqrt(squares[0] * squares[-1])
    return np.asarray(np.divide(product, size, out=np.zeros_like(size), where=size > 0))


def _draws(places: int) -> int:
    """Return a power of 2."""
    return 1 << (int(np.clip(NUMBERS // max(places, 1), LEAST, MOST)).bit_length() - 1)


def _drawn(walk: Walk, program: Program, block: Block, draws: int) -> Iterator[Values]:
    """Yield the values of a chunk of a block's pairs of points after the other."""
    covariances = {name: _covariance(walk, name, block) for name in program.fields}
    places = len(next(iter(covariances.values()))[0])
    points = sobol_normal(2 * len(covariances), draws).reshape(-1, 2, draws)
    random = generator(0, Purpose.UNIT_PROGRAM)
    step = max(1, CHUNK // draws)
    for start in range(0, places, step):
        values = {}
        for (name, parts), (one, two) in zip(covariances.items(), points, strict=True):
            first, along, apart = (part[start : start + step, np.newaxis] for part in parts)
            angle = random.uniform(0, 2 * np.pi, size=first.shape)
            cos, sin = np.cos(angle), np.sin(angle)
            z = cos * one + sin * two
            if block.pairs or not block.still:
                values[name] = np.stack([first * z, along * z + apart * (cos * two - sin * one)])
            else:
                values[name] = (first * z)[np.newaxis]
        yield run(walk, program, values)


def _covariance(walk: Walk, name: str, block: Block) -> tuple[Array, Array, Array]:
    """Return a root of the covariance of a field at both points: s = first z, s' = along z + apart z'."""
    signal = walk.signals[name]
    kernel = signal.kernels[block]
    q, other = (np.broadcast_to(own, kernel.shape).ravel() for own in ends(signal.q, block))
    first = np.sqrt(q)
    along = np.divide(kernel.ravel(), first, out=np.zeros_like(first), where=first > 0)
    along = np.clip(along, -np.sqrt(other), np.sqrt(other))
    return first, along, np.sqrt(np.maximum(other - along**2, 0))
