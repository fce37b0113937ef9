"""Shift of the means of a graph's second moments due to a finite width, to first order in 1/width.

A second moment of one example is a function of what the units of each node scatter, e of variance V: its mean moves by
half of its second derivative times V, and where the units of an activation make both the signal and the gradient,
f^2 and (f' h)^2, by their covariance (``recursions`` has both for the layers of a plain network). Second derivatives
are carried node by node, of one example. What a normalization's own Gaussian units do to 1 / v, and what it takes away
of g, stands in its mean-field value already (``layers.normalisation``) and is not counted twice.
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
from glorotlab.theory.finite_width.graph_curvatures import curvatures, mean_squares
from glorotlab.theory.mean_field.graph_tangents import Tangents
from glorotlab.theory.mean_field.graph_walk import Followed
from glorotlab.theory.mean_field.unit_scatter import ACROSS

SIGNAL, BACK = "signal", "backprop_gradient"


class Jet(NamedTuple):
    """First and second derivative in the scatter of one node's units, (examples,)."""

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
        elif isinstance(node.layer, Elementwise):
            known = tangents.derivatives(node)
            jets[node.name] = parts[0].through(known.susceptibility, known.second)
        # a normalization's own second moment is fixed
    return jets


def _backward(tangents: Tangents, signal: dict[str, Jet], output_second: Array, injected: str = "") -> dict[str, Jet]:
    """Return the jets of D, with ``injected`` those of D of this node itself."""
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
    if isinstance(layer, Normalisation):
        gain, square = layer.gain_second_moment, np.asarray(tangents.found.walk.memory[node.name].scale) ** 2
        inverse = own.through(-gain * square**2, 2 * gain * square**3)
        return [(below, apart.product(d, inverse, gain * square))]
    if isinstance(layer, Elementwise):
        known = tangents.derivatives(node)
        slope = own.through(known.slope_single, known.slope_second)
        return [(below, apart.product(d, slope, np.diagonal(known.slopes)))]
    return []


def _mixed(tangents: Tangents, output_second: Array) -> dict[str, Array]:
    """Return the joint influence of a unit's signal and gradient on D of its node and of nodes below.

    D of a pre-activation is that of the activation times the mean of f'^2 over units, which scatters with f^2 and with
    what a unit's value says of its gradient (``graph_curvatures``).
    """
    found, result = tangents.found, dict[str, Array]()
    known_curvatures, means = curvatures(tangents), mean_squares(tangents)
    for node in tangents.nodes:
        if node.name not in found.gradients:
            continue
        signal, d = found.walk.signals[node.name], np.diagonal(found.gradients[node.name].apart[ACROSS])
        curvature, place = known_curvatures[node.name], node.inputs[0]
        met = d * curvature.met * signal.q / signal.units
        apart = d * (curvature.whole - curvature.met) * signal.q / signal.units
        if isinstance(node.layer, Elementwise):
            known = tangents.derivatives(node)
            answer = _backward(tangents, _forward(tangents, node.name), output_second)[node.name].first
            slope = np.diagonal(known.slopes)
            covariance = (known.product_square - signal.q * slope) / signal.units
            moved = (answer + d * curvature.whole) * covariance + met * slope
        elif isinstance(node.layer, Normalisation):
            square = np.asarray(found.walk.memory[node.name].scale) ** 2
            moved = node.layer.gain_second_moment * square * (_not_free(node, found, means, curvature.level, d) - apart)
        else:
            place, moved = node.name, met
        if place != node.name:
            result[node.name] = result.get(node.name, 0.0) + met
        if moved.any():
            for name, jet in _backward(tangents, {}, output_second, place).items():
                result[name] = result.get(name, 0.0) + jet.first * moved
    return result


def _not_free(node: Node, found: Followed, means: dict[str, Array], level: Array, d: Array) -> Array:
    """Return the correction of order 1/n to a normalization's mean-field value of D.

    It takes the units h for Gaussian ones, with Var v = 2 v^2 / n, whose jets hold it again; and h and g for such that
    have means over the units, which what comes from another LayerNorm has not.
    """
    units = found.walk.signals[node.name].units
    if not isinstance(node.layer, LayerNorm):
        return -2 * d / units
    free = means[node.inputs[0]] * np.asarray(found.walk.memory[node.name].scale) ** 2
    return np.asarray(d * (-2 + (1 - level) - (1 - free)) / units)
