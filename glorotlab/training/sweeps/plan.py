"""The plan of a sweep: which run folder each of its points has, kept in ``sweep.json``."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glorotlab import files
from glorotlab.arrays import Progress
from glorotlab.checks import whole_number
from glorotlab.data.catalogue import DatasetRecord, Files, describe_dataset, files_of, load_dataset
from glorotlab.data.dataset import Dataset
from glorotlab.data.npz import Pair, read_npz
from glorotlab.data.places import public_name
from glorotlab.documents import Limits, parse_json
from glorotlab.errors import RunError
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec
from glorotlab.spec.sweep import SweepSpec
from glorotlab.spec.sweep_axes import MAX_RUNS
from glorotlab.training.sweeps.naming import RunFolders

FILE = "sweep.json"
FORMAT = 1
"""Version of the file's content."""

LIMITS = Limits(size=2**26, keys=10**7)
"""Limits of the file, enough for the largest sweep with a case for each run."""

REPORT_EVERY = 200
"""Number of points between two reports of progress, about a fiftieth of a second."""


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


def plan(sweep: SweepSpec, folder: Path | None = None, progress: Progress | None = None) -> list[Point]:
    """Return the points of a sweep, the last axis fastest; points of equal specs share a run.

    Parameters
    ----------
    sweep : SweepSpec
    folder : Path, optional
        Folder of the sweep: runs that are there keep the folders they have.
    progress : callable, optional
        Called with (points planned, points in all).

    Raises
    ------
    InvalidValueError
        Where network and data do not fit.
    UnknownNameError, DataError
        Where there are no such data.
    """
    points: list[Point] = []
    total = math.prod(sweep.shape)
    for point in points_of(sweep.points(), folder):
        if progress and len(points) % REPORT_EVERY == 0:
            progress(len(points), total)
        points.append(point)
    if progress:
        progress(total, total)
    return points


def points_of(runs: Iterable[tuple[dict[str, Any], RunSpec]], folder: Path | None = None) -> Iterator[Point]:
    """Return the points of runs given as labels and spec; errors are those of ``plan``."""
    read = functools.lru_cache(maxsize=1)(read_npz)  # a file is read once, whatever the number of seeds that split it
    identify, describe = functools.cache(functools.partial(_digest, read)), functools.cache(_describe)
    folders = RunFolders(folder)
    for labels, spec in runs:
        record = describe(spec.data)
        _check_fits(spec.network, record)
        if not record.published:  # the digest says which data; workers find the path from any folder
            from_file = spec.data.endswith(".npz")
            name = os.path.abspath(os.path.expanduser(spec.data)) if from_file else spec.data
            digest = identify(name, spec.seed if from_file else 0)
            identity = {"data": name, "data_digest": digest, "regression": spec.is_regression(record.targets)}
            spec = spec.model_copy(update=identity)
        yield Point(labels, spec, folders.name(labels, spec.content_hash))


def shard_of(points: Sequence[Point], shard: tuple[int, int]) -> list[Point]:
    """Return the points of every n-th run from the i-th on, given (i, n): the shards of a sweep share no run.

    Raises
    ------
    InvalidValueError
        Where i is not one of 1 to n.
    """
    count = whole_number("shards", shard[1], 1, MAX_RUNS)
    place = whole_number("shard", shard[0], 1, count)
    runs = list(dict.fromkeys(point.run for point in points))
    chosen = set(runs[place - 1 :: count])
    return [point for point in points if point.run in chosen]


def _digest(read: Callable[[str], dict[str, Pair]], name: str, seed: int) -> str:
    if name.endswith(".npz"):
        return Dataset.from_splits(name, read(name), seed=seed).digest or ""
    return _built_in_digest(name, files_of(name), seed)


@functools.lru_cache(maxsize=16)
def _built_in_digest(name: str, files: Files, seed: int) -> str:
    """Return the digest of built-in data that differ from the published ones, cached by the state of their files."""
    data = load_dataset(name, seed=seed, keep=True)
    return "" if data.published else data.digest or ""


def _describe(name: str) -> DatasetRecord:
    record = describe_dataset(name)
    if not record.available:
        load_dataset(name)  # which says what to do
    return record


def _check_fits(network: NetworkSpec, data: DatasetRecord) -> None:
    network.check_fits(data.name, data.fan_in, data.classes, data.targets)


def public_fields(sweep: SweepSpec) -> dict[str, Any]:
    """Return the fields of a sweep without the paths of data files on this machine.

    Files that differ keep different names.
    """
    fields: dict[str, Any] = sweep.model_dump(mode="json")
    tables = [fields["run"], *fields["cases"]]
    listed = fields["grid"].get("data", [])
    paths = [*(table["data"] for table in tables if "data" in table), *listed]
    names: dict[Any, str] = {}
    for path in paths:
        if isinstance(path, str) and path.endswith(".npz") and path not in names:
            name = public_name(path)
            names[path] = f"{len(names) + 1}/{name}" if name in names.values() else name
    for table in tables:
        if "data" in table:
            table["data"] = names.get(table["data"], table["data"])
    if listed:
        fields["grid"]["data"] = [names.get(path, path) for path in listed]
    return fields


def write(folder: Path, sweep: SweepSpec, runs: list[str]) -> None:
    """Write the run of each point of a sweep."""
    content = {"format": FORMAT, "sweep": public_fields(sweep), "runs": runs}
    files.write_whole(folder / FILE, json.dumps(content, indent=1))


def read(folder: Path) -> tuple[SweepSpec, list[str]]:
    """Return what ``write`` wrote; RunError if it is missing or damaged."""

    def parse(content: bytes) -> tuple[SweepSpec, list[str]]:
        fields = parse_json(content, LIMITS)
        if fields["format"] != FORMAT:
            raise RunError(f"it has sweep format {fields['format']}; this version reads {FORMAT}")
        sweep, runs = SweepSpec(**fields["sweep"]), [str(name) for name in fields["runs"]]
        if len(runs) != math.prod(sweep.shape):
            raise ValueError(f"{len(runs)} runs in a sweep of {math.prod(sweep.shape)}")
        return sweep, runs

    return files.read_whole(folder / FILE, parse, LIMITS.size)
