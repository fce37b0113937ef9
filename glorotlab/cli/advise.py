"""glorotlab advise: what initialisers do over a network's depth, and which to take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli.options import DATA, ExampleOptions, Json, Layers, NetworkOptions, grouped
from glorotlab.cli.predict import described
from glorotlab.cli.terminal import console, progress_bar
from glorotlab.errors import InvalidValueError

if TYPE_CHECKING:
    from glorotlab.spec.network import NetworkSpec

EXAMPLES = 100
"""Taken of a dataset unless told otherwise."""


@grouped
def advise(
    layers: Layers,
    network: NetworkOptions,
    dataset: Annotated[
        str | None, typer.Option(metavar="D", help="Advise for its first test examples.", rich_help_panel=DATA)
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
            help="How many examples of the dataset [default: at most 100].",
            rich_help_panel=DATA,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what initialisers do to signal and gradient over this depth, whether it trains, and which to take."""
    if dataset is not None and input_moment is not None:
        raise InvalidValueError("--dataset together with --input-moment: allowed is one of the two")
    if dataset is None and batch is not None:
        raise InvalidValueError(f"--batch {batch} without --dataset: allowed is both, or neither")
    from glorotlab.theory.advise import advise as theory

    spec = network.spec(layers)
    given, data = _examples(spec, network.seed, dataset, input_moment, batch)
    with progress_bar("initialisers", show=not as_json) as progress:
        found = theory(spec, **given, progress=progress)
    if as_json:
        from glorotlab.cli.jsonout import print_json

        print_json(found.to_dict() | {"data": data})
        return
    console().print(found.text(described(data) if dataset is not None else "a stand-in for data"), soft_wrap=True)


def _examples(
    spec: NetworkSpec, seed: int, dataset: str | None, moment: float | None, batch: int | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of ``advise``, and what they are."""
    if dataset is None:
        moment = 1.0 if moment is None else moment
        return {"input_second_moment": moment}, {"input_second_moment": moment}
    x, y = ExampleOptions(dataset, batch).load(spec, seed, EXAMPLES)
    return {"inputs": x, "labels": y}, {"dataset": dataset, "examples": len(x), "seed": seed}
