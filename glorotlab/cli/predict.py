"""glorotlab predict: what theory says of every layer before training."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli.options import InputOptions, Json, Layers, Level, NetworkOptions, grouped
from glorotlab.cli.terminal import console

if TYPE_CHECKING:
    import xarray as xr

    from glorotlab.spec.network import NetworkSpec


@grouped
def predict(
    layers: Layers,
    network: NetworkOptions,
    inputs: InputOptions,
    level: Level = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also saturation, singular values and learning speeds, as JSON always has.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Predict the statistics of every layer at initialisation by mean-field theory."""
    inputs.check()
    from glorotlab.theory.predict import predict as theory

    spec = network.spec(layers)
    given, data = inputs.load(spec, network.seed)
    found = theory(spec, **given, level=level)
    assumptions = json.loads(found.attrs["assumptions"])
    if as_json:
        from glorotlab.cli.json_output import layer_records, print_layers

        print_layers(spec, assumptions, layer_records(found), data=data)
        return
    from glorotlab.cli.tables import print_layers_tables

    said = (
        "inputs of second moment " + f"{data['input_second_moment']:g}" if inputs.dataset is None else described(data)
    )
    console().print(f"Predicted: {spec_line(spec)}; {said}")
    print_layers_tables(found, everything=everything)
    if level is not None:
        console().print(f"Bands: one network drawn once lies inside with probability {level:g}")
    print_assumptions(found)


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


def spec_line(spec: NetworkSpec) -> str:
    """Return a network in one line."""
    return f"{spec.layers} {spec.activation} {spec.initializer}, biases {spec.bias}, {spec.output} + {spec.cost}"


def described(data: dict[str, Any]) -> str:
    """Return the examples in a few words."""
    return f"first {data['examples']} test examples of {data['dataset']}"
