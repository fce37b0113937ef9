"""Places: where this user's own data files lie, remembered by their digests beside the user's other state.

A run names such data by their digest and by a path that tells nothing of the user's machine, so that its folder can be
given away. Whoever resumes it on the machine where it began finds the file by what is remembered here.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path, PurePath

import platformdirs

from glorotlab import files
from glorotlab.errors import RunError

DIGEST = re.compile("[0-9a-f]{64}")
"""Pattern of a SHA-256 as ``Dataset.digest`` writes it."""

LONGEST = 4096
"""Longest path in bytes."""


def public_name(path: str) -> str:
    """Return the path of a data file for a run's folder: relative if it leads down, else its last part."""
    place = PurePath(path)
    leads_down = not place.is_absolute() and ".." not in place.parts and not path.startswith("~")
    return path if leads_down else place.name


def remember(digest: str, path: str) -> None:
    """Remember the path of the data of a digest, for this user alone; failure to write is ignored."""
    note, where = _note(digest), os.path.abspath(path)
    if not DIGEST.fullmatch(digest) or recall(digest) == where:
        return
    with suppress(OSError, RunError):
        note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_whole(note, os.fsencode(where), sync=False)


def recall(digest: str) -> str | None:
    """Return the remembered path of the data of a digest, or None."""
    if not DIGEST.fullmatch(digest):  # it is part of a path, and may come from a file
        return None
    try:
        return os.fsdecode(files.read_bytes(_note(digest), LONGEST))
    except OSError:
        return None


def _note(digest: str) -> Path:
    """Return the path of the file that remembers a digest."""
    return platformdirs.user_state_path("glorotlab") / "data" / digest
