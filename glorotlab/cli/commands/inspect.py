"""glorotlab inspect: a PyTorch model of the user's, predicted, measured and judged module by module."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cells import number
from glorotlab.cli import completion
from glorotlab.cli.factory import made_by
from glorotlab.cli.options import Json, Level, Quiet
from glorotlab.cli.progress import progress_bars
from glorotlab.cli.report import ReportOut, command_text, write_report
from glorotlab.cli.tables import Column, prose, table, typed
from glorotlab.cli.terminal import note, say, say_folded

if TYPE_CHECKING:
    from glorotlab.measurement.compare import Comparison, Entry
    from glorotlab.theory.advice.advise_graph import GraphAdvice
    from glorotlab.torch.auditing.verdict import Audit

VALUES, GRADIENTS = ("preactivation_second_moment", "activation_second_moment"), ("backprop_gradient_second_moment",)
"""Variables in the table: the result of every module, and the gradient of the cost in it."""

MODEL, WHAT = "Model", "Output"


def inspect(
    context: typer.Context,
    factory: Annotated[
        str, typer.Argument(metavar="MODULE:FACTORY", help="Your function that returns a torch.nn.Module.")
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE.npz", help="File with a batch for the model: arrays x and y.", rich_help_panel=MODEL
        ),
    ],
    loss: Annotated[
        str,
        typer.Option(
            help="Loss: cross_entropy or mse; none for a forward pass alone.",
            autocompletion=completion.losses,
            rich_help_panel=MODEL,
        ),
    ] = "cross_entropy",
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Number of new draws of the weights, by reset_parameters.", rich_help_panel=MODEL
        ),
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Name the initializer of each weight, and mistakes.", rich_help_panel=WHAT)
    ] = False,
    advise: Annotated[
        bool, typer.Option("--advise", help="Show what each initializer would do.", rich_help_panel=WHAT)
    ] = False,
    report: ReportOut = None,
    level: Level = 0.95,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare a PyTorch model of yours with theory, module by module; this imports and runs your code."""
    from glorotlab.data.npz import read_npz
    from glorotlab.measurement.compare import compare as set_side_by_side
    from glorotlab.torch.measurement import measure
    from glorotlab.torch.prediction import predict

    x, y = read_npz(data)["train"]
    if not quiet:
        note(f"glorotlab: importing {factory.partition(':')[0]} and running {factory.partition(':')[2]}, your own code")
    model = made_by(factory)
    with progress_bars(not quiet) as update:
        update("predicting", 0, 1)
        targets = None if loss == "none" else y
        own_loss = "cross_entropy" if loss == "none" else loss
        prediction = predict(model, x, targets, loss=own_loss, level=level, networks=seeds or 1)
        update("predicting", 1, 1)
        measurement = measure(
            model, x, targets, loss=own_loss, seeds=seeds, progress=lambda done, all_: update("measuring", done, all_)
        )
        comparison = set_side_by_side(prediction, measurement)
        advice = _advice(model, x, targets, own_loss, update) if advise else None
    verdicts = _audit(model) if audit else None
    if as_json:
        _print_json(factory, prediction, comparison, verdicts, advice)
    else:
        _print(factory, prediction, measurement, comparison)
        if verdicts is not None:
            _print_audit(verdicts)
        if advice is not None:
            _print_advice(advice)
    if report is not None:
        from glorotlab.report.inspection import inspection_report

        further = verdicts, advice
        page = inspection_report(factory, prediction, measurement, comparison, further, command_text(context))
        write_report(report, page, quiet=as_json)


def _audit(model: Any) -> Any:
    from glorotlab.torch import audit

    return audit(model)


def _advice(model: Any, x: Any, y: Any, loss: str, update: Any) -> Any:
    from glorotlab.errors import InvalidValueError
    from glorotlab.torch.prediction import advise

    if y is None:
        raise InvalidValueError("--advise with --loss none: allowed is a loss, since advice needs gradients")
    return advise(model, x, y, loss=loss, progress=lambda done, all_: update("advice", done, all_))


def _print(factory: str, prediction: Any, measurement: Any, comparison: Comparison) -> None:
    examples, networks = measurement.attrs["examples"], measurement.sizes["seed"]
    drawn = f"{networks} draws of its weights" if networks > 1 else "one network"
    say_folded(f"Inspected: {factory} ({measurement.attrs['model']}); {examples} examples; {drawn}")
    for title, variables in (("results of every step, E z^2", VALUES), ("gradients, E (dC/dz)^2", GRADIENTS)):
        entries = sorted((e for name in variables for e in comparison.select(name)), key=lambda entry: entry.layer)
        if entries:
            say(f"\n{title}", bold=True)
            say(table(*_table(entries)))
    for module, reason in json.loads(prediction.attrs.get("refused", "{}")).items():
        say_folded(f"Not predicted: {module}: {reason}")
    if prediction.attrs.get("no_band"):
        say_folded(f"No band: {prediction.attrs['no_band']}")


def _table(entries: Sequence[Entry]) -> tuple[list[Column | str], list[list[str]]]:
    band = any(entry.low is not None for entry in entries)
    rows = []
    for entry in entries:
        ends = "–" if entry.low is None else f"{number(entry.low, 3)} .. {number(entry.high, 3)}"
        verdict = entry.verdict or "–"
        rows.append([entry.module, number(entry.predicted, 4), *[ends] * band, number(entry.measured, 4), verdict])
    return [typed("module"), "predicted", *["band"] * band, "measured", typed("verdict")], rows


def _print_audit(audit: Audit) -> None:
    """Print the initializer and the findings of every weight; JSON and the report have every number."""
    from glorotlab.torch.auditing.audit_form import COLUMNS, cells_of, findings_of, footnotes_of, verdict_of

    say(f"\n{verdict_of(audit)}", bold=True)
    records = [dict(zip(COLUMNS, cells_of(entry), strict=True)) for entry in audit.entries]
    columns = [typed("weight"), prose("initializer"), Column("forward"), Column("backward")]
    say(table(columns, [[record[column.name] for column in columns] for record in records]))
    for line in findings_of(audit):
        say_folded(f"- {line}")
    for line in footnotes_of(audit):
        say_folded(line)


def _print_advice(advice: GraphAdvice) -> None:
    from glorotlab.theory.advice.advise_graph import COLUMNS

    say("\nwhat each initializer would do", bold=True)
    say(table([typed(COLUMNS[0]), *COLUMNS[1:]], advice.cells()))
    for line in advice.words():
        say_folded(line)


def _print_json(factory: str, prediction: Any, comparison: Comparison, verdicts: Any, advice: Any) -> None:
    from glorotlab.cli.json_output import print_json

    fields = (
        "layer",
        "module",
        "variable",
        "predicted",
        "measured",
        "standard_error",
        "ratio",
        "low",
        "high",
        "verdict",
    )
    document: dict[str, Any] = {
        "model": factory,
        "refused": json.loads(prediction.attrs.get("refused", "{}")),
        "entries": [{name: getattr(entry, name) for name in fields} for entry in comparison.entries],
    }
    for name, part in (("audit", verdicts), ("advice", advice)):
        if part is not None:
            document[name] = part.to_dict()
    print_json(document)
