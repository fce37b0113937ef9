"""Provenance: what the numbers of a run rest on besides its spec. One record for each session that trained it."""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from glorotlab import __version__
from glorotlab.kernels import simd
from glorotlab.machine import package_version, processor
from glorotlab.threads import num_threads

PACKAGES = ("numpy", "scipy", "xarray")
GIT_SECONDS = 10


FILE = "provenance.json"
"""Of a run folder: the records of its sessions."""


def read_sessions(folder: Path) -> list[dict[str, Any]]:
    """Return the sessions of the run in a folder; none where it does not say."""
    try:
        found = json.loads((folder / FILE).read_bytes())
        return [dict(session) for session in found]
    except (OSError, ValueError, TypeError):
        return []


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
    """Return commit and whether files differ from it, of an editable install; None where there is no git."""
    package = Path(__file__).resolve().parents[1]
    top = _git(package, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != package.parent:  # a repository that only happens to be around
        return None
    changed = _git(package, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return {"commit": _git(package, "rev-parse", "HEAD"), "modified": bool(changed)}


def _git(folder: Path, *arguments: str) -> str | None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            env=environment,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()
