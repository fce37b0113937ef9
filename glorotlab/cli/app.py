"""The commands, put together."""

from typing import Annotated

import typer

from glorotlab import __version__
from glorotlab.cli import data, runs
from glorotlab.cli.advise import advise
from glorotlab.cli.bench import bench
from glorotlab.cli.compare import compare
from glorotlab.cli.derive import derive
from glorotlab.cli.info import info
from glorotlab.cli.measure import measure
from glorotlab.cli.predict import predict
from glorotlab.cli.reproduce import reproduce
from glorotlab.cli.sweep import sweep
from glorotlab.cli.train import train

app = typer.Typer(add_completion=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def glorotlab(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Why deep networks are hard to train: derive, predict, measure, advise, train, sweep, reproduce, bench."""


for command in (derive, predict, measure, compare, advise, train, sweep, reproduce):
    app.command()(command)
app.add_typer(runs.app, name="runs")
app.add_typer(data.app, name="data")
app.command()(bench)
app.command()(info)
