"""Residual connections: sums of nodes, each times a constant; of one node, a constant factor."""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab.spec.layers.base import Layer


@dataclass(frozen=True)
class Sum(Layer):
    """A weighted sum of the node's inputs, of one shape.

    Parameters
    ----------
    factors : tuple of float
        One for each input: (1, 1) of h + g, (-1,) of a negation.
    """

    kind = "residual"
    factors: tuple[float, ...]
