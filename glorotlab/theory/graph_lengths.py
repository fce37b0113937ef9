"""Learning speeds of a graph: the expected lengths of its bias gradients, by the outputs' own scatter."""

from __future__ import annotations

import numpy as np

from glorotlab import costs
from glorotlab.arrays import Array
from glorotlab.spec.layers.graph import Node
from glorotlab.theory.graph_statistics import Row
from glorotlab.theory.mean_field.graph_scatter import Scatter
from glorotlab.theory.mean_field.learning_speed import LOST, mean_lengths
from glorotlab.theory.mean_field.output_gradient import OutputGradient
from glorotlab.theory.mean_field.output_sampling import OutputSampler

SQUARE = "batch_bias_gradient_second_moment"


def add_lengths(
    rows: list[tuple[Node, Row]],
    scatter: Scatter,
    output: OutputGradient,
    cost: costs.Cost,
    scale: float,
    logits: Array,
    targets: Array,
) -> float:
    """Put ``learning_speed`` into the rows of layers with biases, and return its largest relative standard error.

    Parameters
    ----------
    rows : list of Node and Row
        The output's last; the statistics of gradients are in them.
    scatter : Scatter
    output : OutputGradient
        Of the cost times ``scale``.
    cost : Cost
    scale : float
    logits : (examples, examples)
        Covariance of the outputs.
    targets : (examples, outputs)
    """
    kept = [(node, row) for node, row in rows if SQUARE in row and node.name in scatter.products]
    kept = [(node, row) for node, row in kept if float(np.asarray(row[SQUARE])) > 0]
    if not kept or (kept[-1] is not rows[-1] and kept[-1][0].name != rows[-1][0].name):
        return 0.0
    expected, single = (
        np.array([float(np.asarray(row[name])) for _, row in kept]) / scale**2
        for name in (SQUARE, "backprop_gradient_second_moment")
    )
    targets = -np.sort(-targets) if len(targets) == 1 else targets  # units are alike: one class is as good as another
    sampler = OutputSampler.of(cost, logits, targets)
    if len(targets) == 1:  # all layers share the length of the output gradient
        mean, error = mean_lengths([], expected[-1:], expected[-1:].copy(), sampler)
        means = np.full(len(kept), mean[0])
    else:
        products = [scatter.products[node.name] for node, _ in kept]
        independent = np.array([(product * output.kernel).mean() / scale**2 for product in products])
        independent[independent < LOST * single] = np.nan
        rounded = [product.astype(np.float32) for product in products[:-1]]
        means, error = mean_lengths(rounded, expected, independent, sampler)
    for (node, row), mean, square in zip(kept, means, expected, strict=True):
        row["learning_speed"] = float(scale * np.sqrt(node.units * square) * mean)
    return error
