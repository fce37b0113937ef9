"""Lines that several commands print: what was asked, on which examples, and what a prediction rests on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from glorotlab.cli.terminal import console

if TYPE_CHECKING:
    import xarray as xr

    from glorotlab.spec.network import NetworkSpec


def spec_line(spec: NetworkSpec) -> str:
    """Return a network in one line."""
    return f"{spec.layers} {spec.activation} {spec.initializer}, biases {spec.bias}, {spec.output} + {spec.cost}"


def examples_line(data: Mapping[str, Any]) -> str:
    """Return in a few words which examples were taken."""
    return f"first {data['examples']} test examples of {data['dataset']}"


def print_assumptions(prediction: xr.Dataset) -> None:
    """Print what a prediction rests on, and its errors."""
    out = console()
    out.print("Assumptions of the prediction")
    for assumption in json.loads(prediction.attrs["assumptions"]):
        out.print(f"  - {assumption}")
    numerical, width, gaussianity = (
        prediction.attrs.get(f"{name}_error", 0.0) for name in ("numerical", "finite_width", "gaussianity")
    )
    out.print(
        f"Relative errors: numerical at most {numerical:.1g}; of the order of {width:.1g} for finite width, "
        f"{gaussianity:.1g} for pre-activations that are not Gaussian"
    )
