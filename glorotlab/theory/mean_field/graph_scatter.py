"""Contributions of scattering kernels to the batch's gradients of a graph, as in ``kernel_covariance``.

The weight gradient's second moment is the mean over pairs of examples of M_ab D_ab of one network, whose covariance is
a sum over the nodes whose units scatter: each moves M_ab and D_ab at once (``graph_tangents``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.theory.mean_field.graph_tangents import Tangents
from glorotlab.theory.mean_field.graph_walk import Followed, carry_back
from glorotlab.theory.mean_field.layers.base import Gradient
from glorotlab.theory.mean_field.output_gradient import OutputGradient
from glorotlab.theory.mean_field.unit_scatter import ACROSS, HERE


@dataclass(frozen=True)
class Scatter:
    """Contributions of pairs of different examples to mean squares of the batch's gradients, by node.

    Parameters
    ----------
    weight, bias : dict of str to float
    products : dict of str to (examples, examples)
        P, what D of the outputs is multiplied by on its way to a node.
    left_out : str
        Why it is not known; empty where it is.
    """

    weight: dict[str, float] = field(default_factory=dict)
    bias: dict[str, float] = field(default_factory=dict)
    products: dict[str, Array] = field(default_factory=dict)
    left_out: str = ""


def graph_scatter(found: Followed, output: OutputGradient) -> Scatter:
    """Return the scatter of a graph of vectors whose gradient is known; of one example there is none."""
    graph = found.walk.graph
    size = len(found.walk.signals[graph.output].q)
    tangents = Tangents(found, output.answer, np.zeros(size))
    try:
        tangents.check()
    except AssumptionError as error:
        return Scatter(left_out=str(error))
    products = {name: gradient.apart[ACROSS] for name, gradient in unit_gradients(found).items()}
    result = Scatter(products=products)
    if size == 1:
        return result
    dense = [node for node in tangents.nodes if node.layer.kind == "dense" and node.name in found.gradients]
    outputs = np.zeros((size, size))
    for source, noise in tangents.sources():
        signal = tangents.forward(source)
        back = tangents.backward(signal)
        for node in dense:
            if node.inputs[0] in signal:
                added = noise.covariance(signal[node.inputs[0]], back[node.name])
                result.weight[node.name] = result.weight.get(node.name, 0.0) + _between(added)
        if graph.output in signal:
            outputs += noise.covariance(signal[graph.output], signal[graph.output])
    if output.curved is not None:
        for name, product in result.products.items():
            result.bias[name] = _between(product * output.curved * outputs / 2)
    return result


def _between(values: Array) -> float:
    """Return the sum over pairs of different examples, over the number of all pairs."""
    return float((values.sum() - np.trace(values)) / values.size)


def unit_gradients(found: Followed) -> dict[str, Gradient]:
    """Return P of every node: D of a gradient that is 1 at the outputs, if no weights were used twice."""
    walk = found.walk
    signal = walk.signals[walk.graph.output]
    size, nothing = len(signal.q), np.zeros(len(signal.q))
    ones = {HERE: np.ones(size), ACROSS: np.ones((size, size))}
    return carry_back(walk, Gradient(ones, nothing, nothing, frozenset({walk.graph.output})))[0]
