"""A run folder: one checkpoint, the files derived from it, one owner.

``checkpoint.npz`` is the run. For other programs there are ``spec.toml``, ``statistics.nc``, ``histograms.nc``,
``curves.nc``, ``provenance.json`` and, written last, ``status.json``. ``lock`` is there while a process trains.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from glorotlab.errors import RunError
from glorotlab.spec.run import RunSpec
from glorotlab.training.runs import checkpoint as checkpoints
from glorotlab import files
from glorotlab.training.runs import lock, provenance, datasets
from glorotlab.training.runs.checkpoint import FORMAT, Checkpoint
from glorotlab.training.runs.status import FILE as STATUS
from glorotlab.training.runs.status import read_status, unended

DERIVED = ("spec.toml", "statistics.nc", "histograms.nc", "curves.nc", provenance.FILE, STATUS)
BEFORE_CHECKPOINTS = {"status.json", "weights.npz"}
"""Files of a run written before there were checkpoints (format 0)."""

SHOWN = 60
"""Characters of a value in a message."""


class RunFolder:
    """A folder that holds a run, or may come to.

    Parameters
    ----------
    path : path-like
        ``~`` is the home folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = files.user_path(path)
        self._lock: lock.Lock | None = None

    def read(self) -> Checkpoint | None:
        """Return the checkpoint, None where a run may begin here; RunError where neither is so."""
        try:
            names = sorted(path.name for path in self.path.iterdir()) if self.path.exists() else []
        except (OSError, ValueError) as error:  # ValueError: a null byte
            raise RunError(f"run folder {str(self.path)!r} cannot be read: {_reason(error)}") from None
        if checkpoints.FILE in names:
            return Checkpoint.read(self.path)
        if set(names) >= BEFORE_CHECKPOINTS:
            raise RunError(
                f"{str(self.path)!r} holds a run of format 0, which has no checkpoint; this version reads {FORMAT}: "
                "train it again in another folder, or read its files one by one"
            )
        others = [name for name in names if not _is_passing(name)]
        if others:
            raise RunError(f"{str(self.path)!r} is not a run folder: it holds {others[0]!r} and no {checkpoints.FILE}")
        return None

    def read_for(self, spec: RunSpec) -> Checkpoint | None:
        """Return the checkpoint; RunError, naming the fields that differ, where it is of another spec."""
        found = self.read()
        if found is not None and found.spec.content_hash != spec.content_hash:
            raise RunError(
                f"{str(self.path)!r} holds a run of another spec ({'; '.join(_differences(found.spec, spec))}): "
                "choose another folder, or remove it"
            )
        return found

    def status(self, found: Checkpoint) -> str:
        """Return the status of a run as it is now: one that has not ended is running where somebody trains it."""
        return found.status if found.ended else unended(self.path)

    def is_complete(self, found: Checkpoint) -> bool:
        """Whether a run has ended and all its files say so."""
        if not (found.ended and all((self.path / name).is_file() for name in DERIVED)):
            return False
        try:
            return bool(read_status(self.path)["status"] == found.status)
        except RunError:
            return False

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Own the folder inside the block; make it where there is none, and clear what a kill left.

        Raises
        ------
        RunInUseError
            Where another process owns it.
        RunError
            Where it cannot be written.
        """
        files.make_folder(self.path)
        self._lock = lock.Lock(self.path)
        try:
            self._clear()
            yield
        finally:
            self._lock.release()
            self._lock = None

    def _clear(self) -> None:
        """Remove what a kill left half-written."""
        try:
            for path in list(self.path.iterdir()):
                if _is_passing(path.name) and path.name != lock.FILE:
                    path.unlink()
        except OSError as error:
            raise RunError(f"run folder {str(self.path)!r} cannot be written: {_reason(error)}") from None

    def commit(self, found: Checkpoint) -> None:
        """Write the checkpoint, where this process still owns the folder: the run is then what it says."""
        assert self._lock is not None, "only the owner writes"  # noqa: S101
        self._lock.check()
        found.write(self.path)

    def sync(self) -> None:
        """See that the checkpoint outlasts a power failure."""
        files.sync_folder(self.path)

    def derive(self, found: Checkpoint) -> None:
        """Write every file but the checkpoint, the status last."""
        self.describe(found)
        for name in ("statistics", "histograms", "curves"):
            files.write_dataset(self.path / f"{name}.nc", getattr(datasets, name)(found))
        self.say(found)

    def describe(self, found: Checkpoint) -> None:
        """Write spec and provenance."""
        files.write_whole(self.path / "spec.toml", found.spec.to_toml())
        files.write_whole(self.path / provenance.FILE, json.dumps(found.sessions, indent=2))

    def say(self, found: Checkpoint) -> None:
        """Write ``status.json``."""
        status = {
            "format": FORMAT,
            "status": found.status,
            "updates": found.updates,
            "updates_in_all": found.spec.training.updates,
            "seconds": round(found.seconds, 3),
            "content_hash": found.spec.content_hash,
            "fields": found.spec.by_field(),
        }
        files.write_whole(self.path / STATUS, json.dumps(status | datasets.last_errors(found)))


def _is_passing(name: str) -> bool:
    """Whether a file is only there while somebody trains, or because he was killed."""
    return name == lock.FILE or files.is_temporary(name, of=(checkpoints.FILE, *DERIVED))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _differences(there: RunSpec, here: RunSpec) -> list[str]:
    """Return the fields in which two specs differ, and how."""
    one, other = _fields(there.model_dump(mode="json")), _fields(here.model_dump(mode="json"))
    return [
        f"{name} is {_shown(one.get(name))} there, {_shown(other.get(name))} here"
        for name in sorted(one | other)
        if one.get(name) != other.get(name) and not (name == "data" and there.data_digest == here.data_digest != "")
    ]


def _fields(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _fields(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
