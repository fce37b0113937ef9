"""Status: what a run folder says of itself in one small file, ``status.json``, so that thousands can be listed.

This module imports nothing slow: a listing takes as long as opening its files.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from glorotlab.errors import RunError
from glorotlab.training.runs import lock

FILE = "status.json"

FINISHED, DIVERGED, INTERRUPTED, RUNNING = "finished", "diverged", "interrupted", "running"
STATUSES = (FINISHED, DIVERGED, INTERRUPTED, RUNNING)
"""Statuses a run can have."""

ENDED = (FINISHED, DIVERGED)
"""Statuses of a run that is not trained any further."""

UNREADABLE = "unreadable"
"""Status, in a listing, of a folder whose ``status.json`` is damaged."""


def read_status(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what ``status.json`` says of a run.

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
    path = os.path.join(folder, FILE)
    try:
        with open(path, "rb") as file:
            status: dict[str, Any] = json.loads(file.read())
        STATUSES.index(status["status"])
        status["updates"] = int(status["updates"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"cannot read {path!r}: {reason}") from None
    return status if status["status"] in ENDED else status | {"status": unfinished_status(Path(folder))}


def unfinished_status(folder: Path) -> str:
    """Return the status of a run that has not ended, as it is now."""
    return RUNNING if lock.living_owner(folder) else INTERRUPTED


def list_runs(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the status of every run folder right below a folder, sorted by name, with its name as ``run``.

    Raises
    ------
    RunError
        Where the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except (OSError, ValueError) as error:  # ValueError: a null byte
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(f"folder {str(folder)!r} cannot be read: {reason}") from None
    runs = []
    for name in names:
        place = os.path.join(folder, name)
        try:
            runs.append({"run": name} | read_status(place))
        except RunError:
            if os.path.exists(os.path.join(place, FILE)):
                runs.append({"run": name, "status": UNREADABLE})
    return runs
