"""Average and max pooling, means over positions, and flattening."""

from __future__ import annotations

from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.graph import Unknown
from glorotlab.spec.layers.pooling import Flatten
from glorotlab.torch.reading.call import Call, Reader


def same(call: Call) -> None:
    """Read what leaves its input as it is."""


def reshape(call: Call) -> Layer | None:
    """Read a view that leaves all as it is, or makes units of positions."""
    before, after = call.input_shape, call.shape
    if before == after:
        return None
    if len(after) == 2 and after[0] == before[0]:
        return Flatten()
    return Unknown("a change of shape other than flattening is not followed by the theory")


MODULES: dict[str, Reader] = {"Identity": same, "Flatten": reshape}
FUNCTIONS: dict[str, Reader] = {
    "contiguous": same,
    "clone": same,
    "to": same,
    "float": same,
    "double": same,
    "type_as": same,
    "flatten": reshape,
    "view": reshape,
    "reshape": reshape,
    "squeeze": reshape,
    "unsqueeze": reshape,
}
