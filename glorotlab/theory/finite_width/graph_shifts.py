"""What finitely many units do to the means of a graph's second moments, to first order in 1/width.

A second moment of one example is a function of what the units of each node scatter, e of variance V: its mean moves by
half of its second derivative times V, and where the units of an activation make both the signal and the gradient,
f^2 and (f' h)^2, by their covariance (``recursions`` has both for the layers of a plain network). Second derivatives
are carried node by node, of one example. What a normalization's own 1 / v has of its mean stands in the mean-field
value already (``layers.normalisation``); that two of them scatter together does not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glorotlab.arrays import Array
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.dropout import Dropout
from glorotlab.spec.layers.graph import Node
from glorotlab.spec.layers.normalisation import Normalisation
from glorotlab.spec.layers.residual import Sum
from glorotlab.theory.mean_field.graph_tangents import Tangents
from glorotlab.theory.mean_field.unit_scatter import ACROSS

SIGNAL, BACK = "signal", "backprop_gradient"


class Jet(NamedTuple):
    """First and second derivative in what one node's units scatter, (examples,)."""

    first: Array
    second: Array

    def plus(self, other: Jet) -> Jet:
        """Return the jet of a sum."""
        return Jet(self.first + other.first, self.second + other.second)

    def times(self, factor: float | Array) -> Jet:
        """Return the jet of a multiple."""
        return Jet(self.first * factor, self.second * factor)

    def through(self, first: Array, second: Array) -> Jet:
        """Return the jet of a function with these derivatives."""
        return Jet(first * self.first, second * self.first**2 + first * self.second)

    def product(self, value: Array, other: Jet, other_value: Array) -> Jet:
        """Return the jet of a product of two functions with these values."""
        first = self.first * other_value + value * other.first
        return Jet(first, self.second * other_value + 2 * self.first * other.first + value * other.second)


def graph_shifts(tangents: Tangents, output_second: Array | None) -> dict[tuple[str, str], float]:
    """Return the relative shift of every node's second moment, by ``SIGNAL`` or ``BACK`` and name.

    Parameters
    ----------
    tangents : Tangents
    output_second : (examples,), optional
        d^2 D_aa / dq^2 of the outputs; None where gradients are not asked for.
    """
    found = tangents.found
    sums: dict[tuple[str, str], Array] = {}
    for source, noise in tangents.sources():
        signal = _forward(tangents, source)
        back = _backward(tangents, signal, output_second) if output_second is not None else {}
        for kind, jets in ((SIGNAL, signal), (BACK, back)):
            for name, jet in jets.items():
                sums[kind, name] = sums.get((kind, name), 0.0) + jet.second * noise.single / 2
    if output_second is not None:
        for name, mixed in _mixed(tangents, output_second).items():
            sums[BACK, name] = sums.get((BACK, name), 0.0) + mixed
    result = {}
    for (kind, name), own in sums.items():
        total = found.walk.signals[name].q if kind == SIGNAL else _d(tangents, name)
        result[kind, name] = float(own.sum() / total.sum())
    return result


def _d(tangents: Tangents, name: str) -> Array:
    signal = tangents.found.walk.signals[name]
    return np.diagonal(tangents.found.gradients[name].total(signal)[ACROSS])


def _nothing(tangents: Tangents) -> Jet:
    zeros = np.zeros(len(tangents.output_single))
    return Jet(zeros, zeros)


def _forward(tangents: Tangents, source: str) -> dict[str, Jet]:
    jets = {source: Jet(np.ones(len(tangents.output_single)), np.zeros(len(tangents.output_single)))}
    for node in tangents.nodes:
        parts = [jets[name] for name in node.inputs if name in jets]
        if node.name == source or not parts:
            continue
        if isinstance(node.layer, Sum):
            factors = zip(node.layer.factors, node.inputs, strict=True)
            total = _nothing(tangents)
            for factor, name in factors:
                total = total.plus(jets.get(name, _nothing(tangents)).times(factor**2))
            jets[node.name] = total
        elif isinstance(node.layer, WeightedLayer):
            jets[node.name] = parts[0].times(node.layer.fan_in * node.layer.weight_variance)
        elif isinstance(node.layer, Dropout):
            jets[node.name] = parts[0].times(1 / node.layer.keep)
        elif isinstance(node.layer, Elementwise):
            known = tangents.derivatives(node)
            jets[node.name] = parts[0].through(known.susceptibility, known.second)
        # a normalization's own second moment is fixed
    return jets


def _backward(tangents: Tangents, signal: dict[str, Jet], output_second: Array, injected: str = "") -> dict[str, Jet]:
    """Return the jets of D; with ``injected`` those of D of this node itself."""
    found, graph = tangents.found, tangents.found.walk.graph
    nothing, totals = _nothing(tangents), dict[str, Jet]()
    sent = {node.name: nothing for node in graph}
    top = signal.get(graph.output, nothing)
    sent[graph.output] = top.through(tangents.output_single, output_second)
    for node in reversed(tangents.nodes):
        if node.name not in found.gradients:
            continue
        c = found.gradients[node.name].aligned if node.name != graph.output else 0.0
        own = signal.get(node.name, nothing).times(np.asarray(c) ** 2)
        total = sent[node.name].plus(own)
        if node.name == injected:
            total = Jet(np.ones_like(total.first), total.second)
        totals[node.name] = total
        for name, jet in _sent(tangents, node, sent[node.name], total, signal):
            sent[name] = sent[name].plus(jet)
    return totals


def _sent(tangents: Tangents, node: Node, apart: Jet, total: Jet, signal: dict[str, Jet]) -> list[tuple[str, Jet]]:
    """Return the jets that a node sends to those that it reads."""
    layer, gradient, below = node.layer, tangents.found.gradients[node.name], node.inputs[0]
    own, nothing = signal.get(below, _nothing(tangents)), _nothing(tangents)
    d = np.diagonal(gradient.apart[ACROSS])
    if isinstance(layer, WeightedLayer):
        return [(below, total.times(node.units * layer.weight_variance))]
    if isinstance(layer, Sum):
        parts = []
        for factor, name in zip(layer.factors, node.inputs, strict=True):
            less = signal.get(name, nothing).times(-((factor**2 * gradient.aligned) ** 2))
            parts.append((name, total.times(factor**2).plus(less)))
        return parts
    if isinstance(layer, Dropout):
        return [(below, apart.times(1 / layer.keep))]
    if isinstance(layer, Normalisation):
        square = layer.gain_second_moment * np.asarray(tangents.found.walk.memory[node.name].scale) ** 2
        return [(below, apart.product(d, own.times(-(square**2) / layer.gain_second_moment), square))]
    if isinstance(layer, Elementwise):
        known = tangents.derivatives(node)
        slope = own.through(known.slope_single, known.slope_second)
        return [(below, apart.product(d, slope, np.diagonal(known.slopes)))]
    return []


def _mixed(tangents: Tangents, output_second: Array) -> dict[str, Array]:
    """Return what a unit's signal and gradient together do to D of nodes below.

    D of the pre-activation is D(e) times the mean of f'^2 over units, D(e) that of the activation's own gradient, and
    larger by G z^2 / n for a unit of value z, whose weights are met twice (``_curvatures``).
    """
    found, result, curvatures = tangents.found, dict[str, Array](), _curvatures(tangents)
    for node in tangents.nodes:
        if node.name not in found.gradients:
            continue
        signal, d = found.walk.signals[node.name], np.diagonal(found.gradients[node.name].apart[ACROSS])
        twice = d * curvatures[node.name] / signal.units
        if isinstance(node.layer, Elementwise):
            known = tangents.derivatives(node)
            answer = _backward(tangents, _forward(tangents, node.name), output_second)[node.name].first
            covariance = known.product_square - signal.q * np.diagonal(known.slopes)
            moved = answer * covariance / signal.units + twice * known.product_square
        elif isinstance(node.layer, Normalisation):
            moved = twice * np.asarray(found.walk.memory[node.name].scale) ** 2
        else:
            continue
        for name, jet in _backward(tangents, {}, output_second, node.inputs[0]).items():
            result[name] = result.get(name, 0.0) + jet.first * moved
    return result


def _curvatures(tangents: Tangents) -> dict[str, Array]:
    """Return G of every node: E d^2 g^2 / dz^2 over E g^2, of g that comes back and the node's own values z.

    Of f'(s) h it is dE f^2/dq^2 / E f'^2 times that of h, and 2 dE f'^2/dq / E f'^2; below weights it is n v times that
    above; a normalization takes away what is in proportion to its values. That of few outputs is left out.
    """
    found, graph = tangents.found, tangents.found.walk.graph
    zeros = np.zeros(len(tangents.output_single))
    result = {node.name: zeros for node in graph}
    for node in reversed(tangents.nodes):
        total, weighted = zeros, zeros
        for reader in dict.fromkeys(graph.readers[node.name]):
            if reader.name not in found.gradients:
                continue
            layer, own = reader.layer, result[reader.name]
            part = np.diagonal(found.gradients[reader.name].apart[ACROSS])
            if isinstance(layer, WeightedLayer):
                own, part = (
                    own * layer.fan_in * layer.weight_variance,
                    _d(tangents, reader.name) * layer.weight_variance,
                )
                part = part * reader.units
            elif isinstance(layer, Elementwise):
                known = tangents.derivatives(reader)
                slope = np.diagonal(known.slopes)
                own = own * known.susceptibility**2 / slope + 2 * known.slope_single / slope
                part = part * slope
            elif isinstance(layer, Normalisation):
                own, part = zeros, part * np.asarray(found.walk.memory[reader.name].scale) ** 2
            elif isinstance(layer, Sum):
                part = _d(tangents, reader.name)
            total, weighted = total + part, weighted + part * own
        result[node.name] = np.divide(weighted, total, out=np.zeros_like(zeros), where=total > 0)
    return result
