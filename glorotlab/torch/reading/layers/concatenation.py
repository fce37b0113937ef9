"""Concatenations along the units."""

from __future__ import annotations

from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.concatenation import Concatenation
from glorotlab.spec.layers.graph import Unknown
from glorotlab.torch.reading.call import Call, Reader


def join(call: Call) -> Layer:
    """Read ``torch.cat`` along the axis of units."""
    rank = len(call.shape)
    axis = call.argument(1, "dim", call.node.kwargs.get("axis", 0)) % rank
    values = call.argument(0, "tensors", ())
    if len(call.inputs) < len(values):
        return Unknown("a concatenation with a parameter is not covered by the theory")
    if axis != (rank - 1 if rank == 2 or call.channels_last else 1):
        return Unknown("a concatenation along other axes than the units' is not covered by the theory")
    return Concatenation()


MODULES: dict[str, Reader] = {}
FUNCTIONS: dict[str, Reader] = dict.fromkeys(("cat", "concat", "concatenate"), join)
