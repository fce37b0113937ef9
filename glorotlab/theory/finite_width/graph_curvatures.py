"""Dependence of a unit's gradient on its own value, to first order in 1/width.

A unit of value z has a D that is (1 + G (z^2 - q) / n) times the mean over the n units of its node. G is carried down:

- few outputs: that of them is left out;
- weights, W g: n v times G above, as W meets z on both ways. The mean over units then moves too, by G q / n: the values
  of a node are part of all s above, and D there depends on s;
- an activation, f'(s) h: dE f^2/dq^2 / E f'^2 times that of h, and 2 dE f'^2/dq / E f'^2;
- a normalization: -1 / v. Its g is at right angles to its values h: units of large h have less of it, by h^2 / n v;
- a sum: c^2 times, for what is multiplied by c.

Where several nodes read one, each counts by its part of D.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glorotlab.arrays import Array
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.graph import Node
from glorotlab.spec.layers.normalisation import LayerNorm, Normalisation
from glorotlab.spec.layers.residual import Sum
from glorotlab.theory.mean_field.graph_tangents import Tangents
from glorotlab.theory.mean_field.unit_scatter import ACROSS


class Curvature(NamedTuple):
    """Curvature of one node, each (examples,).

    Parameters
    ----------
    whole : Array
        G.
    met : Array
        The part of G that comes back through weights.
    level : Array
        n E (mean g)^2 / E g^2 over the units: 0 where it comes from a LayerNorm, which takes the mean away, else 1.
    """

    whole: Array
    met: Array
    level: Array


def curvatures(tangents: Tangents) -> dict[str, Curvature]:
    """Return G of every node."""
    found, graph = tangents.found, tangents.found.walk.graph
    zeros = np.zeros(len(tangents.output_single))
    result = {node.name: Curvature(zeros, zeros, zeros + 1) for node in graph}
    for node in reversed(tangents.nodes):
        total, sums = zeros, [zeros, zeros, zeros]
        for reader in dict.fromkeys(graph.readers[node.name]):
            if reader.name not in found.gradients:
                continue
            for part, own in _parts(tangents, node.name, reader, result[reader.name]):
                total = total + part
                sums = [before + part * value for before, value in zip(sums, own, strict=True)]
        if total.any():
            result[node.name] = Curvature(
                *(np.divide(own, total, out=np.zeros_like(zeros), where=total > 0) for own in sums)
            )
    return result


def _parts(tangents: Tangents, name: str, reader: Node, own: Curvature) -> list[tuple[Array, Curvature]]:
    """Return D and G of each gradient that a reader sends to a node."""
    layer, gradient = reader.layer, tangents.found.gradients[reader.name]
    apart = np.diagonal(gradient.apart[ACROSS])
    total = np.diagonal(gradient.total(tangents.found.walk.signals[reader.name])[ACROSS])
    nothing = np.zeros_like(apart)
    if isinstance(layer, WeightedLayer):
        above = own.whole * layer.fan_in * layer.weight_variance
        return [(total * reader.units * layer.weight_variance, Curvature(above, above, nothing + 1))]
    if isinstance(layer, Elementwise):
        known = tangents.derivatives(reader)
        slope = np.diagonal(known.slopes)
        above = own.whole * known.susceptibility**2 / slope + 2 * known.slope_single / slope
        return [(apart * slope, Curvature(above, nothing, nothing + 1))]
    if isinstance(layer, Normalisation):
        square = np.asarray(tangents.found.walk.memory[reader.name].scale) ** 2
        level = nothing if isinstance(layer, LayerNorm) else own.level
        return [(apart * layer.gain_second_moment * square, Curvature(-square, nothing, level))]
    if isinstance(layer, Sum):
        terms = zip(layer.factors, reader.inputs, strict=True)
        return [
            (factor**2 * total, Curvature(factor**2 * own.whole, nothing, own.level))
            for factor, each in terms
            if each == name
        ]
    return [(apart, Curvature(own.whole, nothing, own.level))]


def mean_squares(tangents: Tangents) -> dict[str, Array]:
    """Return n E (mean of h over units - its own mean)^2 of every node: q, but nothing behind a LayerNorm."""
    found: dict[str, Array] = {}
    for node in tangents.nodes:
        signal, below = tangents.found.walk.signals[node.name], node.inputs[0]
        if isinstance(node.layer, LayerNorm):
            found[node.name] = np.zeros_like(signal.q)
        elif isinstance(node.layer, Sum):
            terms = zip(node.layer.factors, node.inputs, strict=True)
            found[node.name] = sum((c**2 * found[name] for c, name in terms if name in found), np.zeros_like(signal.q))
        elif isinstance(node.layer, Normalisation) and below in found:
            found[node.name] = found[below] * np.asarray(tangents.found.walk.memory[node.name].scale) ** 2
        else:
            found[node.name] = signal.q - signal.mean**2
    return found
