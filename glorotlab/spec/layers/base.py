"""What all layer kinds have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Layer:
    """Base of the layers, which are what nodes compute from their inputs; each kind has its own class."""

    kind: ClassVar[str]
    """Name of the kind, which is also that of its file."""


@dataclass(frozen=True)
class WeightedLayer(Layer):
    """A layer with weights of mean 0, independent and of one variance, and biases likewise.

    Parameters
    ----------
    fan_in, fan_out : int
        Number of weights that a unit sums over, and that an input feeds, borders left aside.
    weight_variance, bias_variance : float
        Second moments of the weights and of the biases, 0 without biases.
    """

    fan_in: int
    fan_out: int
    weight_variance: float
    bias_variance: float
