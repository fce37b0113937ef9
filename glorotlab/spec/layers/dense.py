"""Dense layers: s = z W + b, at every position alike where there are positions."""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab.spec.layers.base import WeightedLayer


@dataclass(frozen=True)
class Dense(WeightedLayer):
    """A dense layer."""

    kind = "dense"
