"""Derivatives of a graph's kernels in an addition to the kernel of one of its nodes.

The mean of z_a z_b over the n units of a layer scatters between networks, by e_ab. Kernels of one pair of examples are
functions of those of the same pair below, K_aa, K_ab and K_bb alone, so that their answers are carried pair by pair:
``single`` dK_aa/de_aa, ``pair`` dK_ab/de_ab and ``own`` dK_ab/de_aa, forward for kernels and back for D.
``docs/theory/batch_gradients.md`` has them for the layers of a plain network.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.dropout import Dropout
from glorotlab.spec.layers.graph import Node
from glorotlab.spec.layers.normalisation import BatchNorm, Normalisation
from glorotlab.spec.layers.residual import Sum
from glorotlab.theory.mean_field.graph_walk import Followed
from glorotlab.theory.mean_field.layers.base import Gradient
from glorotlab.theory.mean_field.unit_scatter import ACROSS, Answer, Derivatives, Noise, gaussian_noise, less

FOLLOWED = (WeightedLayer, Elementwise, Sum, Normalisation, Dropout)
"""Kinds of layers on vectors whose derivatives are known."""


class Tangents:
    """Derivatives of the kernels of a graph of vectors.

    Parameters
    ----------
    found : Followed
        With gradients, where their answers are asked for.
    output : Array
        dD_ab/dQ_ab of the outputs, (examples, examples).
    output_single : Array
        dD_aa/dQ_aa of the outputs, (examples,).
    """

    def __init__(self, found: Followed, output: Array, output_single: Array) -> None:
        self.found, self.output, self.output_single = found, output, output_single
        self._derivatives: dict[str, Derivatives] = {}

    def of_gradients(self, gradients: dict[str, Gradient]) -> Tangents:
        """Return the answers of other gradients of the same kernels, of outputs whose own do not depend on these."""
        size = len(self.output_single)
        other = Tangents(replace(self.found, gradients=gradients), np.zeros((size, size)), np.zeros(size))
        other._derivatives = self._derivatives
        return other

    @cached_property
    def nodes(self) -> list[Node]:
        """Nodes of vectors with known kernels, without inputs."""
        return [
            node
            for node in self.found.walk.graph
            if node.name in self.found.walk.signals and node.layer.kind != "input"
        ]

    def check(self) -> None:
        """Raise AssumptionError with the name of a node whose derivatives are not known."""
        for node in self.nodes:
            signal = self.found.walk.signals[node.name]
            flat = node.layer.kind == "pooling" and self.found.walk.graph[node.inputs[0]].layer.kind == "input"
            if flat:
                continue
            known = isinstance(node.layer, FOLLOWED) and not isinstance(node.layer, BatchNorm)
            if not known or signal.gap is None or node.layer.kind in ("convolution", "embedding"):
                raise AssumptionError(f"finite width of {node.layer.kind} {node.name!r} is not followed")
            if isinstance(node.layer, Elementwise) and not self.found.walk.signals[node.inputs[0]].gaussian:
                raise AssumptionError(
                    f"finite width of {node.name!r}, of values that are not Gaussian, is not followed"
                )

    def derivatives(self, node: Node) -> Derivatives:
        """Return the derivatives of an activation's pair moments."""
        if node.name not in self._derivatives:
            assert isinstance(node.layer, Elementwise)  # noqa: S101
            s = self.found.walk.signals[node.inputs[0]]
            self._derivatives[node.name] = Derivatives(node, s, self.found.walk.memory[node.name])
        return self._derivatives[node.name]

    def sources(self) -> list[tuple[str, Noise]]:
        """Return the nodes whose units scatter, with their noise.

        Units scatter where they are averaged: those of an activation, and Gaussian ones that are summed or normalized.
        A sum of nodes adds what its units scatter beyond those of the nodes, which come from below.
        """
        result, graph = [], self.found.walk.graph
        for node in self.nodes:
            signal = self.found.walk.signals[node.name]
            if isinstance(node.layer, Elementwise):
                result.append((node.name, self.derivatives(node).noise(signal)))
            elif isinstance(node.layer, Sum):
                noise = gaussian_noise(signal)
                for factor, name in zip(node.layer.factors, node.inputs, strict=True):
                    noise = less(noise, gaussian_noise(self.found.walk.signals[name]), factor**4)
                if len(node.inputs) > 1:
                    result.append((node.name, noise))
            elif isinstance(node.layer, WeightedLayer) and any(
                not isinstance(reader.layer, Elementwise) for reader in graph.readers[node.name]
            ):
                result.append((node.name, gaussian_noise(signal)))
        return result

    def forward(self, source: str) -> dict[str, Answer]:
        """Return the derivatives of the kernels of the source itself and of every node above it."""
        size = len(self.found.walk.signals[source].q)
        answers = {source: Answer(np.ones(size), np.ones((size, size)), np.zeros((size, size)))}
        for node in self.nodes:
            own = [name for name in node.inputs if name in answers]
            if node.name == source or not own:
                continue
            if isinstance(node.layer, Sum):
                parts = zip(node.layer.factors, node.inputs, strict=True)
                terms = [answers[name].times(factor**2) for factor, name in parts if name in answers]
                total = terms[0]
                for term in terms[1:]:
                    total = total + term
                answers[node.name] = total
            else:
                answers[node.name] = self._through(node, answers[own[0]])
        return answers

    def _through(self, node: Node, below: Answer) -> Answer:
        layer, signals = node.layer, self.found.walk.signals
        if isinstance(layer, WeightedLayer):
            return below.times(layer.fan_in * layer.weight_variance)
        if isinstance(layer, Dropout):
            return below.times(1.0, 1 / layer.keep)
        if isinstance(layer, Normalisation):
            y, scale = signals[node.name], self.found.walk.memory[node.name].scale
            factor = layer.gain_second_moment * np.outer(scale, scale)
            own = below.times(factor, np.diagonal(factor))
            part = scale**2 * below.single
            centred = y.kernels[ACROSS] - layer.bias_second_moment
            return Answer(
                own.single - part * np.diagonal(centred), own.pair, own.own - part[:, np.newaxis] * centred / 2
            )
        known = self.derivatives(node)
        return Answer(
            known.susceptibility * below.single,
            known.slopes * below.pair,
            known.slopes * below.own + known.own * below.single[:, np.newaxis],
        )

    def backward(self, signal: dict[str, Answer], noise: dict[str, Answer] | None = None) -> dict[str, Answer]:
        """Return the answers of D of every node, to those of the kernels and to what is added to D of some nodes.

        ``noise`` is added to the gradient that an activation passes on.
        """
        graph, gradients, walk = self.found.walk.graph, self.found.gradients, self.found.walk
        size = len(walk.signals[graph.output].q)
        nothing = Answer(np.zeros(size), np.zeros((size, size)), np.zeros((size, size)))
        sent: dict[str, Answer] = {node.name: nothing for node in graph}
        top = signal.get(graph.output, nothing)
        sent[graph.output] = top.times(self.output, self.output_single)
        totals = {}
        for node in reversed(self.nodes):
            if node.name not in gradients:
                continue
            gradient, own = gradients[node.name], signal.get(node.name, nothing)
            apart = sent[node.name]
            total = apart
            if node.name != graph.output:
                total = apart + own.times(np.outer(gradient.aligned, gradient.aligned), gradient.aligned**2)
            totals[node.name] = total
            if noise is not None and node.name in noise:
                totals[node.name] = total = total + noise[node.name]
            self._send(node, apart, total, gradient, signal, sent, nothing)
        return totals

    def _send(
        self,
        node: Node,
        apart: Answer,
        total: Answer,
        gradient: Gradient,
        signal: dict[str, Answer],
        sent: dict[str, Answer],
        nothing: Answer,
    ) -> None:
        layer, below = node.layer, node.inputs[0]
        if isinstance(layer, WeightedLayer):
            sent[below] = sent[below] + total.times(node.units * layer.weight_variance)
        elif isinstance(layer, Sum):
            for factor, name in zip(layer.factors, node.inputs, strict=True):
                c = factor**2 * gradient.aligned
                less = signal.get(name, nothing).times(-np.outer(c, c), -(c**2))
                sent[name] = sent[name] + total.times(factor**2) + less
        elif isinstance(layer, Dropout):
            sent[below] = sent[below] + apart.times(1.0, 1 / layer.keep)
        elif isinstance(layer, Normalisation):
            own, scale = signal.get(below, nothing), np.asarray(self.found.walk.memory[node.name].scale)
            gains = layer.gain_second_moment * np.outer(scale, scale)
            d, part = gradient.apart[ACROSS] * gains, scale**2 * own.single
            back = apart.times(gains, np.diagonal(gains))
            back = Answer(back.single - part * np.diagonal(d), back.pair, back.own - part[:, np.newaxis] * d / 2)
            sent[below] = sent[below] + back
        elif isinstance(layer, Elementwise):
            known, own, d = self.derivatives(node), signal.get(below, nothing), gradient.apart[ACROSS]
            back = Answer(
                apart.single * np.diagonal(known.slopes) + np.diagonal(d) * known.slope_single * own.single,
                apart.pair * known.slopes + d * known.slope_pair * own.pair,
                apart.own * known.slopes
                + d * (known.slope_pair * own.own + known.slope_own * own.single[:, np.newaxis]),
            )
            sent[below] = sent[below] + back
