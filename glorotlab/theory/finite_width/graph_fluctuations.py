"""Variance between networks of second moments pooled over a batch, of a graph of vectors, to first order in 1/width.

A second moment T of one network is a mean over the units of its node, and a function of such means below and above: the
kernels K of signals and D of gradients. Units of every node add

    Var ln T = sum over nodes of (1/n) Var over units of (sum_a l_a z_a^2 + sum_a r_a g_a^2),

l and r being the answers of ln T to the node's K_aa and D_aa (``graph_tangents``), z a unit's value and g its gradient.
Given the kernels, units that are pre-activations are Gaussian and so is what comes back to them through weights, of its
own D; activations' units have z = f(s), g = f'(s) h of one s. Outputs are few, and are drawn: D_ab of one network is
P_ab times the scalar product of the drawn gradients of the outputs, which is far from its mean between examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array
from glorotlab.costs import Cost
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.graph import Node
from glorotlab.spec.layers.residual import Sum
from glorotlab.streams import Purpose
from glorotlab.theory.finite_width.fluctuations import Fluctuation
from glorotlab.theory.gaussian.covariance import correlation
from glorotlab.theory.gaussian.hermite_series import mixed_sum, symmetric_sum
from glorotlab.theory.mean_field.graph_scatter import unit_gradients
from glorotlab.theory.mean_field.graph_tangents import Tangents
from glorotlab.theory.mean_field.graph_walk import KINDS
from glorotlab.theory.mean_field.layers.base import Gradient
from glorotlab.theory.mean_field.output_sampling import OutputSampler
from glorotlab.theory.mean_field.unit_scatter import ACROSS, Answer, Derivatives, gaussian_noise

DRAWS = 2**12
"""Number of output layers drawn for a batch of few logits; for more, so many that they have ``LOGITS`` together."""

LOGITS = 2**21

SIGNAL, BACK = "signal", "backprop_gradient"


@dataclass(frozen=True)
class Outputs:
    """What outputs are drawn by.

    Parameters
    ----------
    cost : Cost
    targets : (examples, outputs)
    """

    cost: Cost
    targets: Array


def graph_fluctuations(tangents: Tangents, outputs: Outputs | None) -> dict[tuple[str, str], Fluctuation]:
    """Return the scatter of every node's signal and, where there are ``outputs``, gradient, by node and ``SIGNAL``.

    Raises
    ------
    AssumptionError
        Where a node's answers are not known.
    """
    tangents.check()
    return _Fluctuations(tangents, outputs).all()


class _Fluctuations:
    def __init__(self, tangents: Tangents, outputs: Outputs | None) -> None:
        self.tangents, self.outputs, self.walk = tangents, outputs, tangents.found.walk
        self.graph, self.gradients = self.walk.graph, tangents.found.gradients
        self.size = len(self.walk.signals[self.graph.output].q)
        self.variances: dict[tuple[str, str], float] = {}
        self.output = self.graph.output
        self.draws: dict[tuple[str, str], Array] = {}
        self.unit_gradients: dict[str, Gradient] = {}
        if outputs is not None:
            self.unit_gradients = unit_gradients(tangents.found)
            self._draw_outputs(outputs)

    def all(self) -> dict[tuple[str, str], Fluctuation]:
        """Return the scatter of everything."""
        for source, noise in self.tangents.sources():
            signal = self.tangents.forward(source)
            covariance = noise.others.copy()
            np.fill_diagonal(covariance, noise.single)
            back = self.tangents.backward(signal) if self.outputs is not None else {}
            mixed, upward = None, dict[str, Answer]()
            node = self.graph[source]
            if isinstance(node.layer, Elementwise) and self.outputs is not None and source in self.gradients:
                mixed, upward = self._mixed(node), self._injected(node.inputs[0])
            self._add(SIGNAL, signal, covariance)
            self._add(BACK, back, covariance, mixed, upward)
        if self.outputs is not None:
            for name, covariance in self._gradient_noise().items():
                self._add(BACK, self._injected(name), covariance)
        for node in self.tangents.nodes:  # its own units, where they are no source
            if isinstance(node.layer, WeightedLayer) and node.name != self.output:
                readers = self.graph.readers[node.name]
                if all(isinstance(reader.layer, Elementwise) for reader in readers):
                    own = gaussian_noise(self.walk.signals[node.name]).others
                    self._add(SIGNAL, {node.name: self._unit()}, own)
            elif not isinstance(node.layer, WeightedLayer | Sum) and node.name in self.gradients:
                p = self.unit_gradients[node.name].apart[ACROSS]
                own = 2 * p**2 * self.products / self.walk.signals[node.name].units
                self._add(BACK, {node.name: self._unit().times(1.0, self._whole(node.name))}, own)
        return self._laws()

    def _unit(self) -> Answer:
        ones = np.ones(self.size)
        return Answer(ones, np.outer(ones, ones), np.zeros((self.size, self.size)))

    def _second(self, kind: str, name: str) -> Array:
        signal = self.walk.signals[name]
        return signal.q if kind == SIGNAL else np.diagonal(self.gradients[name].total(signal)[ACROSS])

    def _add(
        self,
        kind: str,
        answers: dict[str, Answer],
        covariance: Array,
        mixed: Array | None = None,
        upward: dict[str, Answer] | None = None,
    ) -> None:
        """Add what a node's units do to ln T of all nodes; ``mixed`` is their covariance with its gradient's units."""
        for name, answer in answers.items():
            total = self._second(kind, name).sum()
            share = answer.single / total
            own = float(share @ covariance @ share)
            if mixed is not None and upward and name in upward:
                own += 2 * float(share @ mixed @ upward[name].single) / total
            self.variances[kind, name] = self.variances.get((kind, name), 0.0) + float(np.log1p(max(own, 0.0)))

    def _injected(self, name: str) -> dict[str, Answer]:
        """Return the answers of D of a node and of those below to what is added to its own P, in proportion."""
        answers = self.tangents.backward({}, {name: self._unit()})
        return {below: answer.times(1.0, self._whole(below)) for below, answer in answers.items()}

    def _parts(self, node: Node) -> list[tuple[Node, Array]]:
        """Return P of what each reader sends back to a node, at the node."""
        parts = []
        for reader in dict.fromkeys(self.graph.readers[node.name]):
            if reader.name not in self.unit_gradients:
                continue
            sent = KINDS[reader.layer.kind].backward(reader, self.walk, self.unit_gradients[reader.name])
            for name, own in zip(reader.inputs, sent, strict=True):
                if name == node.name:
                    parts.append((reader, own.apart[ACROSS]))
        return parts

    def _gradient_noise(self) -> dict[str, Array]:
        """Return covariances of D_aa and D_bb that the units of nodes add beyond those of nodes above.

        A sum passes its gradient on with its scatter; what comes from elsewhere scatters itself, and with the rest.
        """
        found = {}
        for node in self.tangents.nodes:
            units = self.walk.signals[node.name].units
            if node.name == self.output or isinstance(node.layer, Elementwise) or node.name not in self.gradients:
                continue
            if node.layer.kind == "normalisation":  # its units scatter with those below
                continue
            parts = self._parts(node)
            total = sum((p for _, p in parts), start=np.zeros((self.size, self.size)))
            noise = 2 * total**2 * self.products
            for reader, p in parts:
                if isinstance(reader.layer, Sum):
                    noise -= 2 * p**2 * self.products
                if isinstance(reader.layer, Elementwise):
                    noise += self._slope_noise(reader) - 2 * p**2 * self.products
            if noise.any():
                found[node.name] = noise / units
        return found

    def _whole(self, name: str) -> Array:
        """Return D over P times that of the outputs, (examples,): gradients that meet their own weights add to it."""
        p = np.diagonal(self.unit_gradients[name].apart[ACROSS]) * self._second(BACK, self.output)
        return np.divide(self._second(BACK, name), p, out=np.ones_like(p), where=p > 0)

    def _slope_noise(self, node: Node) -> Array:
        """Return Cov((f' h)_a^2, (f' h)_b^2) over the units of an activation, h being Gaussian of its own D."""
        p, known = self.unit_gradients[node.name].apart[ACROSS], self.tangents.derivatives(node)
        q = np.diagonal(p)
        squares = _slope_squares(known, self._rho(node))
        single = q * np.diagonal(known.slopes)
        both = np.outer(q, q) * self.squares
        return np.asarray(squares * (both + 2 * p**2 * self.products) - np.outer(single, single) * self.squares)

    def _mixed(self, node: Node) -> Array:
        """Return Cov(f_a^2, (f' h)_b^2) over the units of an activation, over n."""
        p, known = self.unit_gradients[node.name].apart[ACROSS], self.tangents.derivatives(node)
        d = np.diagonal(p) * self._second(BACK, self.output)
        signal = self.walk.signals[node.name]
        products = mixed_sum(known.series[2], known.series[4], self._rho(node))
        return np.asarray((products - np.outer(signal.q, np.diagonal(known.slopes))) * d / signal.units)

    def _rho(self, node: Node) -> Array:
        return correlation(self.walk.signals[node.inputs[0]].kernels[ACROSS])

    def _laws(self) -> dict[tuple[str, str], Fluctuation]:
        laws = {}
        for node in self.tangents.nodes:
            for kind in (SIGNAL, BACK) if node.name in self.gradients and self.outputs is not None else (SIGNAL,):
                own = self.draws.get((kind, node.name), np.ones(1))
                laws[kind, node.name] = Fluctuation(self.variances.get((kind, node.name), 0.0), 0.0, own, 0.0)
        return laws

    def _draw_outputs(self, outputs: Outputs) -> None:
        """Draw outputs: T of the outputs' signal and of all gradients over its mean, and what their D make of pairs.

        ``products`` and ``squares`` are E (g_a . g_b)^2 and E |g_a|^2 |g_b|^2 over the squared mean of |g|^2 of a draw,
        times that of the expected |g|^2. What meets its own weights is in proportion to (s . g)^2 of a draw, less what
        the independent part has along s.
        """
        signal = self.walk.signals[self.output]
        sampler = OutputSampler.of(outputs.cost, signal.kernels[ACROSS], outputs.targets)
        count, gradients = min(DRAWS, max(64, LOGITS // sampler.size)), list[Array]()
        logits, meeting = [], list[Array]()
        self.products, self.squares = np.zeros((2, self.size, self.size))
        for block in sampler.logits(count, Purpose.OUTPUT_DRAWS):
            logits.append((block**2).mean(axis=(0, 2)))
            g = np.moveaxis(sampler.gradient(block), 1, 0) / np.sqrt(signal.units)  # (draws, examples, outputs)
            along = (np.moveaxis(block, 1, 0) * g).sum(axis=2) / signal.q
            meeting.append((along**2 - (g**2).sum(axis=2) / signal.q).T)
            square = (g**2).sum(axis=2)
            gradients.append(square.T)
            g = g / np.sqrt(square.mean(axis=1))[:, np.newaxis, np.newaxis]
            self.products += ((g @ np.swapaxes(g, 1, 2)) ** 2).sum(axis=0)
            own = (g**2).sum(axis=2)
            self.squares += own.T @ own
        drawn, every, along = np.concatenate(logits), np.concatenate(gradients, axis=1), np.concatenate(meeting, axis=1)
        size = self._second(BACK, self.output).mean() ** 2 / every.shape[1]
        self.products, self.squares = self.products * size, self.squares * size
        self.draws[SIGNAL, self.output] = drawn / drawn.mean()
        mean = along.mean(axis=1, keepdims=True)
        along = np.divide(along, mean, out=np.zeros_like(along), where=mean > 0)
        for name, gradient in self.unit_gradients.items():
            p = np.diagonal(gradient.apart[ACROSS])
            met = np.maximum(self._second(BACK, name) - p * self._second(BACK, self.output), 0)
            forms = np.maximum(p @ every + met @ along, 0)
            self.draws[BACK, name] = forms / forms.mean() if forms.any() else np.ones(1)


def _slope_squares(known: Derivatives, rho: Array) -> Array:
    """Return E f'_a^2 f'_b^2: the series leaves little out but of examples that are alike."""
    squares = symmetric_sum(known.series[4], rho)
    np.fill_diagonal(squares, known.slope_fourth)
    return squares
