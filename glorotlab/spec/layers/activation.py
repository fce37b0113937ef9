"""Activations: z = f(s), element by element."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from glorotlab import activations
from glorotlab.activations import Activation
from glorotlab.spec.layers.base import Layer


@dataclass(frozen=True)
class Elementwise(Layer):
    """An activation.

    Parameters
    ----------
    name : str
        As ``activations.get`` takes it, parameters included.
    """

    kind = "activation"
    name: str

    @cached_property
    def record(self) -> Activation:
        """The activation's record."""
        return activations.get(self.name)
