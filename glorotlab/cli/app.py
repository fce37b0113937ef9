"""The application with all commands, in the order of the help."""

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

app = App(epilog="glorotlab compare 1024,300x3,9 -a tanh --dataset shapeset")


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


COMMANDS = {
    derive: "glorotlab derive backward_variance --verify",
    predict: "glorotlab predict 784,1000x5,10 -a tanh -i glorot_uniform",
    measure: "glorotlab measure 1024,300x3,9 -a softsign --dataset shapeset --seeds 5",
    compare: "glorotlab compare 1024,300x3,9 -a sigmoid --dataset shapeset --seeds 5",
    advise: "glorotlab advise 784,1000x5,10 -a gelu",
    inspect: "glorotlab inspect mymodels.mlp:make --data batch.npz --audit --advise",
    explorer: "glorotlab explorer --out explorer.html",
    train: "glorotlab train 1024,300x2,9 --dataset shapeset --updates 2000 --out runs/a",
    sweep: "glorotlab sweep study.toml --out runs/study",
    reproduce: "glorotlab reproduce figure_6 figure_7 --out reproduction",
    bench: "glorotlab bench 784,100,10 --rounds 5",
    info: "glorotlab info --json",
}
"""Commands in the order of the help, each with its example."""

for command, example in COMMANDS.items():
    app.command(epilog=example)(command)
app.add_typer(runs.app, name="runs")
app.add_typer(data.app, name="data")
