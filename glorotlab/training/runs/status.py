"""Status: a summary of a run folder in one small file, ``status.json``, so that thousands can be listed.

This module imports nothing slow: a listing takes as long as opening its files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from glorotlab import files
from glorotlab.documents import LIMITS, parse_json
from glorotlab.errors import RunError, reason
from glorotlab.training.runs import lock
from glorotlab.training.runs.records import Count, Record, Seconds

FILE = "status.json"

FINISHED, DIVERGED, INTERRUPTED, RUNNING = "finished", "diverged", "interrupted", "running"
Status = Literal["finished", "diverged", "interrupted", "running"]
"""Status of a run."""

ENDED = (FINISHED, DIVERGED)
"""Statuses of a run that has ended."""

UNREADABLE = "unreadable"
"""Status in a listing of a folder whose ``status.json`` cannot be read."""


class _Pretraining(Record):
    updates: Count
    updates_in_all: Count
    reconstruction_cost: list[float | None]


class _Status(Record):
    """The content of ``status.json``; for a run of an earlier version some of it may be missing."""

    status: Status
    updates: Count
    updates_in_all: Count = 0
    seconds: Seconds = 0.0
    content_hash: str = ""
    fields: dict[str, str | int | float | bool] = Field(default_factory=dict)
    training_cost: float | None = None
    validation_error: float | None = None
    test_error: float | None = None
    pretraining: _Pretraining | None = None
    files: dict[str, str] = Field(default_factory=dict)


def read_status(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of ``status.json``.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    dict
        The ``status`` of a run that has not ended is ``running`` where a process trains it, else ``interrupted``,
        whatever the file says; its ``updates``, ``training_cost`` and errors are those of its last checkpoint.
        ``fields`` are those of the RunSpec, by name.

    Raises
    ------
    RunError
        Where there is no such file, or it is damaged.
    """
    status = files.read_whole(Path(folder, FILE), _parse, LIMITS.size)
    return status if status["status"] in ENDED else status | {"status": unfinished_status(Path(folder))}


def _parse(content: bytes) -> dict[str, Any]:
    table: dict[str, Any] = parse_json(content)
    _Status.check(table, "field")
    return table


def has_derived_files(folder: Path, status: dict[str, Any]) -> bool:
    """Return whether all files with a digest in the status exist and are not empty."""
    try:
        return all(os.stat(folder / name, follow_symlinks=False).st_size for name in status.get("files", ()))
    except (OSError, ValueError):  # ValueError: a null byte
        return False


def unfinished_status(folder: Path) -> str:
    """Return the current status of a run that has not ended."""
    return RUNNING if lock.living_owner(folder) else INTERRUPTED


def list_runs(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the status of every run folder directly in a folder, sorted by name, with its name as ``run``.

    One whose ``status.json`` cannot be read is ``unreadable``, and ``error`` says why.

    Raises
    ------
    RunError
        Where the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise RunError(f"folder {str(folder)!r} cannot be read: {reason(error)}") from None
    runs = []
    for name in names:
        place = os.path.join(folder, name)
        try:
            runs.append({"run": name} | read_status(place))
        except RunError as error:
            if os.path.lexists(os.path.join(place, FILE)):
                runs.append({"run": name, "status": UNREADABLE, "error": str(error)})
    return runs
