"""Batch normalization of maps, forward: one channel's mean and variance over all examples and positions.

A channel's values s ~ N(0, Q) have mean m and variance v over their N points. Whatever their law, y = (s - m) / sqrt(v)
has mean square 1 over the points and is symmetric: E f(y)^2 of a ReLU is half of it. How it is spread over the points
follows where v settles, as it does over many independent ones: E y_a^2 is in proportion to q_a - 2 R_a + R, R_a = E s_a
m and R its mean. As most pairs of points are far from each other, R_a is that of inputs which have nothing in common
but their means. What takes the law of v is left unknown: pairs of points, other activations, and the way back.
"""

from __future__ import annotations

from math import prod

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.convolution import Convolution
from glorotlab.spec.layers.graph import Node
from glorotlab.spec.layers.normalisation import BatchNorm
from glorotlab.spec.layers.residual import Sum
from glorotlab.theory.mean_field.layers.base import Signal, Walk
from glorotlab.theory.mean_field.layers.convolution import channel_gain, gathered

ERROR = 0.02
"""Relative error of second moments above, as far as they depend on how y is spread over points."""

BACK = (
    "gradients through batch normalization of maps, which take the mean of 1 / variance of a channel over the batch: "
    "of pictures it is up to twice 1 / mean variance"
)
"""Why the way back is refused."""

LEAST_POINTS = 8
"""Least number of points of a channel; of two, which are 1 and -1, a sum with another node is 9 % off."""

LARGEST_SPREAD_ERROR = 0.1
"""Largest relative error of an example's second moment that an activation which bends may stand on; over a batch they
cancel to about a fifth."""

LARGEST_EPSILON = 0.1
"""Largest epsilon, as a share of the mean variance; beyond it the law of v counts."""

POINTS = np.array([-1.5, -0.6, 0.6, 1.5])
"""Where a function is asked whether it is in proportion to x on either side of 0."""


def check(walk: Walk, name: str, record: Activation) -> None:
    """Raise AssumptionError where an activation takes more than second moments of what is normalized over the batch."""
    if np.allclose(record.function(2 * POINTS), 2 * record.function(POINTS)):
        return
    if has_unknown_law(walk, name):
        raise AssumptionError(
            f"{record.name} of maps that are normalized over the batch: the law of their values is known to be "
            "symmetric, which is enough for ReLU and what else is in proportion to x on either side of 0"
        )
    error = max((walk.memory[below] for below in _normalized_below(walk, name)), default=0.0)
    if error > LARGEST_SPREAD_ERROR:
        raise AssumptionError(
            f"{record.name} behind batch normalization of maps of examples of unlike sizes, whose second moments are "
            f"known to {error:.0%}: allowed is {LARGEST_SPREAD_ERROR:.0%}"
        )


def _normalized_below(walk: Walk, name: str) -> list[str]:
    """Return the nodes below whose maps are normalized over the batch."""
    needed, found = {name}, []
    for node in reversed(walk.graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
            if isinstance(node.layer, BatchNorm) and node.positions:
                found.append(node.name)
    return found


def has_unknown_law(walk: Walk, name: str) -> bool:
    """Return whether a node is normalized over the batch and its positions, or rests on such a node without weights."""
    node = walk.graph[name]
    if isinstance(node.layer, WeightedLayer):
        return False
    if isinstance(node.layer, BatchNorm):
        return bool(node.positions)
    return any(has_unknown_law(walk, below) for below in node.inputs)


def forward(node: Node, walk: Walk, s: Signal, layer: BatchNorm) -> Signal:
    """Return the signal of y, of single points."""
    if not (s.gaussian or isinstance(walk.graph[node.inputs[0]].layer, Convolution)):
        raise AssumptionError("batch normalization of maps that are not the result of weights")
    if s.q.size < LEAST_POINTS:
        raise AssumptionError(
            f"batch normalization of maps over {s.q.size} points: allowed are {LEAST_POINTS} or more, examples times "
            "positions"
        )
    common = _common(node.inputs[0], walk)
    squares = np.maximum(s.q - 2 * common + common.mean(), 0)
    variance = float(squares.mean())
    if layer.epsilon >= LARGEST_EPSILON * variance:
        raise AssumptionError(
            f"batch normalization of maps of variance {variance:.3g} with epsilon {layer.epsilon:g}: allowed is "
            f"{LARGEST_EPSILON:g} times the variance, as the law of a channel's own variance counts beyond"
        )
    y = layer.gain_second_moment * squares / (variance + layer.epsilon) + layer.bias_second_moment
    mean = np.full_like(y, layer.bias_mean)
    walk.memory[node.name] = _spread_error(squares)
    gaussian = not layer.bias_second_moment and layer.gain_mean**2 == layer.gain_second_moment
    return Signal(node.units, {s.here: y}, mean, gaussian, s.sources, error=ERROR)


def _spread_error(squares: Array) -> float:
    """Return the largest relative error of an example's E y^2 if all of its points were one.

    Of an example with share p of v, E s^2 / v is 1 - 2 p + 2 sum p^2 times q / E v, to first order: large examples are
    in their own v.
    """
    shares = squares.reshape(len(squares), -1).mean(axis=1)
    shares = shares / shares.sum()
    return float(2 * np.abs(shares - (shares**2).sum()).max())


def _common(name: str, walk: Walk) -> Array:
    """Return E s_a m of a convolution, or a sum of such, (examples, *positions); 0 of what is not followed to there."""
    node, s = walk.graph[name], walk.signals[name]
    layer = node.layer
    if isinstance(layer, Sum):
        terms = zip(layer.factors, node.inputs, strict=True)
        return sum((factor**2 * _common(below, walk) for factor, below in terms), start=np.zeros_like(s.q))
    if not isinstance(layer, Convolution):
        return np.zeros_like(s.q)
    z = walk.input_of(name).mean
    inside = gathered(layer, np.ones_like(z), node.positions).mean() / prod(layer.kernel_size)
    own = channel_gain(layer) * gathered(layer, z, node.positions) * z.mean() * inside
    return np.asarray(own + layer.bias_variance)
