"""Dropout in training mode: a mask of its own for every element, example and pass."""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab.spec.layers.base import Layer


@dataclass(frozen=True)
class Dropout(Layer):
    """z m / keep, m being 1 with probability ``keep``, else 0.

    Parameters
    ----------
    keep : float
    """

    kind = "dropout"
    keep: float
