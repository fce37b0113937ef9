"""Biases that are added by hand, such as learned embeddings of positions: h + b with a parameter b."""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab.spec.layers.base import Layer


@dataclass(frozen=True)
class Bias(Layer):
    """h + b, b being independent and of mean 0 for every unit, and the same for all examples.

    Parameters
    ----------
    variance : float
        Second moment of b.
    own : tuple of bool
        Whether b has a value of its own at every position, along each axis of positions.
    """

    kind = "bias"
    variance: float
    own: tuple[bool, ...] = ()
