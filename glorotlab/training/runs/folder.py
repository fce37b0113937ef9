"""Run folder: one checkpoint, the files derived from it, one owner.

``checkpoint.npz`` is the run. For other programs there are ``spec.toml``, ``statistics.nc``, ``histograms.nc``,
``curves.nc``, ``provenance.json`` and, written last, ``status.json``. ``lock`` is there while a process trains.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from glorotlab import files, netcdf
from glorotlab.errors import RunError, reason
from glorotlab.spec.run import RunSpec
from glorotlab.training import pretraining
from glorotlab.training.runs import datasets, lock, provenance
from glorotlab.training.runs.checkpoint import FILE as CHECKPOINT
from glorotlab.training.runs.checkpoint import FORMAT, Checkpoint
from glorotlab.training.runs.status import FILE as STATUS
from glorotlab.training.runs.status import read_status, unfinished_status

CONTENTS = ("spec.toml", "statistics.nc", "histograms.nc", "curves.nc", provenance.FILE)
"""Files derived from the checkpoint that have a digest in the status."""

DERIVED = (*CONTENTS, STATUS)
"""Files derived from the checkpoint."""

EMPTY = hashlib.sha256(b"").hexdigest()[:16]
"""Digest of an empty file. It is ignored where a status has no digests, because no file of a run is empty."""

BEFORE_CHECKPOINTS = {"status.json", "weights.npz"}
"""Files of a run of format 0, which had no checkpoints."""

LONGEST_VALUE = 60
"""Largest number of characters of a value in a message."""


class RunFolder:
    """A folder with a run, or for a new one.

    Parameters
    ----------
    path : path-like
        ``~`` is the home folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = files.user_path(path)
        self._lock: lock.Lock | None = None

    def read(self) -> Checkpoint | None:
        """Return the checkpoint, or None if a run may begin here.

        Raises
        ------
        RunError
            Where the folder cannot be read, the checkpoint is damaged or of another format, files of something
            else are there, or what has the name of a file of a run is a link, a named pipe, a device or a folder.
        """
        try:
            names = sorted(path.name for path in self.path.iterdir()) if self.path.exists() else []
            for name in names:
                if name in (CHECKPOINT, lock.FILE, *DERIVED):
                    self._check_regular(name)
        except (OSError, ValueError) as error:  # ValueError: a null byte
            raise RunError(f"run folder {str(self.path)!r} cannot be read: {reason(error)}") from None
        if CHECKPOINT in names:
            return Checkpoint.read(self.path)
        if set(names) >= BEFORE_CHECKPOINTS:
            raise RunError(
                f"{str(self.path)!r} holds a run of format 0, which has no checkpoint; this version reads {FORMAT}: "
                "train it again in another folder, or read its files one by one"
            )
        others = [name for name in names if not _is_transient(name)]
        if others:
            raise RunError(f"{str(self.path)!r} is not a run folder: it holds {others[0]!r} and no {CHECKPOINT}")
        return None

    def _check_regular(self, name: str) -> None:
        """Raise OSError if a file of a run is not a regular file, before anything is read or written."""
        try:
            files.check_regular(self.path / name)
        except FileNotFoundError:  # its owner is just done with it
            return
        except OSError as error:
            raise OSError(error.errno, f"{name!r} in it: {error.strerror}") from None

    def read_matching(self, spec: RunSpec) -> Checkpoint | None:
        """Return what ``read`` returns; RunError, with the fields that differ, if the run has another spec."""
        checkpoint = self.read()
        if checkpoint is not None and checkpoint.spec.content_hash != spec.content_hash:
            raise RunError(
                f"{str(self.path)!r} holds a run of another spec ({'; '.join(_differences(checkpoint.spec, spec))}): "
                "choose another folder, or remove it"
            )
        return checkpoint

    def current_status(self, checkpoint: Checkpoint) -> str:
        """Return the current status of a run; one that has not ended is running if a process trains it."""
        return checkpoint.status if checkpoint.ended else unfinished_status(self.path)

    def is_complete(self, checkpoint: Checkpoint) -> bool:
        """Return whether a run has ended and all its files are complete and up to date."""
        if not checkpoint.ended:
            return False
        try:
            status = read_status(self.path)
            digests = {name: _digest(files.read_bytes(self.path / name, netcdf.LARGEST)) for name in CONTENTS}
        except (RunError, OSError):
            return False
        as_written = status.get("files", {name: digest for name, digest in digests.items() if digest != EMPTY})
        return bool(status["status"] == checkpoint.status and digests == as_written)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Own the folder inside the block; create it if it is missing, and remove files that a kill left half-written.

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
            self._remove_leftovers()
            yield
        finally:
            self._lock.release()
            self._lock = None

    def _remove_leftovers(self) -> None:
        try:
            for path in list(self.path.iterdir()):
                if _is_transient(path.name) and path.name != lock.FILE:
                    path.unlink()
        except OSError as error:
            raise RunError(f"run folder {str(self.path)!r} cannot be written: {reason(error)}") from None

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint, provided that this process still owns the folder."""
        assert self._lock is not None, "only the owner writes"  # noqa: S101
        self._lock.check()
        checkpoint.write(self.path)

    def sync(self) -> None:
        """Flush the checkpoint's name to disk, so that it survives a power failure."""
        files.sync_folder(self.path)

    def write_derived(self, checkpoint: Checkpoint) -> None:
        """Write every file but the checkpoint; the status, with a digest of each of the others, comes last."""
        contents = _spec_contents(checkpoint) | {
            f"{name}.nc": netcdf.to_bytes(getattr(datasets, name)(checkpoint))
            for name in ("statistics", "histograms", "curves")
        }
        self._write(contents)
        self.write_status(checkpoint, {name: _digest(contents[name]) for name in CONTENTS})

    def write_spec(self, checkpoint: Checkpoint) -> None:
        """Write ``spec.toml`` and ``provenance.json``."""
        self._write(_spec_contents(checkpoint))

    def _write(self, contents: dict[str, bytes]) -> None:
        for name, content in contents.items():
            files.write_whole(self.path / name, content)

    def write_status(self, checkpoint: Checkpoint, digests: dict[str, str] | None = None) -> None:
        """Write ``status.json``, with the digests of the files beside it if these are as new."""
        status = {
            "format": FORMAT,
            "status": checkpoint.status,
            "updates": checkpoint.updates,
            "updates_in_all": checkpoint.spec.training.updates,
            "seconds": round(checkpoint.seconds, 3),
            "content_hash": checkpoint.spec.content_hash,
            "fields": checkpoint.spec.by_field(),
        }
        status |= datasets.last_errors(checkpoint) | pretraining.progress(checkpoint.spec, checkpoint.arrays)
        status |= {"files": digests} if digests else {}
        files.write_whole(self.path / STATUS, json.dumps(status))


def _spec_contents(checkpoint: Checkpoint) -> dict[str, bytes]:
    return {
        "spec.toml": checkpoint.spec.to_toml().encode(),
        provenance.FILE: json.dumps(checkpoint.sessions, indent=2).encode(),
    }


def _digest(content: bytes) -> str:
    """Return 16 digits of a SHA-256, enough to notice damage (but not forgery)."""
    return hashlib.sha256(content).hexdigest()[:16]


def _is_transient(name: str) -> bool:
    """Return whether a file exists only while a process trains, or because one was killed."""
    return name == lock.FILE or files.is_temporary(name, of=(CHECKPOINT, *DERIVED))


def _differences(there: RunSpec, here: RunSpec) -> list[str]:
    """Return a text for each field in which two specs differ."""
    one, other = _by_path(there.model_dump(mode="json")), _by_path(here.model_dump(mode="json"))
    same_arrays = there.data_digest == here.data_digest != ""
    return [
        f"{name} is {_shortened(one.get(name))} there, {_shortened(other.get(name))} here"
        for name in sorted(one | other)
        if one.get(name) != other.get(name) and not (name == "data" and same_arrays)
    ]


def _by_path(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the fields of nested tables as ``table.field``."""
    fields: dict[str, Any] = {}
    for name, value in values.items():
        fields |= _by_path(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return fields


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
