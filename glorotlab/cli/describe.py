"""Lines that several commands print: the network, the examples, and the assumptions of a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from glorotlab.cli.terminal import say, say_folded

if TYPE_CHECKING:
    import xarray as xr

    from glorotlab.spec.network import NetworkSpec


def spec_line(spec: NetworkSpec) -> str:
    """Return a network in one line."""
    return f"{spec.layers} {spec.activation} {spec.initializer}, biases {spec.bias}, {spec.output} + {spec.cost}"


def examples_line(data: Mapping[str, Any]) -> str:
    """Return a short description of the examples."""
    return f"first {data['examples']} test examples of {data['dataset']}"


def print_assumptions(prediction: xr.Dataset) -> None:
    """Print the assumptions of a prediction and its errors."""
    from glorotlab.measurement.sentences import assumptions, relative_errors

    say("\nAssumptions of the prediction")
    for assumption in assumptions(prediction):
        say_folded(f"- {assumption}", indent="  ")
    say_folded(relative_errors(prediction))
