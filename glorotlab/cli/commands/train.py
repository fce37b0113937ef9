"""glorotlab train: one training run."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli import completion
from glorotlab.cli.options import (
    TRAINING,
    Json,
    LearningRateOptions,
    MomentumOptions,
    NetworkOptions,
    PretrainingOptions,
    grouped,
)
from glorotlab.cli.progress import progress_bar
from glorotlab.cli.report import ReportBeside, check_apart, command_text, write_report
from glorotlab.cli.terminal import note, say_folded
from glorotlab.errors import InvalidValueError, RunError

if TYPE_CHECKING:
    from glorotlab.spec.run import RunSpec
    from glorotlab.training.runs.run import Run

BESIDE_A_SPEC = {"target", "threads", "out", "resume", "checkpoint_every", "report", "quiet", "as_json"}
"""Parameters that do not define the run."""


AUTOMATIC = "auto: at most 20 intervals, whose records cost at most a fifth of the training"


def _interval(text: str | int) -> int:
    """Return a number of updates; ``auto`` is 0, which leaves the choice to the cadence."""
    if text == "auto":
        return 0
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: allowed are whole numbers, or auto (0)") from None


@grouped
def train(
    context: typer.Context,
    network: NetworkOptions,
    *,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="SPEC.toml|LAYERS", help="File with the spec of a run, or layer sizes.", show_default=False
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="D",
            help="Dataset: a name that 'glorotlab data list' prints, or FILE.npz.",
            autocompletion=completion.datasets,
            rich_help_panel=TRAINING,
        ),
    ] = None,
    updates: Annotated[
        int | None, typer.Option(metavar="N", help="Number of mini-batch updates.", rich_help_panel=TRAINING)
    ] = None,
    lr: Annotated[float, typer.Option(metavar="E", help="Learning rate.", rich_help_panel=TRAINING)] = 0.05,
    batch: Annotated[int, typer.Option(metavar="B", help="Mini-batch size.", rich_help_panel=TRAINING)] = 10,
    momentum: MomentumOptions,
    l2: Annotated[float, typer.Option(metavar="L", help="Weight decay.", rich_help_panel=TRAINING)] = 0.0,
    rates: LearningRateOptions,
    pretraining: PretrainingOptions,
    validation_every: Annotated[
        int,
        typer.Option(
            metavar="N|auto",
            parser=_interval,
            help="Number of updates between two points of the error curves.",
            show_default=AUTOMATIC,
            rich_help_panel=TRAINING,
        ),
    ] = 0,
    monitor_every: Annotated[
        int,
        typer.Option(
            metavar="N|auto",
            parser=_interval,
            help="Number of updates between two records of the layers' statistics.",
            show_default=AUTOMATIC,
            rich_help_panel=TRAINING,
        ),
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Output folder.", show_default="nothing is written", rich_help_panel=TRAINING),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Resume the run in --out; no other option is needed.", rich_help_panel=TRAINING),
    ] = False,
    checkpoint_every: Annotated[
        float, typer.Option(metavar="SECONDS", help="Number of seconds between checkpoints.", rich_help_panel=TRAINING)
    ] = 60.0,
    report: ReportBeside = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    as_json: Json = False,
) -> None:
    """Train a network and monitor the statistics of its layers."""
    check_apart(report, out)
    held = _spec_in(out) if resume else None
    if target is None or target.endswith(".toml"):
        _refuse_options(context, target or "--resume")
        spec = held if target is None else _read(Path(target))
        if spec is None:
            raise InvalidValueError("nothing to train: give SPEC.toml, LAYERS, or --resume --out DIR")
        _set_threads(network)
    else:
        training = (
            {
                "batch_size": batch,
                "learning_rate": lr,
                "l2": l2,
                "validation_every": validation_every,
                "monitor_every": monitor_every,
            }
            | momentum.fields()
            | rates.fields()
            | pretraining.fields()
        )
        spec = _spec(target, network, dataset, updates, training)
    run = _train(spec, out, quiet, checkpoint_every)
    _print(run, as_json)
    if report is not None:
        from glorotlab.report.run import run_report

        write_report(report, run_report(run, command_text(context)), quiet=as_json)
    if run.status == "diverged":
        raise typer.Exit(1)


def _spec_in(out: Path | None) -> RunSpec:
    """Return the spec of the run in a folder."""
    from glorotlab.training.runs.folder import RunFolder

    if out is None:
        raise InvalidValueError("--resume needs the folder of a run: give --out DIR")
    checkpoint = RunFolder(out).read()
    if checkpoint is None:
        raise RunError(f"--resume: there is no run in {str(out)!r}")
    return checkpoint.spec


def _set_threads(network: NetworkOptions) -> None:
    if network.threads is not None:
        from glorotlab.threads import set_num_threads

        set_num_threads(network.threads)


def _refuse_options(context: typer.Context, target: str) -> None:
    options = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in BESIDE_A_SPEC
        and getattr(context.get_parameter_source(str(parameter.name)), "name", "") == "COMMANDLINE"
    ]
    if options:
        hint = "" if target == "--resume" else "; change it there"
        raise InvalidValueError(f"{', '.join(options)} beside {target}: the spec already defines the run{hint}")


def _read(path: Path) -> RunSpec:
    from glorotlab.files import read_text
    from glorotlab.spec.run import RunSpec

    return RunSpec.from_toml(read_text(path), origin=str(path))


def _spec(
    layers: str, network: NetworkOptions, dataset: str | None, updates: int | None, training: dict[str, Any]
) -> RunSpec:
    from glorotlab.spec.run import RunSpec
    from glorotlab.spec.training import TrainingSpec

    if dataset is None or updates is None:
        missing = "--dataset" if dataset is None else "--updates"
        raise InvalidValueError(f"missing {missing}: layers {layers} alone do not define a run")
    return RunSpec(
        network=network.spec(layers),
        training=TrainingSpec(updates=updates, **training),
        data=dataset,
        seed=network.seed,
        dtype=network.dtype.value,
    )


def _train(spec: RunSpec, out: Path | None, quiet: bool, checkpoint_every: float) -> Run:
    from glorotlab.interrupts import terminable
    from glorotlab.training.loop import train as run

    if out is not None:
        _warn_of_another_level(out)
    try:
        with terminable(), progress_bar("training", show=not quiet) as progress:
            return run(spec, out, progress=progress, checkpoint_every=checkpoint_every)
    except KeyboardInterrupt as interrupt:
        raise type(interrupt)(_saved(out)) from None


def _warn_of_another_level(out: Path) -> None:
    """Warn if the run to resume began on another SIMD level, so that its last bits depend on both."""
    from glorotlab.files import user_path
    from glorotlab.kernels import simd
    from glorotlab.training.runs.provenance import read_sessions
    from glorotlab.training.runs.status import ENDED, read_status

    try:
        if read_status(user_path(out))["status"] in ENDED:
            return
    except RunError:  # there is no run, or training will say what is wrong
        return
    levels, here = {str(session.get("simd")) for session in read_sessions(user_path(out))}, simd.get_level()
    if levels - {here}:
        note(
            f"glorotlab: warning: the run in {out} was trained on SIMD level {', '.join(sorted(levels))} and is "
            f"resumed on {here}: it ends with other bits than on one level (GLOROTLAB_SIMD forces a level)"
        )


def _saved(out: Path | None) -> str:
    """Return what an interrupted run saved and how to resume it; Ctrl-C in its last moments may leave it ended."""
    from glorotlab.files import user_path
    from glorotlab.training.runs.checkpoint import FILE as CHECKPOINT
    from glorotlab.training.runs.status import ENDED, read_status

    if out is None:
        return "nothing was saved, as there is no --out DIR"
    try:
        status = read_status(user_path(out))
    except RunError:
        if os.path.lexists(user_path(out) / CHECKPOINT):
            return f"the last checkpoint in {out} is as it was"
        return "before the first update, so that there is nothing to save: the same command begins again"
    if status["status"] in ENDED:
        return f"the run in {out} had ended"
    done = f"saved after {_done(status)} updates"
    return f"{done}; resume with: glorotlab train --resume --out {shlex.quote(str(out))}"


def _done(status: dict[str, Any]) -> str:
    """Return the number of updates made, of how many, and their kind."""
    before = status.get("pretraining")
    if before and before["updates"] < before["updates_in_all"]:
        return f"{before['updates']} of {before['updates_in_all']} pre-training"
    return f"{status['updates']} of {status['updates_in_all']}"


def _print(run: Run, as_json: bool) -> None:
    """Print how the run ended."""
    from glorotlab.training.runs.ending import cost_and_errors, last_errors

    if as_json:
        from glorotlab.cli.json_output import layer_records, print_layers

        folder = None if run.folder is None else str(run.folder)
        ending = {"status": run.status, "updates": run.updates} | last_errors(run) | {"folder": folder}
        print_layers(run.spec, [], layer_records(run.statistics.isel(step=-1)), **ending)
    else:
        place = f"; saved in {run.folder}" if run.folder else "; not saved (--out DIR saves it)"
        words = "the training cost is no longer finite" if run.status == "diverged" else cost_and_errors(run)
        say_folded(f"{run.status} after {run.updates} updates{_resumed(run)}: {words}{place}")


def _resumed(run: Run) -> str:
    """Return the updates after which this run was resumed, or nothing."""
    sessions = [session["from_update"] for session in run.provenance[1:]]
    return f" (resumed after {', '.join(map(str, sessions))})" if sessions else ""
