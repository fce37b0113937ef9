"""glorotlab advise: what initializers do over a network's depth, and which to use."""

from __future__ import annotations

from typing import Annotated

import typer

from glorotlab.cli.describe import examples_line
from glorotlab.cli.options import InputOptions, Json, Layers, NetworkOptions, Quiet, grouped
from glorotlab.cli.progress import progress_bar
from glorotlab.cli.terminal import say

EXAMPLES = 100
"""Number of examples taken from a dataset by default."""

Bands = Annotated[
    bool,
    typer.Option("--bands", help="Also compute bands of single networks, in about a second for each initializer."),
]


@grouped
def advise(
    layers: Layers,
    network: NetworkOptions,
    inputs: InputOptions,
    bands: Bands = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Advise which initializer to use: what each does to signal and gradient, and whether the network should train."""
    inputs.check()
    from glorotlab.theory.advice.advise import advise as theory

    spec = network.spec(layers)
    arguments, data = inputs.load(spec, network.seed, EXAMPLES)
    with progress_bar("advice", show=not quiet) as progress:
        advice = theory(spec, **arguments, bands=bands, progress=progress)
    if as_json:
        from glorotlab.cli.json_output import print_json

        print_json(advice.to_dict() | {"data": data})
        return
    say(advice.text(examples_line(data) if inputs.dataset is not None else "a stand-in for data"))
