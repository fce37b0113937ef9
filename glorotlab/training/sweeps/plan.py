"""The plan of a sweep: which run folder each of its points has, kept in ``sweep.json``."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glorotlab import files
from glorotlab.data.catalogue import DatasetRecord, describe_dataset, load_dataset
from glorotlab.documents import Limits, parse_json
from glorotlab.errors import RunError
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec
from glorotlab.spec.sweep import SweepSpec

FILE = "sweep.json"
FORMAT = 1
"""Version of the file's content."""

LIMITS = Limits(size=2**26, keys=10**7)
"""Limits of the file: a sweep of as many runs as are allowed, each a case, fits."""

NAME_LENGTH = 16
"""Digits of the content hash that name a run folder."""


@dataclass(frozen=True)
class Point:
    """One combination of the swept fields.

    Parameters
    ----------
    labels : dict
        Its label on each axis.
    spec : RunSpec
    run : str
        Name of its run folder.
    """

    labels: dict[str, Any]
    spec: RunSpec
    run: str


def plan(sweep: SweepSpec) -> list[Point]:
    """Return the points of a sweep, the last axis fastest; points of equal specs share a run.

    Raises
    ------
    InvalidValueError
        Where network and data do not fit.
    UnknownNameError, DataError
        Where there are no such data.
    """
    return points_of(sweep.points())


def points_of(runs: Iterable[tuple[dict[str, Any], RunSpec]]) -> list[Point]:
    """Return the points of runs given as labels and spec; errors are those of ``plan``."""
    identify, describe = functools.cache(_digest), functools.cache(_describe)
    points = []
    for labels, spec in runs:
        record = describe(spec.data)
        _check_fits(spec.network, record)
        if not record.published:  # the digest says which data; workers find the path from any folder
            from_file = spec.data.endswith(".npz")
            name = os.path.abspath(os.path.expanduser(spec.data)) if from_file else spec.data
            digest = identify(name, spec.seed if from_file else 0)
            identity = {"data": name, "data_digest": digest, "regression": record.targets > 0}
            spec = spec.model_copy(update=identity)
        points.append(Point(labels, spec, spec.content_hash[:NAME_LENGTH]))
    return points


def _digest(name: str, seed: int) -> str:
    data = load_dataset(name, seed=seed)
    return "" if data.published else data.digest or ""


def _describe(name: str) -> DatasetRecord:
    record = describe_dataset(name)
    if not record.available:
        load_dataset(name)  # which says what to do
    return record


def _check_fits(network: NetworkSpec, data: DatasetRecord) -> None:
    network.check_fits(data.name, data.fan_in, data.classes, data.targets)


def write(folder: Path, sweep: SweepSpec, runs: list[str]) -> None:
    """Write which run each point of a sweep has."""
    content = {"format": FORMAT, "sweep": sweep.model_dump(mode="json"), "runs": runs}
    files.write_whole(folder / FILE, json.dumps(content, indent=1))


def read(folder: Path) -> tuple[SweepSpec, list[str]]:
    """Return what ``write`` wrote; RunError where it is missing or damaged."""

    def parse(content: bytes) -> tuple[SweepSpec, list[str]]:
        fields = parse_json(content, LIMITS)
        if fields["format"] != FORMAT:
            raise RunError(f"it has sweep format {fields['format']}; this version reads {FORMAT}")
        sweep, runs = SweepSpec(**fields["sweep"]), [str(name) for name in fields["runs"]]
        if len(runs) != math.prod(sweep.shape):
            raise ValueError(f"{len(runs)} runs in a sweep of {math.prod(sweep.shape)}")
        return sweep, runs

    return files.read_whole(folder / FILE, parse, LIMITS.size)
