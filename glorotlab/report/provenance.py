"""What the numbers of a page rest on besides their spec: versions, machine and time."""

from __future__ import annotations

import platform
from datetime import UTC, datetime

from glorotlab import __version__
from glorotlab.machine import package_version
from glorotlab.threads import num_threads

PACKAGES = ("numpy", "scipy", "matplotlib", "xarray")
"""Packages whose versions a page states."""


def provenance() -> dict[str, str]:
    """Return versions, machine and time of the making by name."""
    return {
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "glorotlab": __version__,
        "Python": platform.python_version(),
        **{package: package_version(package) for package in PACKAGES},
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "kernel threads": str(num_threads()),
    }
