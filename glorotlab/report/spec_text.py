"""Specs as the TOML that the commands read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomli_w

from glorotlab.spec.network import fold_layers


def spec_text(fields: Mapping[str, Any]) -> str:
    """Return the fields of a spec as TOML: layer sizes as ``784,1000x5,10``, what is not set left out."""
    return tomli_w.dumps(_shortened(fields))


def _shortened(fields: Mapping[str, Any]) -> dict[str, Any]:
    short: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "layer_sizes":
            short["layers"] = fold_layers(value)
        elif value is not None:
            short[name] = _shortened(value) if isinstance(value, Mapping) else value
    return short
