"""glorotlab data: list, fetch, build, show and locate datasets."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cells import number
from glorotlab.cli import completion
from glorotlab.cli.help import App
from glorotlab.cli.options import Json, Quiet
from glorotlab.cli.tables import prose, table, typed
from glorotlab.cli.terminal import note, say, say_folded
from glorotlab.errors import DataError, InvalidValueError

if TYPE_CHECKING:
    from glorotlab.data.catalogue import DatasetRecord

app = App(
    help="List, fetch, build and show datasets, and print their paths.",
    epilog="glorotlab data show shapeset --out shapes.png",
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Dataset: a name that 'glorotlab data list' prints, or FILE.npz.",
        autocompletion=completion.datasets,
    ),
]

SHOWN = 1000
"""Largest number of training examples that ``show`` reads."""


@app.command("list", epilog="glorotlab data list --json")
def list_datasets(as_json: Json = False) -> None:
    """List the datasets."""
    from glorotlab.data.catalogue import describe_dataset
    from glorotlab.data.names import dataset_names

    records = [describe_dataset(name) for name in dataset_names()]
    if as_json:
        from glorotlab.cli.json_output import print_json

        print_json({"datasets": [_fields(record) for record in records]})
        return
    rows = []
    for record in records:
        splits = [_count(size) for size in (record.train, record.validation, record.test)]
        rows.append([record.name, record.description, _where(record), str(record.fan_in), str(record.classes), *splits])
    words = (typed("name"), prose("description"), typed("where"))
    say(table([*words, "inputs", "classes", "train", "validation", "test"], rows))


@app.command(epilog="glorotlab data fetch mnist")
def fetch(name: Annotated[str, typer.Argument(metavar="NAME", help="Dataset: mnist or cifar10.")]) -> None:
    """Download a dataset into the user's cache; files that are already there and verified are kept."""
    from glorotlab.data import fetch as fetching
    from glorotlab.data.catalogue import describe_dataset

    fetchers: dict[str, Callable[[], Path]] = {"mnist": fetching.fetch_mnist, "cifar10": fetching.fetch_cifar10}
    if name not in fetchers:
        describe_dataset(name)  # which refuses an unknown name
        raise InvalidValueError(f"dataset {name!r} is not fetched: allowed are {', '.join(fetchers)}")
    say(str(fetchers[name]()))


@app.command(epilog="glorotlab data build small-imagenet --from ILSVRC/Data/CLS-LOC/train")
def build(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Dataset: small-imagenet.")],
    photographs: Annotated[
        Path,
        typer.Option("--from", metavar="DIR", help="Folder of photographs, with a sub-folder for each WordNet id."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Output folder.", show_default="the user's cache")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Build a dataset from your own files; an interrupted build resumes where it stopped."""
    from glorotlab.cli.progress import progress_bar
    from glorotlab.data.catalogue import describe_dataset
    from glorotlab.data.imagenet_build import build_small_imagenet
    from glorotlab.files import user_path

    if name != "small-imagenet":
        describe_dataset(name)  # which refuses an unknown name
        raise InvalidValueError(f"dataset {name!r} is not built: allowed is small-imagenet")
    with progress_bar(name, not quiet) as progress:
        report = build_small_imagenet(user_path(photographs), user_path(out) if out else None, progress)
    for paths, what in ((report.unreadable, "no pictures"), (report.duplicates, "already there under another name")):
        if paths:
            note(f"left out, {what}: {len(paths)} files")
            note("\n".join(f"  {path}" for path in paths))
    note(", ".join(f"{split} {_count(size)}" for split, size in report.sizes.items()))
    note(", ".join(f"{kind} {_count(count)}" for kind, count in report.counts.items()))
    say(str(report.path))


@app.command(epilog="glorotlab data show shapeset --out shapes.png")
def show(
    name: Name,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a contact sheet (PNG) of the first pictures of each class."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe a dataset, with the moments and class counts of its first training examples."""
    from glorotlab.data.catalogue import describe_dataset, load_dataset

    record, data = describe_dataset(name), load_dataset(name)
    x, y = data.train.batch(0, int(min(SHOWN, data.train.length)))
    if out is not None and data.targets:
        raise InvalidValueError(f"--out with dataset {record.name!r}, which has targets: allowed are data of classes")
    if out is not None:
        from glorotlab.files import user_path, write_whole
        from glorotlab.plotting.pictures import contact_sheet

        sheet = contact_sheet(x, y, record.class_names)
        write_whole(user_path(out), lambda file: sheet.savefig(file, format="png"))
        note(f"{out}")
    numbers: dict[str, Any] = {
        "examples": len(x),
        "minimum": float(x.min()),
        "maximum": float(x.max()),
        "mean": float(x.mean(dtype=float)),
        "second_moment": float((x.astype(float) ** 2).mean()),
    }
    if data.targets:
        numbers |= {
            "target_mean": float(y.mean(dtype=float)),
            "target_second_moment": float((y.astype(float) ** 2).mean()),
        }
    else:
        numbers["class_counts"] = [int((y == label).sum()) for label in range(data.classes)]
    if as_json:
        from glorotlab.cli.json_output import print_json

        print_json(_fields(record) | {"first_training_examples": numbers})
        return
    splits = zip(("train", "validation", "test"), (record.train, record.validation, record.test), strict=True)
    say_folded(f"{record.name}: {record.description}")
    say_folded(f"{record.fan_in} inputs, {_answers(record)}; {_where(record)}")
    say_folded(", ".join(f"{split} {_count(size)}" for split, size in splits))
    moments = (f"{key.replace('_', ' ')} {number(numbers[key])}" for key in list(numbers)[1:5])
    say_folded(f"first {len(x)} training examples: {', '.join(moments)}")
    if data.targets:
        mean, square = (number(numbers[f"target_{name}"]) for name in ("mean", "second_moment"))
        say_folded(f"  their targets: mean {mean}, second moment {square}")
    else:
        say_folded(f"  of each class: {', '.join(map(str, numbers['class_counts']))}")


@app.command(epilog="glorotlab data path mnist")
def path(name: Name) -> None:
    """Print the path of a dataset."""
    from glorotlab.data.catalogue import describe_dataset

    record = describe_dataset(name)
    if record.path is None:
        reason = "is generated from its seed" if record.available else f"is not here: run '{record.command}'"
        raise DataError(f"dataset {name!r} has no path: it {reason}")
    say(str(record.path))


def _fields(record: DatasetRecord) -> dict[str, Any]:
    sizes = {split: _size(getattr(record, split)) for split in ("train", "validation", "test")}
    return {
        "name": record.name,
        "description": record.description,
        "fan_in": record.fan_in,
        "classes": record.classes,
        "targets": record.targets,
        **sizes,
        "path": None if record.path is None else str(record.path),
        "available": record.available,
    }


def _answers(record: DatasetRecord) -> str:
    return f"{record.targets} targets (regression)" if record.targets else f"{record.classes} classes"


def _size(count: float) -> int | None:
    """Return a number of examples; None for an endless stream."""
    return None if math.isinf(count) else int(count)


def _count(count: float) -> str:
    return "endless" if math.isinf(count) else f"{int(count):,}"


def _where(record: DatasetRecord) -> str:
    if record.path is not None:
        return str(record.path)
    return "generated" if record.available else record.command
