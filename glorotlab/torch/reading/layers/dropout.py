"""Dropout of single elements."""

from __future__ import annotations

from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.dropout import Dropout
from glorotlab.spec.layers.graph import Unknown
from glorotlab.torch.reading.call import Call, Reader


def dropout(call: Call) -> Layer | None:
    """Read dropout, which does nothing with p = 0 or outside of training mode."""
    p = call.option("p", 1, 0.5)
    return Dropout(1 - float(p)) if p > 0 and call.option("training", 2, True) else None


def other_dropout(call: Call) -> Layer | None:
    """Read dropout of whole channels, and alpha dropout."""
    if dropout(call) is None:
        return None
    return Unknown("dropout other than that of single elements is not covered by the theory")


_OTHERS = ("AlphaDropout", "FeatureAlphaDropout", "Dropout1d", "Dropout2d", "Dropout3d")
_OTHER_FUNCTIONS = ("alpha_dropout", "feature_alpha_dropout", "dropout1d", "dropout2d", "dropout3d")

MODULES: dict[str, Reader] = {"Dropout": dropout, **dict.fromkeys(_OTHERS, other_dropout)}
FUNCTIONS: dict[str, Reader] = {"dropout": dropout, **dict.fromkeys(_OTHER_FUNCTIONS, other_dropout)}
