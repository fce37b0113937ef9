"""Lines that several commands print: what was asked, on which examples, and what a prediction rests on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from glorotlab.cli.terminal import say, say_folded

if TYPE_CHECKING:
    import xarray as xr

    from glorotlab.spec.network import NetworkSpec
    from glorotlab.training.runs.run import Run


def spec_line(spec: NetworkSpec) -> str:
    """Return a network in one line."""
    return f"{spec.layers} {spec.activation} {spec.initializer}, biases {spec.bias}, {spec.output} + {spec.cost}"


def examples_line(data: Mapping[str, Any]) -> str:
    """Return in a few words which examples were taken."""
    return f"first {data['examples']} test examples of {data['dataset']}"


def cost_window(run: Run) -> str:
    """Return what a run's last training cost is the mean of."""
    from glorotlab.training.error_curves import COST_WINDOW, CURVES

    description = str(run.curves["training_cost"].attrs["long_name"])
    if description == CURVES["training_cost"]:
        return f"mean of the last {min(COST_WINDOW, run.updates)} mini-batches"
    return description  # of a run that an older version left


def print_assumptions(prediction: xr.Dataset) -> None:
    """Print what a prediction rests on, and its errors."""
    say("\nAssumptions of the prediction")
    for assumption in json.loads(prediction.attrs["assumptions"]):
        say_folded(f"- {assumption}", indent="  ")
    numerical, width, gaussianity = (
        prediction.attrs.get(f"{name}_error", 0.0) for name in ("numerical", "finite_width", "gaussianity")
    )
    say_folded(
        f"Relative errors: numerical at most {numerical:.1g}; of the order of {width:.1g} for finite width, "
        f"{gaussianity:.1g} for pre-activations that are not Gaussian"
    )
