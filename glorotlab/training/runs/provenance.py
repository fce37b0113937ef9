"""Provenance: versions and machines behind the numbers of a run. One record for each session that trained it."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from glorotlab import __version__, files
from glorotlab.documents import Limits, parse_json
from glorotlab.errors import InvalidValueError, RunError
from glorotlab.kernels import simd
from glorotlab.machine import package_version, processor
from glorotlab.threads import num_threads
from glorotlab.training.runs.records import Session

FILE = "provenance.json"
"""File of a run folder that holds the records of its sessions."""

PACKAGES = ("numpy", "scipy", "xarray")
"""Packages whose versions are recorded."""

LIMITS = Limits(size=2**24, depth=8, keys=10**6)
"""Limits of the file, enough for the sessions of a run that is resumed every hour for a year."""

GIT_SECONDS = 10
"""Longest time in seconds to wait for git."""


def read_sessions(folder: Path) -> list[dict[str, Any]]:
    """Return the sessions of the run in a folder, an empty list if there is no record."""
    try:
        return files.read_whole(folder / FILE, _parse, LIMITS.size)
    except RunError:
        return []


def _parse(content: bytes) -> list[dict[str, Any]]:
    table = parse_json(content, LIMITS)
    if not isinstance(table, list):
        raise InvalidValueError("allowed is a list of sessions")
    for session in table:
        Session.check(session, "session")
    return table


def session(from_update: int) -> dict[str, Any]:
    """Return the record of a session that begins now, after ``from_update`` updates."""
    return {
        "from_update": from_update,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host": platform.node(),
        "pid": os.getpid(),
        "glorotlab": __version__,
        "git": _git_state(),
        "python": platform.python_version(),
        **{name: package_version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "simd": simd.get_level(),
        "cpus": os.cpu_count(),
        "threads": num_threads(),
    }


@functools.cache
def _git_state() -> dict[str, Any] | None:
    """Return the commit of an editable install and whether files differ from it, or None without git."""
    package = Path(__file__).resolve().parents[1]
    top = _git(package, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != package.parent:  # a repository that only happens to be around
        return None
    changed = _git(package, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return {"commit": _git(package, "rev-parse", "HEAD"), "modified": bool(changed)}


def _git(folder: Path, *arguments: str) -> str | None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        answer = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            env=environment,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return answer.stdout.strip()
