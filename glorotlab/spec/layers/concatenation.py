"""Concatenations: the units of several nodes side by side."""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab.spec.layers.base import Layer


@dataclass(frozen=True)
class Concatenation(Layer):
    """The units of all inputs as units of one value, at every position."""

    kind = "concatenation"
