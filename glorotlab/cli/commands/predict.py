"""glorotlab predict: the theory's statistics of every layer before training."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from glorotlab.cli.describe import examples_line, print_assumptions, spec_line
from glorotlab.cli.options import Csv, InputOptions, Json, Layers, Level, NetworkOptions, grouped
from glorotlab.cli.terminal import say_folded


@grouped
def predict(
    layers: Layers,
    network: NetworkOptions,
    inputs: InputOptions,
    level: Level = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Also print saturation, singular values and learning speeds, which JSON and CSV always have."
        ),
    ] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Predict the statistics of every layer at initialization by mean-field theory."""
    inputs.check()
    from glorotlab.theory.predict import predict as theory

    spec = network.spec(layers)
    arguments, data = inputs.load(spec, network.seed)
    prediction = theory(spec, **arguments, level=level)
    if as_json:
        from glorotlab.cli.json_output import layer_records, print_layers

        print_layers(spec, json.loads(prediction.attrs["assumptions"]), layer_records(prediction), data=data)
        return
    if as_csv:
        from glorotlab.cli.csv_output import print_csv
        from glorotlab.cli.json_output import layer_records

        print_csv(layer_records(prediction))
        return
    from glorotlab.cli.layer_tables import print_layer_tables

    what = f"inputs of second moment {data['input_second_moment']:g}" if inputs.dataset is None else examples_line(data)
    say_folded(f"Predicted: {spec_line(spec)}; {what}")
    if level is not None:
        say_folded(f"Band: one network drawn once lies inside with probability {level:g}")
    print_layer_tables(prediction, everything=everything)
    print_assumptions(prediction)
