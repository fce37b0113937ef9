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
from glorotlab.theory.finite_width.graph_correlations import correlations, scattered
from glorotlab.theory.finite_width.graph_gradient_noise import DrawnOutputs, GradientNoise
from glorotlab.theory.gaussian.covariance import correlation
from glorotlab.theory.gaussian.hermite_series import mixed_sum, symmetric_sum
from glorotlab.theory.mean_field.graph_scatter import unit_gradients
from glorotlab.theory.mean_field.graph_tangents import Tangents
from glorotlab.theory.mean_field.layers.base import Gradient
from glorotlab.theory.mean_field.output_sampling import OutputSampler
from glorotlab.theory.mean_field.unit_scatter import ACROSS, Answer, gaussian_noise

DRAWS = 2**12
"""Number of output layers drawn for a batch of few logits; for more, so many that they have ``LOGITS`` together."""

LOGITS = 2**21

SIGNAL, BACK = "signal", "backprop_gradient"


@dataclass(frozen=True)
class Outputs:
    """The data from which outputs are drawn.

    Parameters
    ----------
    cost : Cost
    targets : (examples, outputs)
    """

    cost: Cost
    targets: Array


def graph_fluctuations(tangents: Tangents, outputs: Outputs | None) -> dict[tuple[str, str], Fluctuation]:
    """Return the scatter of every node's signal and, with ``outputs``, gradient, by node and ``SIGNAL``.

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
        self.seconds: dict[tuple[str, str], Array] = {}
        self.draws: dict[tuple[str, str], Array] = {}
        self.unit_gradients: dict[str, Gradient] = {}
        if outputs is not None:
            self.unit_gradients = unit_gradients(tangents.found)
        self.correlations = correlations(tangents, self.unit_gradients)
        if outputs is not None:
            drawn = self._draw_outputs(outputs)
            self.noise = GradientNoise(tangents, self.unit_gradients, drawn, self.correlations)

    def all(self) -> dict[tuple[str, str], Fluctuation]:
        """Return the scatter of all second moments."""
        for source, noise in self.tangents.sources():
            signal = self.tangents.forward(source)
            covariance = noise.others + self._scattered(self.graph[source])
            np.fill_diagonal(covariance, noise.single)
            back = self.tangents.backward(signal) if self.outputs is not None else {}
            mixed, upward = None, dict[str, Answer]()
            node = self.graph[source]
            if isinstance(node.layer, Elementwise) and self.outputs is not None and source in self.gradients:
                mixed, upward = self._mixed(node), self._injected(node.inputs[0])
            self._add(SIGNAL, signal, covariance)
            self._add(BACK, back, covariance, mixed, upward)
        if self.output in self.correlations.signal:
            self._add(SIGNAL, {self.output: self._unit()}, self._scattered(self.graph[self.output]))
        if self.outputs is not None:
            for name, covariance in self.noise.covariances().items():
                self._add(BACK, self._injected(name), covariance)
        for node in self.tangents.nodes:  # its own units, where they are no source
            if isinstance(node.layer, WeightedLayer) and node.name != self.output:
                readers = self.graph.readers[node.name]
                if all(isinstance(reader.layer, Elementwise) for reader in readers):
                    own = gaussian_noise(self.walk.signals[node.name]).others
                    self._add(SIGNAL, {node.name: self._unit()}, own + self._scattered(node))
            elif not isinstance(node.layer, WeightedLayer | Sum) and node.name in self.gradients:
                own = self.noise.own(node.name)
                self._add(BACK, {node.name: self._unit().times(1.0, self._whole(node.name))}, own)
        return self._laws()

    def _scattered(self, node: Node) -> Array:
        """Return the contribution of scattering correlations to Cov(e_aa, e_bb) of a node's units."""
        signal, name = self.walk.signals[node.name], node.name
        if isinstance(node.layer, Elementwise):
            series, rho = self.tangents.derivatives(node).series[2], self._rho(node)
            mean = scattered(lambda own: symmetric_sum(series, own), rho, self._variance(node.inputs[0]))
            return (mean - symmetric_sum(series, rho)) / signal.units
        if isinstance(node.layer, Sum):
            return 4 * self.correlations.cross.get(name, 0.0 * signal.kernels[ACROSS]) / signal.units
        return 2 * np.outer(signal.q, signal.q) * self._variance(name) / signal.units

    def _variance(self, name: str) -> Array:
        return self.correlations.signal.get(name, np.zeros((self.size, self.size)))

    def _unit(self) -> Answer:
        ones = np.ones(self.size)
        return Answer(ones, np.outer(ones, ones), np.zeros((self.size, self.size)))

    def _second(self, kind: str, name: str) -> Array:
        if (kind, name) not in self.seconds:
            signal = self.walk.signals[name]
            own = signal.q if kind == SIGNAL else np.diagonal(self.gradients[name].total(signal)[ACROSS])
            self.seconds[kind, name] = own
        return self.seconds[kind, name]

    def _add(
        self,
        kind: str,
        answers: dict[str, Answer],
        covariance: Array,
        mixed: Array | None = None,
        upward: dict[str, Answer] | None = None,
    ) -> None:
        """Add the influence of a node's units on ln T of all nodes; ``mixed`` is their covariance with its gradient."""
        for name, answer in answers.items():
            total = self._second(kind, name).sum()
            share = answer.single / total
            own = float(share @ covariance @ share)
            if mixed is not None and upward and name in upward:
                own += 2 * float(share @ mixed @ upward[name].single) / total
            self.variances[kind, name] = self.variances.get((kind, name), 0.0) + float(np.log1p(max(own, 0.0)))

    def _injected(self, name: str) -> dict[str, Answer]:
        """Return the relative derivatives of D of a node and of those below in an addition to its own P."""
        answers = self.tangents.backward({}, {name: self._unit()})
        return {below: answer.times(1.0, self._whole(below)) for below, answer in answers.items()}

    def _whole(self, name: str) -> Array:
        """Return D over P times that of the outputs, (examples,), which exceeds 1 because weights are used twice."""
        p = np.diagonal(self.unit_gradients[name].apart[ACROSS]) * self._second(BACK, self.output)
        return np.divide(self._second(BACK, name), p, out=np.ones_like(p), where=p > 0)

    def _mixed(self, node: Node) -> Array:
        """Return Cov(f_a^2, (f' h)_b^2) over the units of an activation, over n."""
        p, known = self.unit_gradients[node.name].apart[ACROSS], self.tangents.derivatives(node)
        d = np.diagonal(p) * self._second(BACK, self.output)
        signal = self.walk.signals[node.name]
        left, right = known.series[2], known.series[4]
        variance = self._variance(node.inputs[0])
        products = scattered(lambda rho: mixed_sum(left, right, rho), self._rho(node), variance)
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

    def _draw_outputs(self, outputs: Outputs) -> DrawnOutputs:
        """Draw outputs: T of the outputs' signal and of all gradients over its mean; return moments of their gradients.

        These are over the squared mean of |g|^2 of a draw, times that of the expected |g|^2. What meets its own weights
        is in proportion to (s . g)^2 of a draw, less what the independent part has along s.
        """
        signal = self.walk.signals[self.output]
        sampler = OutputSampler.of(outputs.cost, signal.kernels[ACROSS], outputs.targets)
        count, gradients = min(DRAWS, max(64, LOGITS // sampler.size)), list[Array]()
        logits, meeting = [], list[Array]()
        products, squares = np.zeros((2, self.size, self.size))
        for block in sampler.logits(count, Purpose.OUTPUT_DRAWS):
            logits.append((block**2).mean(axis=(0, 2)))
            g = np.moveaxis(sampler.gradient(block), 1, 0) / np.sqrt(signal.units)  # (draws, examples, outputs)
            along = (np.moveaxis(block, 1, 0) * g).sum(axis=2) / signal.q
            meeting.append((along**2 - (g**2).sum(axis=2) / signal.q).T)
            square = (g**2).sum(axis=2)
            gradients.append(square.T)
            g = g / np.sqrt(square.mean(axis=1))[:, np.newaxis, np.newaxis]
            products += ((g @ np.swapaxes(g, 1, 2)) ** 2).sum(axis=0)
            own = (g**2).sum(axis=2)
            squares += own.T @ own
        drawn, every, along = np.concatenate(logits), np.concatenate(gradients, axis=1), np.concatenate(meeting, axis=1)
        size = self._second(BACK, self.output).mean() ** 2 / every.shape[1]
        self.draws[SIGNAL, self.output] = drawn / drawn.mean()
        mean = along.mean(axis=1, keepdims=True)
        along = np.divide(along, mean, out=np.zeros_like(along), where=mean > 0)
        for name, gradient in self.unit_gradients.items():
            p = np.diagonal(gradient.apart[ACROSS])
            met = np.maximum(self._second(BACK, name) - p * self._second(BACK, self.output), 0)
            forms = np.maximum(p @ every + met @ along, 0)
            self.draws[BACK, name] = forms / forms.mean() if forms.any() else np.ones(1)
        return DrawnOutputs(products * size, squares * size)
