"""Names of run folders: the fields that vary, for people, and first digits of the content hash, for programs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from glorotlab.data.places import public_name

DIGITS = 12
"""Digits of the content hash in a name; in the largest sweep two runs share them once in a million sweeps."""

LONGEST = 80
"""Largest number of characters of a name before its digits."""

_NAME = re.compile(r"(?:.*-)?([0-9a-f]{12})|([0-9a-f]{12})[0-9a-f]{4}", re.DOTALL)
"""Pattern of a name, or of one from earlier versions: sixteen digits alone."""

_PLAIN = re.compile(r"[^A-Za-z0-9.+_-]+")


def folder_name(labels: Mapping[str, Any], content_hash: str) -> str:
    """Return the name of a run's folder, such as ``learning_rate=0.1,seed=3-0123456789ab``.

    Of a data file it tells what the run's own files do.

    Parameters
    ----------
    labels : dict
        What tells the run from the others of its sweep.
    content_hash : str
        Content hash of its RunSpec.
    """
    texts = {name: public_name(str(value)) if name == "data" else str(value) for name, value in labels.items()}
    parts = [f"{name}={_PLAIN.sub('-', value).strip('-')}" for name, value in texts.items()]
    plain = ",".join(parts)[:LONGEST] or "run"
    return f"{plain}-{content_hash[:DIGITS]}"


class RunFolders:
    """The existing run folders by content; a run keeps its folder, whatever a sweep would call it.

    Parameters
    ----------
    folder : Path or None
        Where they are; None where there are none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._names: set[str] = set()
        self._by_digits: dict[str, str] = {}
        self._chosen: dict[str, str] = {}
        if folder:
            with suppress(OSError), os.scandir(folder) as entries:  # it is not there yet, or whoever writes there says
                self._names = {entry.name for entry in entries if entry.is_dir()}
        for name in sorted(self._names):
            match = _NAME.fullmatch(name)
            if match:
                self._by_digits.setdefault(match[1] or match[2], name)

    def name(self, labels: Mapping[str, Any], content_hash: str) -> str:
        """Return the name of a run's existing or new folder; runs of equal content share one."""
        digits = content_hash[:DIGITS]
        if digits not in self._chosen:
            new = folder_name(labels, content_hash)
            self._chosen[digits] = new if new in self._names else self._by_digits.get(digits, new)
        return self._chosen[digits]
