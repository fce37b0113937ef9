"""glorotlab predict: what theory says of every layer before training."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli.options import DATA, ExampleOptions, Json, Layers, Level, NetworkOptions, grouped
from glorotlab.cli.terminal import console
from glorotlab.errors import InvalidValueError

if TYPE_CHECKING:
    import xarray as xr

    from glorotlab.spec.network import NetworkSpec


@grouped
def predict(
    layers: Layers,
    network: NetworkOptions,
    dataset: Annotated[
        str | None, typer.Option(metavar="D", help="Predict for its first test examples.", rich_help_panel=DATA)
    ] = None,
    input_moment: Annotated[
        float | None,
        typer.Option(
            metavar="Q", help="Without data: the second moment of the inputs.", show_default="1", rich_help_panel=DATA
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            "--examples",
            metavar="B",
            help="How many examples of the dataset [default: at most 300].",
            rich_help_panel=DATA,
        ),
    ] = None,
    level: Level = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also saturation, singular values and learning speeds, as JSON always has.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Predict the statistics of every layer at initialisation by mean-field theory."""
    if dataset is not None and input_moment is not None:
        raise InvalidValueError("--dataset together with --input-moment: allowed is one of the two")
    if dataset is None and batch is not None:
        raise InvalidValueError(f"--batch {batch} without --dataset: without data the gradients are of one example")
    spec = network.spec(layers)
    found, data = _predict(spec, network.seed, dataset, input_moment, batch, level)
    assumptions = json.loads(found.attrs["assumptions"])
    if as_json:
        from glorotlab.cli.jsonout import layer_records, print_layers

        print_layers(spec, assumptions, layer_records(found), data=data)
        return
    from glorotlab.cli.tables import print_layers_tables

    said = "inputs of second moment " + f"{data['input_second_moment']:g}" if dataset is None else described(data)
    console().print(f"Predicted: {spec_line(spec)}; {said}")
    print_layers_tables(found, everything=everything)
    if level is not None:
        console().print(f"Bands: one network drawn once lies inside with probability {level:g}")
    print_assumptions(found)


def _predict(
    spec: NetworkSpec, seed: int, dataset: str | None, moment: float | None, batch: int | None, level: float | None
) -> tuple[xr.Dataset, dict[str, Any]]:
    """Return the prediction and what it is for."""
    from glorotlab.theory.predict import predict as theory

    if dataset is None:
        moment = 1.0 if moment is None else moment
        return theory(spec, input_second_moment=moment, level=level), {"input_second_moment": moment}
    x, y = ExampleOptions(dataset, batch).load(spec, seed)
    return theory(spec, inputs=x, labels=y, level=level), {"dataset": dataset, "examples": len(x), "seed": seed}


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
