"""Normalization: over the units of an example (LayerNorm, RMSNorm), or over the batch (BatchNorm in training mode)."""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab.spec.layers.base import Layer


@dataclass(frozen=True)
class Normalisation(Layer):
    """A normalization, then y -> gain y + bias for every unit.

    Parameters
    ----------
    epsilon : float
        What is added to the variance.
    gain_second_moment, bias_second_moment : float
        Means over units of gain^2 and bias^2: 1 and 0 at initialization.
    gain_mean, bias_mean : float
        Means over units of both.
    """

    kind = "normalisation"
    epsilon: float
    gain_second_moment: float = 1.0
    bias_second_moment: float = 0.0
    gain_mean: float = 1.0
    bias_mean: float = 0.0


@dataclass(frozen=True)
class LayerNorm(Normalisation):
    """(h - mean) / sqrt(variance + epsilon) over the units of one example, at every position by itself."""


@dataclass(frozen=True)
class RMSNorm(Normalisation):
    """h / sqrt(mean of h^2 + epsilon) over the units of one example, at every position by itself."""


@dataclass(frozen=True)
class BatchNorm(Normalisation):
    """(s - mean) / sqrt(variance + epsilon) over the examples and positions of one unit; the variance divides by N."""
