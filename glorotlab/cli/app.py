"""The commands, put together, in the order of the help."""

from typing import Annotated

import typer

from glorotlab import __version__
from glorotlab.cli.commands import data, runs
from glorotlab.cli.commands.advise import advise
from glorotlab.cli.commands.bench import bench
from glorotlab.cli.commands.compare import compare
from glorotlab.cli.commands.derive import derive
from glorotlab.cli.commands.explorer import explorer
from glorotlab.cli.commands.info import info
from glorotlab.cli.commands.inspect import inspect
from glorotlab.cli.commands.measure import measure
from glorotlab.cli.commands.predict import predict
from glorotlab.cli.commands.reproduce import reproduce
from glorotlab.cli.commands.sweep import sweep
from glorotlab.cli.commands.train import train
from glorotlab.cli.help import App
from glorotlab.cli.terminal import say

app = App()


def _print_version(asked: bool) -> None:
    if asked:
        say(__version__)
        raise typer.Exit


@app.callback()
def glorotlab(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Study why deep networks are hard to train: derive, predict, measure, compare, advise, train, reproduce."""


for command in (derive, predict, measure, compare, advise, inspect, explorer, train, sweep, reproduce, bench, info):
    app.command()(command)
app.add_typer(runs.app, name="runs")
app.add_typer(data.app, name="data")
