"""Scatter of a graph's gradients due to the units of its nodes, given the nodes above.

Gradients that come back through weights are Gaussian over units, of D of one network: their squares covary by
2 E D_ab^2, of drawn outputs and of P_ab that scatters between networks. An activation's are f'(s) h, of one unit's s
and h. A sum passes its gradient on with its scatter; what comes from elsewhere scatters itself, and with the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.graph import Node
from glorotlab.spec.layers.residual import Sum
from glorotlab.theory.finite_width.graph_correlations import Correlations, scattered
from glorotlab.theory.gaussian.covariance import correlation
from glorotlab.theory.gaussian.hermite_series import symmetric_sum
from glorotlab.theory.mean_field.graph_tangents import Tangents
from glorotlab.theory.mean_field.graph_walk import KINDS
from glorotlab.theory.mean_field.layers.base import Gradient
from glorotlab.theory.mean_field.unit_scatter import ACROSS, Answer, Derivatives


@dataclass(frozen=True)
class DrawnOutputs:
    """Moments of the gradients g of drawn outputs, (examples, examples).

    Parameters
    ----------
    products, squares : Array
        E (g_a . g_b)^2 and E |g_a|^2 |g_b|^2.
    """

    products: Array
    squares: Array


class GradientNoise:
    """Covariances between networks of D, given what is above.

    Parameters
    ----------
    tangents : Tangents
    unit_gradients : dict of str to Gradient
        P of every node, what its gradient is of an output's of 1.
    outputs : DrawnOutputs
    correlations : Correlations
    """

    def __init__(
        self,
        tangents: Tangents,
        unit_gradients: Mapping[str, Gradient],
        outputs: DrawnOutputs,
        correlations: Correlations,
    ) -> None:
        self.tangents, self.outputs, self.correlations = tangents, outputs, correlations
        self.walk, self.unit_gradients = tangents.found.walk, unit_gradients
        self.variances = {name: own * outputs.products for name, own in correlations.slopes.items()}
        self._add_scatter_of_units()

    def own(self, name: str) -> Array:
        """Return the covariances of D_aa and D_bb of Gaussian gradients over the units of a node."""
        return self._squares(self._p(name), name) / self.walk.signals[name].units

    def covariances(self) -> dict[str, Array]:
        """Return the contributions of every node's units to the covariances of D_aa and D_bb, by name."""
        return self._added(pair=False)

    def _p(self, name: str) -> Array:
        return self.unit_gradients[name].apart[ACROSS]

    def _squares(self, p: Array, name: str, *, pair: bool = False) -> Array:
        """Return Cov(g_a^2, g_b^2) of Gaussian gradients of this P, or with ``pair`` Var(g_a g_b)."""
        sizes = _sizes(p)
        if pair:
            return sizes * self.outputs.squares + p**2 * self.outputs.products
        return np.asarray(2 * (p**2 * self.outputs.products + sizes * self.variances.get(name, 0.0)))

    def _slopes(self, node: Node, *, pair: bool) -> Array:
        """Return the same for f' h over the units of an activation, with h Gaussian with its own D."""
        p, known = self._p(node.name), self.tangents.derivatives(node)
        rho = correlation(self.walk.signals[node.inputs[0]].kernels[ACROSS])
        variance = self.correlations.signal.get(node.inputs[0], 0.0)
        squares = scattered(lambda own: _slope_squares(known, own), rho, variance)
        every = squares * (_sizes(p) * self.outputs.squares + self._squares(p, node.name))
        if pair:
            return np.asarray(every - (known.slopes * p) ** 2 * self.outputs.products)
        single = np.diagonal(p) * np.diagonal(known.slopes)
        return np.asarray(every - np.outer(single, single) * self.outputs.squares)

    def _parts(self, node: Node) -> list[tuple[Node, Array]]:
        """Return P of what each reader sends back to a node, at the node."""
        parts = []
        for reader in dict.fromkeys(self.walk.graph.readers[node.name]):
            if reader.name not in self.unit_gradients:
                continue
            sent = KINDS[reader.layer.kind].backward(reader, self.walk, self.unit_gradients[reader.name])
            for name, own in zip(reader.inputs, sent, strict=True):
                if name == node.name:
                    parts.append((reader, own.apart[ACROSS]))
        return parts

    def _added(self, *, pair: bool) -> dict[str, Array]:
        """Return the contributions of units to covariances of D_aa and D_bb, or with ``pair`` to the variance of D_ab.

        A normalization's units scatter with those below.
        """
        found = {}
        for node in self.tangents.nodes:
            if node.name == self.walk.graph.output or node.name not in self.unit_gradients:
                continue
            if isinstance(node.layer, Elementwise) or node.layer.kind == "normalisation":
                continue
            parts = self._parts(node)
            total = sum((p for _, p in parts), start=np.zeros_like(self.outputs.squares))
            noise = self._squares(total, node.name, pair=pair)
            for reader, p in parts:
                if isinstance(reader.layer, Sum):
                    noise = noise - self._squares(p, reader.name, pair=pair)
                if isinstance(reader.layer, Elementwise):
                    noise = noise + self._slopes(reader, pair=pair) - self._squares(p, node.name, pair=pair)
            if noise.any():
                found[node.name] = noise / self.walk.signals[node.name].units
        return found

    def _add_scatter_of_units(self) -> None:
        """Add to the variance of D_ab / sqrt(P_aa P_bb), given the units of a node, what nodes above it scatter.

        Of Gaussian gradients of correlation rho the product of two has variance 1 + rho^2, their correlation
        (1 - rho^2)^2: its sizes scatter with it. That share is taken of others too.
        """
        ones = np.ones_like(self.outputs.squares)
        unit = Answer(np.diagonal(ones), ones, np.zeros_like(ones))
        for name, variance in self._added(pair=True).items():
            p = self._p(name)
            rho2 = np.clip(_over(p**2 * self.outputs.products, _sizes(p) * self.outputs.squares), 0, 1)
            own = variance * (1 - rho2) ** 2 / (1 + rho2)
            np.fill_diagonal(own, 0.0)
            for below, answer in self.tangents.backward({}, {name: unit}).items():
                if below != name:
                    added = _over(answer.pair**2 * own, _sizes(self._p(below)))
                    self.variances[below] = self.variances.get(below, 0.0) + added


def _sizes(p: Array) -> Array:
    return np.outer(np.diagonal(p), np.diagonal(p))


def _over(values: Array, size: Array) -> Array:
    return np.divide(values, size, out=np.zeros_like(values), where=size > 0)


def _slope_squares(known: Derivatives, rho: Array) -> Array:
    """Return E f'_a^2 f'_b^2 by a series, which is inaccurate only for examples that are nearly alike."""
    squares = symmetric_sum(known.series[4], rho)
    np.fill_diagonal(squares, known.slope_fourth)
    return squares
